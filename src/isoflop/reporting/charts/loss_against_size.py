"""Loss against model size: one line of the law per budget of tokens, with the runs trained on about as many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoflop.fitting.fit import Fit
from isoflop.laws.frontier import has_frontier
from isoflop.laws.graph import Array
from isoflop.quantities import format_count
from isoflop.reporting.charts import parts, surface
from isoflop.reporting.charts.rows import MOST_GROUPS, Data, Row, Rows, band, line_rows, logspace, run_rows
from isoflop.runs.table import RunTable

_POINTS = 40


def can_draw(fit: Fit) -> bool:
    """Whether the law is one of model size and data."""
    return has_frontier(fit.law)


def data(fit: Fit) -> Data:
    """The runs with the budget they belong to, and the law with its band along each budget."""
    budgets = _budgets(fit.runs)
    params = np.asarray(fit.runs["params"], dtype=float)
    grid = logspace(params.min(), params.max(), _POINTS)
    lines: Rows = []
    for budget in budgets:
        columns = {"params": grid, "tokens": np.full_like(grid, budget)}
        lines += line_rows(columns, band(fit, columns), budget=format_count(budget))
    return {"law": lines, "runs": [_with_budget(row, budgets) for row in run_rows(fit)]}


def chart(tables: Data, label: str) -> parts.Chart:
    """The picture of `data`."""
    labels = list(dict.fromkeys(row["budget"] for row in tables["law"]))
    cut = surface.Cut("params", "model size N (parameters)", "count", "budget", "training tokens", labels)
    return surface.draw(tables, cut, label)


def _budgets(runs: RunTable) -> list[float]:
    """The token counts that occur, or a few spread over their range where there are many."""
    tokens = np.asarray(runs.tokens(), dtype=float)
    distinct = np.unique([float(f"{value:.2g}") for value in tokens])
    if len(distinct) <= MOST_GROUPS:
        return [float(np.median(tokens[_nearest(tokens, distinct) == index])) for index in range(len(distinct))]
    return [float(value) for value in logspace(tokens.min(), tokens.max(), 5)]


def _nearest(tokens: Array, budgets: Array) -> NDArray[np.int64]:
    return np.asarray(np.argmin(np.abs(np.log(tokens[:, None] / budgets[None, :])), axis=1))


def _with_budget(row: Row, budgets: list[float]) -> Row:
    distance = np.abs(np.log(row["tokens"] / np.array(budgets)))
    return {**row, "budget": format_count(budgets[int(np.argmin(distance))])}
