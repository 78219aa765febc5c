"""The tables of a report as text cells, and the numbers under its headline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isoflop.fitting.fit import Fit, interval
from isoflop.forecasting.calibration import Calibration, calibrated_bounds
from isoflop.laws.frontier import frontier, has_frontier
from isoflop.laws.graph import Array
from isoflop.quantities import Estimate, format_count, format_number
from isoflop.reporting.charts.rows import Row, run_rows, some_draws
from isoflop.reporting.figures import held_out_names
from isoflop.reporting.inputs import ReportInputs
from isoflop.reporting.numbers import bounds_text, error_text, loss_text
from isoflop.reporting.tables import interval_text
from isoflop.reporting.words import measure
from isoflop.runs.compute import compute_of

BEYOND = 2.0
"""Decades of compute beyond the data to which optima are shown."""


@dataclass(frozen=True)
class ParameterRow:
    """A constant of the law as text."""

    name: str
    value: str
    interval: str
    unit: str
    meaning: str


@dataclass(frozen=True)
class OptimumRow:
    """The best model size and data for one budget, as text; `beyond` where nothing was measured."""

    compute: str
    params: str
    params_interval: str
    tokens: str
    tokens_interval: str
    ratio: str
    loss: str
    loss_interval: str
    reach: str
    beyond: bool


@dataclass(frozen=True)
class Cell:
    """What a cell shows and what it is sorted by."""

    text: str
    sort: str


@dataclass(frozen=True)
class RunRow:
    """A line of the table of runs; `tone` sets held-out runs apart."""

    cells: tuple[Cell, ...]
    tone: str = ""


@dataclass(frozen=True)
class Tile:
    """A number under the headline."""

    label: str
    value: str
    note: str
    tone: str = ""


def parameter_rows(fit: Fit, unit: str) -> tuple[ParameterRow, ...]:
    """The parameters, then the exponents of the frontier where the law has one."""
    rows = []
    for part in fit.parts:
        owner = f"{part.law.name}, {part.weight:.0%}: " if fit.members else ""
        for item in part.law.parameters:
            value = part.params[item.name]
            number = format_number(value.value, 4)
            rows.append(
                ParameterRow(owner + item.name, number, interval_text(value), _unit(item.unit, unit), item.meaning)
            )
    meanings = {"params_exponent": "optimal model size grows as C^a", "tokens_exponent": "optimal data grows as C^b"}
    names = {"params_exponent": "a", "tokens_exponent": "b"}
    for name, value in fit.frontier.items():
        rows.append(ParameterRow(names[name], format_number(value.value, 4), interval_text(value), "", meanings[name]))
    return tuple(rows)


def optimum_rows(fit: Fit, calibration: Calibration) -> tuple[OptimumRow, ...]:
    """Compute-optimal N, D and loss at round budgets, from within the data to two decades beyond; none without N and D.

    The bounds of the loss are those of a new run, widened as the back-test asks.
    """
    if not has_frontier(fit.law):
        return ()
    reach = float(compute_of(fit.runs).max())
    budgets = round_budgets(float(compute_of(fit.runs).min()), reach)
    best = frontier(fit.law, fit.theta, budgets)
    params, tokens, loss = (
        [Estimate(float(value)) for value in part[0]] for part in (best.params, best.tokens, best.loss)
    )
    if len(fit.ensemble):
        draws = frontier(fit.law, some_draws(fit), budgets)
        params, tokens = (
            _bounded(params, interval(draws.params, fit.level, best.params[0])),
            _bounded(tokens, interval(draws.tokens, fit.level, best.tokens[0])),
        )
        point = {"params": best.params[0], "tokens": best.tokens[0]}
        loss = _bounded(loss, calibrated_bounds(fit, point, budgets, fit.level, calibration))
    return tuple(
        _optimum_row(float(budget), size, data, least, float(budget) / reach)
        for budget, size, data, least in zip(budgets, params, tokens, loss, strict=True)
    )


def round_budgets(low: float, high: float) -> Array:
    """Powers of ten from within the data to two decades beyond, with three times each where there are few.

    Example:
        >>> round_budgets(2e18, 5e21).tolist()
        [1e+19, 1e+20, 1e+21, 1e+22, 1e+23]
    """
    powers = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high) + BEYOND) + 1)
    budgets = np.array([float(f"1e{int(power)}") for power in powers])
    if len(budgets) < 5:
        between = np.array([float(f"3e{int(power)}") for power in powers])
        budgets = np.sort(np.concatenate([budgets, between[between <= high * 10.0**BEYOND]]))
    return budgets


def run_columns(inputs: ReportInputs) -> tuple[str, ...]:
    """The headings of `run_table`."""
    return ("run", "model size", "tokens", "compute", inputs.fit.law.output, "law", "difference", "role")


def run_table(inputs: ReportInputs) -> tuple[RunRow, ...]:
    """The held-out runs, then the fitted ones from large to small."""
    held = [
        _run_row(
            {
                "run": name,
                "params": item.outcome.params,
                "tokens": item.outcome.tokens,
                "compute": item.outcome.compute,
                "loss": item.outcome.actual,
                "fitted": item.outcome.forecast.value,
                "residual": 100.0 * (item.outcome.actual / item.outcome.forecast.value - 1.0),
            },
            "held out",
            "held",
        )
        for name, item in zip(held_out_names(inputs.held_out), inputs.held_out, strict=True)
    ]
    fitted = sorted(run_rows(inputs.fit), key=lambda row: -row.get("compute", 0.0))
    return (*held, *(_run_row(row, "fitted", "") for row in fitted))


def tiles(inputs: ReportInputs) -> tuple[Tile, ...]:
    """Forecast, outcome, error and reach of a single held-out run; none otherwise."""
    if len(inputs.held_out) != 1:
        return ()
    outcome = inputs.held_out[0].outcome
    largest = float(compute_of(inputs.fit.runs).max())
    size = (
        f"{format_count(outcome.params)} parameters on {format_count(outcome.tokens)} tokens"
        if outcome.params and outcome.tokens
        else ""
    )
    level = bounds_text(outcome.forecast)
    inside = Tile(
        f"Inside the {inputs.fit.level:.0%} interval",
        "yes" if outcome.covered else "no",
        level,
        "good" if outcome.covered else "bad",
    )
    return (
        Tile("Forecast", loss_text(outcome.forecast.value), measure(inputs), "forecast"),
        Tile("Outcome", loss_text(outcome.actual), measure(inputs), "outcome"),
        Tile("Error", error_text(outcome.error), "forecast over outcome"),
        inside,
        Tile("Compute over the data", f"{format_number(outcome.compute / largest, 2)}×", size),
    )


def _unit(declared: str, token: str) -> str:
    """The unit with what a token is put in; nothing for a pure number."""
    return "" if declared == "1" else declared.replace("nats/token", f"nats/{token}")


def _bounded(values: Sequence[Estimate], bounds: tuple[Array, Array]) -> list[Estimate]:
    low, high = bounds
    return [Estimate(item.value, float(a), float(b)) for item, a, b in zip(values, low, high, strict=True)]


def _optimum_row(budget: float, params: Estimate, tokens: Estimate, loss: Estimate, beyond: float) -> OptimumRow:
    return OptimumRow(
        compute=format_number(budget, 2),
        params=format_count(params.value),
        params_interval=_count_interval(params),
        tokens=format_count(tokens.value),
        tokens_interval=_count_interval(tokens),
        ratio=format_number(tokens.value / params.value, 3),
        loss=loss_text(loss.value),
        loss_interval=bounds_text(loss),
        reach="within the data" if beyond <= 1.0 else f"extrapolated {format_number(beyond, 2)}×",
        beyond=beyond > 1.0,
    )


def _count_interval(value: Estimate) -> str:
    if value.low is None or value.high is None:
        return ""
    return f"[{format_count(value.low)}, {format_count(value.high)}]"


def _run_row(row: Row, role: str, tone: str) -> RunRow:
    cells = [Cell(str(row["run"]), str(row["run"]))]
    for name, shown in (("params", format_count), ("tokens", format_count), ("compute", format_number)):
        cells.append(_cell(row.get(name), shown))
    cells += [_cell(row["loss"], loss_text), _cell(row["fitted"], loss_text)]
    cells += [_cell(row["residual"], lambda value: error_text(value / 100.0)), Cell(role, role)]
    return RunRow(tuple(cells), tone)


def _cell(value: float | None, shown: Callable[[float], str]) -> Cell:
    if value is None:
        return Cell("–", "")
    return Cell(shown(value), repr(float(value)))
