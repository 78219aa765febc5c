"""The forecast in one picture: the runs that were fitted, the law through them, and beyond them the run that was not.

Each size has its line: the law at that size, from its fewest tokens to its most. The held-out size has a band (the
prediction interval) that ends in the forecast, with the outcome beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from isoflop.fitting.fit import Fit, predict
from isoflop.forecasting.backtest import Outcome
from isoflop.forecasting.bounds import prediction_bounds
from isoflop.laws.frontier import has_frontier
from isoflop.laws.graph import Array
from isoflop.quantities import format_count, format_number
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import (
    Data,
    Row,
    Rows,
    flops,
    in_words,
    line_rows,
    logspace,
    run_rows,
    significant,
    size_groups,
)
from isoflop.reporting.theme import colour

_POINTS = 40


def can_draw(fit: Fit) -> bool:
    """Whether the law has one quantity, or model size and data, so that compute can be the axis."""
    return has_frontier(fit.law) or len(fit.law.columns) == 1


def data(fit: Fit, held_out: Sequence[tuple[str, Outcome]], widening: float) -> Data:
    """The fitted runs, the law's lines, and the held-out runs (by name) with forecast and outcome."""
    return {
        "runs": run_rows(fit),
        "law": [row for label, columns in _fitted_lines(fit) for row in _line(fit, columns, label)],
        "band": [row for _, outcome in held_out for row in _band(fit, outcome, widening)],
        "held_out": [_held_out_row(name, outcome) for name, outcome in held_out],
    }


def chart(tables: Data, fit: Fit, unit: str) -> parts.Chart:
    """The picture of `data`."""
    groups, pick, x = size_groups(fit.runs), parts.highlight(), _x(fit)
    y, shade = parts.loss_y(unit), parts.size_colour(groups.labels)
    held, blue = parts.source(tables["held_out"]), colour("forecast")
    hover = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (
            ("run", "held-out run"), ("model size", "model size"), ("tokens seen", "tokens"), ("said", "forecast"),
            ("came", "outcome"), ("error", "error"),
        )
    ]  # fmt: skip
    law = alt.Chart(parts.source(tables["law"])).mark_line(strokeWidth=1.5, clip=True)
    beyond = alt.Chart(parts.source(tables["band"]))
    layers = [
        beyond.mark_area(color=blue, opacity=0.22, clip=True).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", detail="line:N"
        ),
        law.encode(x=x, y=y, color=shade, detail="line:N", opacity=parts.faded(pick)),
        beyond.mark_line(color=blue, strokeWidth=2, strokeDash=[6, 4], clip=True).encode(x=x, y=y, detail="line:N"),
        parts.points(tables["runs"]).encode(
            x=x, y=y, color=shade, opacity=parts.faded(pick), tooltip=parts.tooltip(*parts.RUN_TOOLTIP, "fitted")
        ),
        alt.Chart(held).mark_rule(color=blue, strokeWidth=6, opacity=0.75, clip=True).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", tooltip=hover
        ),
        alt.Chart(held).mark_tick(color=blue, thickness=3, size=26, orient="horizontal", clip=True).encode(
            x=x, y=alt.Y("forecast:Q"), tooltip=hover
        ),
        alt.Chart(held).mark_point(
            shape="diamond", filled=True, size=170, color=colour("outcome"), stroke=colour("paper"), opacity=1,
            strokeWidth=1.5, clip=True,
        ).encode(x=x, y=alt.Y("outcome:Q"), tooltip=hover),
    ]  # fmt: skip
    return parts.finish(layers, pick, height=420)


def _x(fit: Fit) -> alt.X:
    if has_frontier(fit.law) or fit.law.columns == ("compute",):
        return parts.compute_x()
    item = fit.law.inputs[0]
    return parts.log_x(item.column, f"{item.meaning} ({item.unit})", "count")


def _fitted_lines(fit: Fit) -> list[tuple[str, dict[str, Array]]]:
    if not has_frontier(fit.law):
        values = np.asarray(fit.runs[fit.law.columns[0]], dtype=float)
        return [("all runs", {fit.law.columns[0]: logspace(values.min(), values.max(), _POINTS)})]
    groups, lines = size_groups(fit.runs), []
    members = np.array([groups.label(size) for size in fit.runs["params"]])
    for label, size in zip(groups.labels, groups.sizes, strict=True):
        tokens = fit.runs.tokens()[members == label]
        grid = logspace(tokens.min(), tokens.max(), _POINTS)
        lines.append((label, {"params": np.full_like(grid, size), "tokens": grid}))
    return lines


def _line(fit: Fit, columns: dict[str, Array], label: str) -> Rows:
    value = predict(fit.law, fit.theta, columns)[0]
    unknown = np.full_like(value, np.nan)
    return line_rows(_with_compute(columns), (value, unknown, unknown), size=label, line=label)


def _band(fit: Fit, outcome: Outcome, widening: float) -> Rows:
    if not len(fit.ensemble):
        return []
    columns = _approach(fit, outcome)
    value = predict(fit.law, fit.theta, columns)[0]
    low, high = prediction_bounds(fit, columns, fit.level, widening)
    return line_rows(_with_compute(columns), (value, low, high), line=format_number(outcome.compute, 6))


def _approach(fit: Fit, outcome: Outcome) -> dict[str, Array]:
    """The line by which the held-out run is reached: its size on ever more tokens, or ever more of the one input."""
    if has_frontier(fit.law) and outcome.params is not None and outcome.tokens is not None:
        grid = logspace(float(fit.runs.tokens().min()), outcome.tokens, _POINTS)
        return {"params": np.full_like(grid, outcome.params), "tokens": grid}
    name = fit.law.columns[0]
    target = {"params": outcome.params, "tokens": outcome.tokens}.get(name, outcome.compute) or outcome.compute
    return {name: logspace(float(np.max(fit.runs[name])), target, _POINTS)}


def _with_compute(columns: dict[str, Array]) -> dict[str, Array]:
    if "params" in columns and "tokens" in columns:
        return {**columns, "compute": flops(columns["params"], columns["tokens"])}
    return columns


def _held_out_row(name: str, outcome: Outcome) -> Row:
    estimate = outcome.forecast
    row: Row = {"run": name, "compute": significant(outcome.compute)}
    row.update({key: value for key in ("params", "tokens") if (value := getattr(outcome, key)) is not None})
    row["forecast"], row["outcome"] = significant(estimate.value), significant(outcome.actual)
    row["low"] = significant(estimate.value if estimate.low is None else estimate.low)
    row["high"] = significant(estimate.value if estimate.high is None else estimate.high)
    words = {"said": str(estimate), "came": format_number(outcome.actual, 4), "error": f"{outcome.error:+.2%}"}
    return {**row, **words, **in_words(row)}


def labels(outcomes: Sequence[Outcome]) -> list[str]:
    """A name for each held-out run that has none: its size and tokens."""
    return [
        f"{format_count(outcome.params)} on {format_count(outcome.tokens)}"
        if outcome.params is not None and outcome.tokens is not None
        else f"{format_number(outcome.compute)} FLOP"
        for outcome in outcomes
    ]
