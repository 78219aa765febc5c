"""Compute-optimal model size and data against compute, with bands from the ensemble, within the data and beyond."""

from __future__ import annotations

import altair as alt
import numpy as np

from isoflop.fitting.fit import Fit, interval
from isoflop.laws.frontier import frontier, has_frontier
from isoflop.laws.graph import Array
from isoflop.quantities import format_count, format_flops
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data, Rows, logspace, significant, some_draws
from isoflop.reporting.theme import colour
from isoflop.runs.compute import compute_of

_POINTS = 50
_SIZE, _DATA = "model size N (parameters)", "data D (tokens)"


def can_draw(fit: Fit) -> bool:
    """Whether the law is one of model size and data."""
    return has_frontier(fit.law)


def data(fit: Fit, decades: float = 2.0) -> Data:
    """Optimal N and D with bounds, from the least compute of the runs to `decades` beyond the largest."""
    compute = compute_of(fit.runs)
    reach = float(compute.max())
    budgets = logspace(float(compute.min()), reach * 10.0**decades, _POINTS)
    best = frontier(fit.law, fit.theta, budgets)
    bounds = _bounds(fit, budgets)
    rows: Rows = []
    for quantity, values, (low, high) in zip((_SIZE, _DATA), (best.params, best.tokens), bounds, strict=True):
        for index, budget in enumerate(budgets):
            row = {"quantity": quantity, "compute": significant(float(budget)), "count": significant(values[0, index])}
            if np.isfinite(low[index]):
                row["low"], row["high"] = significant(low[index]), significant(high[index])
                row["interval"] = f"{format_count(float(low[index]))} to {format_count(float(high[index]))}"
            words = {"optimum": format_count(float(values[0, index])), "budget": format_flops(float(budget))}
            rows.append({**row, **words})
    return {"optimum": rows, "reach": [{"compute": significant(reach), "label": "largest run fitted"}]}


def chart(tables: Data) -> parts.Chart:
    """The picture of `data`."""
    pick = parts.highlight("quantity")
    shade = alt.Color(
        "quantity:N", scale=alt.Scale(domain=[_SIZE, _DATA], range=[colour("forecast"), colour("outcome")]),
        legend=parts.legend([_SIZE, _DATA], None),
    )  # fmt: skip
    x = parts.compute_x(title="compute budget, 6·N·D (FLOP)")
    scale = alt.Scale(type="log", nice=False, padding=8)
    y = alt.Y("count:Q", title="optimal number", axis=parts.log_axis("count", "y", grid=True), scale=scale)
    base = alt.Chart(parts.source(tables["optimum"]))
    hover = [
        alt.Tooltip(f"{name}:N") for name in ("quantity", "budget", "optimum", "interval")
        if name in tables["optimum"][0]
    ]  # fmt: skip
    layers = [
        base.mark_area(clip=True).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", color=shade, opacity=parts.faded(pick, 0.22, 0.03)
        ),
        base.mark_line(strokeWidth=2, clip=True).encode(x=x, y=y, color=shade, opacity=parts.faded(pick)),
        *parts.reach_layers(tables["reach"], x),
        base.mark_point(filled=True, size=80, opacity=0, clip=True).encode(x=x, y=y, tooltip=hover),
    ]
    return parts.finish(layers, pick)


def _bounds(fit: Fit, budgets: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    if not len(fit.ensemble):
        unknown = np.full_like(budgets, np.nan)
        return (unknown, unknown), (unknown, unknown)
    draws = frontier(fit.law, some_draws(fit), budgets)
    best = frontier(fit.law, fit.theta, budgets)
    return interval(draws.params, fit.level, best.params[0]), interval(draws.tokens, fit.level, best.tokens[0])
