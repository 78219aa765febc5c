"""The frontier over a range of budgets: size, data, loss and what they take, as a table to draw or to save."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoflop.errors import UsageError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.laws.graph import Array
from isoflop.planning.budget import Limit, Machine
from isoflop.planning.draft import spread
from isoflop.planning.landscape import name_of
from isoflop.planning.on_frontier import frontier_losses, frontier_rows
from isoflop.planning.on_landscape import losses_along, problem_for
from isoflop.planning.request import Request
from isoflop.quantities import Estimate, format_flops, parse_quantity
from isoflop.records import Saved
from isoflop.tabular import Table, Tabular, estimate_cells

SCHEMA = "isoflop.frontier/1"
MOST_POINTS = 10_000
_AT_ONCE = 16  # budgets that are searched together
_QUANTITIES = ("params", "tokens", "tokens_per_param", "loss")


@dataclass(frozen=True)
class Step:
    """The best run for one budget of training, and what it takes on the machine."""

    compute: float
    params: Estimate
    tokens: Estimate
    tokens_per_param: Estimate
    loss: Estimate
    gpu_hours: float
    cost_usd: float | None
    decades_beyond_data: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "compute": self.compute,
            **{name: getattr(self, name).to_dict() for name in _QUANTITIES},
            "gpu_hours": self.gpu_hours,
            "cost_usd": self.cost_usd,
            "decades_beyond_data": self.decades_beyond_data,
        }


@dataclass(frozen=True)
class FrontierTable(Judged, Saved, Tabular):
    """The best run for each of many budgets, by a law or a frontier, with intervals at `level`."""

    law: str
    level: float
    device: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "law": self.law,
            "level": self.level,
            "gpus": self.device,
            "frontier": [step.to_dict() for step in self.steps],
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """One row for each budget, three columns for each number with an interval."""
        header = ["compute"]
        for name in _QUANTITIES:
            header += [name, f"{name}_low", f"{name}_high"]
        rows = tuple(
            (
                step.compute,
                *(cell for name in _QUANTITIES for cell in estimate_cells(getattr(step, name))),
                *(step.gpu_hours, step.cost_usd, step.decades_beyond_data),
            )
            for step in self.steps
        )
        return Table(
            f"Frontier by {self.law}, {self.level:.0%} intervals",
            (*header, "gpu_hours", "cost_usd", "decades_beyond_data"),
            rows,
        )

    def to_csv(self) -> str:
        """The rows of `table` as CSV, every digit kept, nothing where a value is not known."""
        table, lines = self.table(), io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(table.header)
        writer.writerows([["" if _unknown(cell) else cell for cell in row] for row in table.rows])
        return lines.getvalue()

    def __str__(self) -> str:
        """One line for each budget."""
        lines = (
            f"{format_flops(step.compute)}: {step.params} on {step.tokens}, loss {step.loss}" for step in self.steps
        )
        return "\n".join(lines)


def parse_sweep(text: str, name: str = "sweep") -> Array:
    """The budgets of `LOW:HIGH` or `LOW:HIGH:POINTS`, evenly spaced in logarithms; four a decade unless said.

    Raises:
        UsageError: naming the text and what is wrong.

    Example:
        >>> [f"{compute:.0e}" for compute in parse_sweep("1e20:1e22:3")]
        ['1e+20', '1e+21', '1e+22']
    """
    parts = text.split(":")
    if len(parts) not in (2, 3):
        raise UsageError(f"{name}={text!r} must be LOW:HIGH or LOW:HIGH:POINTS, such as 1e20:1e26:200.")
    low, high = (parse_quantity(part, "compute", name) for part in parts[:2])
    if not low < high:
        raise UsageError(f"{name}={text!r} must rise: {parts[0]} is not below {parts[1]}.")
    points = round(4 * math.log10(high / low)) + 1 if len(parts) == 2 else parse_quantity(parts[2], "count", name)
    if not (points == int(points) and 2 <= points <= MOST_POINTS):
        raise UsageError(f"{name}={text!r}: the number of points must be whole, from 2 to {MOST_POINTS}.")
    return np.geomspace(low, high, int(points))


def sweep(source: Fit | FrontierFit, request: Request, compute: Array, level: float | None = None) -> FrontierTable:
    """The best run for each budget of `compute` (p,) in FLOP, under the limits of the request.

    Raises:
        UsageError: a goal is given as well, or the source does not know runs off its frontier.

    Example:
        >>> from isoflop.planning.budget import machine_of
        >>> from isoflop.planning.source import source_of
        >>> asked = Request(machine_of(None, "h100"), budgets=(Limit("sweep", 1e20, "1e20 FLOP"),))
        >>> found = sweep(source_of("published:besiroglu2024"), asked, parse_sweep("1e20:1e22:3"))
        >>> [round(step.tokens_per_param.value, 1) for step in found.steps]
        [22.9, 21.6, 20.4]
    """
    if request.target_loss is not None or request.params is not None or request.tokens is not None:
        raise UsageError("sweep: give no target_loss, params or tokens: the budget varies, and the best run is sought.")
    level = source.level if level is None else level
    asked = replace(request, budgets=(Limit("sweep", float(compute[0]), format_flops(float(compute[0]))),))
    if not isinstance(source, FrontierFit):
        return _of_law(source, asked, compute, level)
    rows = frontier_rows(source)
    params, tokens = (rows[:, first : first + 1] * compute ** rows[:, first + 1 : first + 2] for first in (0, 2))
    losses, findings = frontier_losses(source, compute.tolist(), level)
    return _table(source.law, asked.machine, (compute, params, tokens), losses, findings, level, None)


def _of_law(fit: Fit, request: Request, compute: Array, level: float) -> FrontierTable:
    choices = request.choices()
    if len(choices) > 1:
        raise UsageError("sweep: give one value of each other input of the law.")
    problem = problem_for(fit, request, choices[0])
    # A few budgets at a time: a thousand draws of all of them at once would not fit the caches of a processor.
    parts = [problem.at_budget(part) for part in np.array_split(compute, -(-len(compute) // _AT_ONCE))]
    params, tokens = (np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("params", "tokens"))
    spent = problem.terms.training * params[0] * tokens[0]
    told = losses_along(fit, problem, params[0].tolist(), tokens[0].tolist(), choices[0], level)
    beyond = [point.decades_beyond_data for point in told.points]
    losses = [point.loss for point in told.points]
    findings = tuple(_softened(finding, beyond) for finding in told.findings)
    return _table(name_of(fit), request.machine, (spent, params, tokens), losses, findings, level, beyond)


def _softened(finding: Finding, beyond: list[float | None]) -> Finding:
    """Distance forbids a table only where every row is too far; otherwise the rows say how far they are."""
    if finding.code != "far-extrapolation" or finding.severity != "refuse":
        return finding
    near = any(decades is None or decades <= 2.5 for decades in beyond)
    return replace(finding, severity="warn") if near else finding


def _table(
    law: str,
    machine: Machine,
    found: tuple[Array, Array, Array],
    losses: list[Estimate],
    findings: tuple[Finding, ...],
    level: float,
    beyond: list[float | None] | None,
) -> FrontierTable:
    compute, params, tokens = found
    steps = []
    for index, flops in enumerate(compute.tolist()):
        hours = machine.hours(flops)
        size, data = params[:, index], tokens[:, index]
        steps.append(
            Step(
                compute=flops,
                params=spread(size, level),
                tokens=spread(data, level),
                tokens_per_param=spread(data / size, level),
                loss=losses[index],
                gpu_hours=hours,
                cost_usd=None if machine.price is None else hours * machine.price,
                decades_beyond_data=None if beyond is None else beyond[index],
            )
        )
    return FrontierTable(law, level, machine.device.name, tuple(steps), by_weight(findings))


def _unknown(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and not math.isfinite(cell))
