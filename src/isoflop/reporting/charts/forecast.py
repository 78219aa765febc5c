"""The forecast in one picture: the runs that were fitted, the law through them, and beyond them the run that was not.

Each size has its line: the law at that size, from its fewest tokens to its most. The held-out size has a band (the
prediction interval) that ends in the forecast, with the outcome beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from isoflop.fitting.fit import Fit, predict
from isoflop.forecasting.backtest import Outcome
from isoflop.forecasting.calibration import Calibration, calibrated_bounds
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
from isoflop.reporting.numbers import bracketed, error_text, loss_text
from isoflop.reporting.theme import colour
from isoflop.runs.compute import compute_of

_POINTS = 40
_LABELLED = 2  # more labels than this would lie on each other


def can_draw(fit: Fit) -> bool:
    """Whether the law has one quantity, or model size and data, so that compute can be the axis."""
    return has_frontier(fit.law) or len(fit.law.columns) == 1


def data(fit: Fit, held_out: Sequence[tuple[str, Outcome]], calibration: Calibration) -> Data:
    """The fitted runs, the law's lines, and the held-out runs (by name) with forecast and outcome."""
    return {
        "runs": run_rows(fit),
        "law": [row for label, columns in _fitted_lines(fit) for row in _line(fit, columns, label)],
        "band": [row for _, outcome in held_out for row in _band(fit, outcome, calibration)],
        "held_out": [_held_out_row(name, outcome) for name, outcome in held_out],
        "reach": _reach(fit),
    }


def chart(tables: Data, fit: Fit, label: str) -> parts.Chart:
    """The picture of `data`."""
    groups, pick, x = size_groups(fit.runs), parts.highlight(), _x(fit)
    y, shade = parts.loss_y(label, padding=28), parts.size_colour(groups.labels)
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
        *parts.reach_layers(tables["reach"], x),
    ]  # fmt: skip
    if len(tables["held_out"]) <= _LABELLED:
        layers += _names(held, x)
    return parts.finish(layers, pick, height=420)


def _names(held: alt.InlineData, x: alt.X) -> list[alt.Chart]:
    """Forecast and outcome in words beyond the ends of the bar, the higher above, on a rim of paper over the lines."""
    layers = []
    for text, upper in (("forecast", False), ("forecast", True), ("outcome", False), ("outcome", True)):
        chosen = alt.Chart(held).transform_filter(f"datum.upper === '{text}'" if upper else f"datum.upper !== '{text}'")
        plain: dict[str, Any] = {"align": "right", "fontSize": 13, "fontWeight": 600, "dx": 6}
        end, shift = ("top", -10) if upper else ("bottom", 12)
        place: dict[str, Any] = {"x": x, "y": alt.Y(f"{end}:Q"), "yOffset": alt.value(shift), "text": f"{text} label:N"}
        rim: dict[str, Any] = {"stroke": colour("paper"), "strokeWidth": 4, "strokeJoin": "round"}
        layers.append(chosen.mark_text(**plain, **rim, color=colour("paper")).encode(**place))
        layers.append(chosen.mark_text(**plain, color=colour(text)).encode(**place))
    return layers


def _reach(fit: Fit) -> Rows:
    name = "compute" if has_frontier(fit.law) or fit.law.columns == ("compute",) else fit.law.columns[0]
    values = compute_of(fit.runs) if name == "compute" else np.asarray(fit.runs[name], dtype=float)
    return [{name: significant(float(values.max())), "label": "largest run fitted"}]


def _x(fit: Fit) -> alt.X:
    if has_frontier(fit.law) or fit.law.columns == ("compute",):
        return parts.compute_x()
    item = fit.law.inputs[0]
    return parts.log_x(item.column, parts.input_title(item), "count")


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


def _band(fit: Fit, outcome: Outcome, calibration: Calibration) -> Rows:
    if not len(fit.ensemble):
        return []
    columns = _with_compute(_approach(fit, outcome))
    compute = columns.get("compute", np.full(_POINTS, outcome.compute))
    value = predict(fit.law, fit.theta, columns)[0]
    # Point by point, as a forecast is made: the same noise is drawn at each, and the band ends in the forecast.
    bounds = [
        calibrated_bounds(
            fit, {name: part[[index]] for name, part in columns.items()}, compute[[index]], fit.level, calibration
        )
        for index in range(_POINTS)
    ]
    low, high = (np.array([float(bound[side][0]) for bound in bounds]) for side in (0, 1))
    return line_rows(columns, (value, low, high), line=format_number(outcome.compute, 6))


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
    row["top"], row["bottom"] = max(row["high"], row["outcome"]), min(row["low"], row["outcome"])
    row["upper"] = "outcome" if outcome.actual > estimate.value else "forecast"
    row["forecast label"] = f"forecast {loss_text(estimate.value)}"
    row["outcome label"] = f"outcome {loss_text(outcome.actual)}"
    words = {"said": bracketed(estimate), "came": loss_text(outcome.actual), "error": error_text(outcome.error)}
    return {**row, **words, **in_words(row)}


def labels(outcomes: Sequence[Outcome]) -> list[str]:
    """A name for each held-out run that has none: its size and tokens."""
    return [
        f"{format_count(outcome.params)} on {format_count(outcome.tokens)}"
        if outcome.params is not None and outcome.tokens is not None
        else f"{format_number(outcome.compute)} FLOP"
        for outcome in outcomes
    ]
