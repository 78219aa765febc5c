"""The runs of a fit as rows for charts, the groups of size that charts colour by, and the law along a line.

Legend: N model size, D tokens, C compute = 6·N·D as everywhere in fitting, L loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.fitting.fit import Fit, interval, predict
from isoflop.laws.graph import Array
from isoflop.quantities import format_count, format_number
from isoflop.runs.compute import compute_of
from isoflop.runs.table import SIZE_TOLERANCE, RunTable

Row = dict[str, Any]
Rows = list[Row]
Data = dict[str, Rows]
"""The numbers of a chart: tables by name, each a list of rows."""

MOST_GROUPS = 8
_BAND_DRAWS = 400  # percentiles of 400 draws are steady to a pixel


@dataclass(frozen=True)
class SizeGroups:
    """Model sizes in at most eight groups, from small to large: labels, and a size that stands for each."""

    labels: tuple[str, ...]
    sizes: tuple[float, ...]
    upper: tuple[float, ...]

    def label(self, size: float) -> str:
        """The label of the group that `size` belongs to; beyond the largest it is the largest."""
        position = int(np.searchsorted(self.upper, size * (1.0 - SIZE_TOLERANCE)))
        return self.labels[min(position, len(self.labels) - 1)]


def size_groups(runs: RunTable) -> SizeGroups:
    """The sizes of a table; more than eight are joined into eight groups of about as many sizes each.

    Example:
        >>> table = RunTable.from_columns({"params": [1e6, 2e6, 2e6], "loss": [3.0, 2.0, 2.0]})
        >>> size_groups(table).labels
        ('1M', '2M')
    """
    if not runs.has("params") or not len(runs):
        return SizeGroups(("all runs",), (float("nan"),), (float("inf"),))
    distinct: list[float] = []
    for size in np.unique(runs["params"]):
        if not distinct or size > distinct[-1] * (1.0 + SIZE_TOLERANCE):
            distinct.append(float(size))
    parts = [part for part in np.array_split(np.array(distinct), min(MOST_GROUPS, len(distinct))) if len(part)]
    names = [
        format_count(part[0]) if len(part) == 1 else f"{format_count(part[0])} to {format_count(part[-1])}"
        for part in parts
    ]
    middles = tuple(float(part[len(part) // 2]) for part in parts)
    return SizeGroups(tuple(names), middles, tuple(float(part[-1]) for part in parts))


def run_rows(fit: Fit) -> Rows:
    """One row per fitted run: its name, size, tokens, compute, loss, the fitted loss and the residual in percent."""
    runs, groups = fit.runs, size_groups(fit.runs)
    fitted = fitted_loss(fit)
    observed = np.asarray(runs[fit.law.output], dtype=float)
    known = _quantities(fit)
    rows = []
    for index in range(len(runs)):
        row: Row = {"run": run_name(runs, index)}
        row.update({name: significant(values[index]) for name, values in known.items()})
        row["loss"], row["fitted"] = significant(observed[index]), significant(fitted[index])
        row["residual"] = significant(100.0 * (observed[index] / fitted[index] - 1.0), 4)
        row["size"] = groups.label(row["params"]) if "params" in row else groups.labels[0]
        rows.append({**row, **in_words(row)})
    return rows


def fitted_loss(fit: Fit) -> Array:
    """The loss of the fitted law at each run."""
    observed = np.asarray(fit.runs[fit.law.output], dtype=float)
    return observed - fit.residuals if fit.objective.on == "value" else observed * np.exp(-fit.residuals)


def run_name(runs: RunTable, index: int) -> str:
    """What a run is called: its identifier, else its line in the source."""
    return str(runs["run"][index]) if runs.has("run") else f"row {runs.row[index]}"


def in_words(row: Row) -> Row:
    """Quantities of a row as tooltips show them."""
    shown: Row = {}
    for name, label in (("params", "model size"), ("tokens", "tokens seen"), ("compute", "compute seen")):
        if name in row:
            value = row[name]
            shown[label] = format_number(value) + " FLOP" if name == "compute" else format_count(value)
    return shown


def band(fit: Fit, columns: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """The law at the points of `columns`: value, lower and upper bound from the ensemble (NaN without one)."""
    value = predict(fit.law, fit.theta, columns)[0]
    if not len(fit.ensemble):
        return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
    low, high = interval(predict(fit.law, some_draws(fit), columns), fit.level, value)
    return value, low, high


def some_draws(fit: Fit) -> Array:
    """Draws spread evenly over the ensemble, few enough to compute bands with."""
    step = max(1, len(fit.ensemble) // _BAND_DRAWS)
    return fit.ensemble.draws[::step]


def logspace(low: float, high: float, count: int) -> Array:
    """`count` points from `low` to `high`, evenly spaced in the logarithm."""
    return np.asarray(np.exp(np.linspace(np.log(low), np.log(high), count)))


def line_rows(columns: Mapping[str, Array], curve: tuple[Array, Array, Array], **labels: str) -> Rows:
    """A line with its band as rows; bounds that are not known are left out."""
    value, low, high = curve
    rows = []
    for index in range(len(value)):
        row: Row = {name: significant(values[index]) for name, values in columns.items()}
        row["loss"] = significant(value[index])
        if np.isfinite(low[index]) and np.isfinite(high[index]):
            row["low"], row["high"] = significant(low[index]), significant(high[index])
        rows.append({**row, **labels})
    return rows


def significant(value: float, digits: int = 6) -> float:
    """`value` in `digits` significant digits: a page need not carry the rest."""
    return float(f"{value:.{digits}g}")


def flops(params: Array | float, tokens: Array | float) -> Array:
    """Compute 6·N·D."""
    return np.asarray(FLOP_PER_PARAMETER_AND_TOKEN * np.asarray(params) * np.asarray(tokens))


def _quantities(fit: Fit) -> dict[str, Array]:
    runs = fit.runs
    known: dict[str, Array] = {}
    for name in fit.law.columns:
        if runs.has(name):
            known[name] = np.asarray(runs[name], dtype=float)
    if runs.has("params"):
        known["params"] = np.asarray(runs["params"], dtype=float)
    if runs.has("tokens") or (runs.has("compute") and runs.has("params")):
        known["tokens"] = np.asarray(runs.tokens(), dtype=float)
    if runs.has("compute") or {"params", "tokens"} <= set(known):
        known["compute"] = np.asarray(compute_of(runs), dtype=float)
    return known
