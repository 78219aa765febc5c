"""IsoFLOP slices: loss against model size at a fixed budget of compute, where more size means less data.

The slices L(N, C/6N) have a band and their least is marked; runs are drawn on the budget nearest to theirs.
"""

from __future__ import annotations

import altair as alt
import numpy as np

from isoflop.fitting.fit import Fit
from isoflop.laws.frontier import frontier, has_frontier
from isoflop.laws.graph import Array
from isoflop.quantities import format_count, format_number
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data, Row, Rows, band, flops, line_rows, logspace, run_rows, significant
from isoflop.reporting.theme import colour
from isoflop.runs.compute import compute_of

_SLICES = 5
_POINTS = 50
_NEAR = 1.25  # a run is drawn on a slice when its compute is within this factor of the slice
_APART = 2.0  # least factor between slices
_AROUND = 3.0  # factor of size on either side of the best that is drawn at least


def can_draw(fit: Fit) -> bool:
    """Whether the law is one of model size and data."""
    return has_frontier(fit.law)


def data(fit: Fit) -> Data:
    """The slices, their minima, and the runs whose compute is within a factor 1.25 of a slice."""
    compute = compute_of(fit.runs)
    budgets = slice_budgets(compute)
    best = frontier(fit.law, fit.theta, budgets)
    near = [row for row in (_on_slice(row, budgets) for row in run_rows(fit)) if row is not None]
    slices: Rows = []
    for index, budget in enumerate(budgets):
        sizes = [row["params"] for row in near if row["budget"] == format_number(float(budget), 2)]
        slices += _slice(fit, float(budget), float(best.params[0, index]), sizes)
    minima = [
        _minimum(float(budget), *(float(part[0, index]) for part in (best.params, best.tokens, best.loss)))
        for index, budget in enumerate(budgets)
    ]
    return {"slices": slices, "minima": minima, "runs": near}


def slice_budgets(compute: Array) -> Array:
    """At most five budgets, at least a factor of two apart: the largest, then those with the most runs near.

    Example:
        >>> slice_budgets(np.array([1e18, 1.1e18, 3e18, 1e19])).tolist()
        [1e+18, 3e+18, 1e+19]
    """
    chosen: list[float] = []
    free = np.ones(len(compute), dtype=bool)
    near = np.abs(np.log(compute[:, None] / compute[None, :])) <= np.log(_NEAR)
    while free.any() and len(chosen) < _SLICES:
        counts = np.where(free, near.sum(axis=1) if chosen else compute, -1)
        # Where as many runs are near, the largest compute: that end of the data carries the forecast.
        best = int(np.flatnonzero(counts == counts.max())[-1])
        budget = float(f"{np.exp(np.mean(np.log(compute[near[best]]))):.2g}")
        chosen.append(budget)
        free &= np.abs(np.log(compute / budget)) >= np.log(_APART)
    return np.array(sorted(chosen))


def chart(tables: Data, label: str) -> parts.Chart:
    """The picture of `data`."""
    labels = list(dict.fromkeys(row["budget"] for row in tables["slices"]))
    pick = parts.highlight("budget")
    shade = parts.group_colour("budget", labels, "compute (FLOP)")
    x, y = parts.log_x("params", "model size N (parameters)", "count"), parts.loss_y(label)
    law, least = alt.Chart(parts.source(tables["slices"])), alt.Chart(parts.source(tables["minima"]))
    layers = [
        law.mark_area(clip=True).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", color=shade, opacity=parts.faded(pick, 0.2, 0.03)
        ),
        law.mark_line(strokeWidth=1.6, clip=True).encode(x=x, y=y, color=shade, opacity=parts.faded(pick)),
        least.mark_line(color=colour("muted"), strokeDash=[4, 4], strokeWidth=1.2, clip=True).encode(x=x, y=y),
        parts.points(tables["runs"]).encode(
            x=x, y=y, color=shade, opacity=parts.faded(pick), tooltip=parts.tooltip(*parts.RUN_TOOLTIP)
        ),
        least.mark_point(shape="triangle-up", filled=True, size=110, color=colour("outcome"), opacity=1,
                         stroke=colour("paper"), strokeWidth=1, clip=True).encode(
            x=x, y=y, tooltip=[
                alt.Tooltip("budget:N", title="budget (FLOP)"), alt.Tooltip("best size:N"), alt.Tooltip("best data:N"),
                alt.Tooltip("loss:Q", title="least loss", format=".4~g"),
            ],
        ),
    ]  # fmt: skip
    return parts.finish(layers, pick)


def _slice(fit: Fit, budget: float, best: float, sizes: list[float]) -> Rows:
    """The slice from well below to well above its best size, and as far as its runs go."""
    low = min([best / _AROUND, *(size / 1.2 for size in sizes)])
    high = max([best * _AROUND, *(size * 1.2 for size in sizes)])
    grid = logspace(low, high, _POINTS)
    columns = {"params": grid, "tokens": budget / flops(grid, 1.0)}
    return line_rows(columns, band(fit, columns), budget=format_number(budget, 2))


def _minimum(budget: float, params: float, tokens: float, loss: float) -> Row:
    return {
        "budget": format_number(budget, 2),
        "compute": budget,
        "params": significant(params),
        "tokens": significant(tokens),
        "loss": significant(loss),
        "best size": format_count(params),
        "best data": format_count(tokens),
    }


def _on_slice(row: Row, budgets: Array) -> Row | None:
    distance = np.abs(np.log(row["compute"] / budgets))
    nearest = int(np.argmin(distance))
    return {**row, "budget": format_number(float(budgets[nearest]), 2)} if distance[nearest] <= np.log(_NEAR) else None
