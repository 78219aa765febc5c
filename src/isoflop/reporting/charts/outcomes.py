"""Forecasts against outcomes, run by run, in percent of the forecast: the bar is the interval, the mark what came."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from isoflop.forecasting.backtest import Outcome
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data, Row, in_words, significant
from isoflop.reporting.numbers import bracketed, error_text, loss_text
from isoflop.reporting.theme import colour

_ROW = 26


def data(outcomes: Sequence[tuple[str, str, Outcome]]) -> Data:
    """One row per (name, kind, outcome); `kind` says what sort of test it was."""
    return {"outcomes": [_row(order, *item) for order, item in enumerate(outcomes)]}


def chart(tables: Data) -> parts.Chart:
    """The picture of `data`: one line per run, zero is the forecast."""
    rows = tables["outcomes"]
    place = parts.source(rows)
    y = alt.Y("label:N", title=None, sort=alt.EncodingSortField("order"), axis=alt.Axis(grid=False, labelLimit=190))
    x = alt.X("low:Q", title="outcome relative to its forecast", axis=parts.axis("percent", ticks=5))
    hover = [
        alt.Tooltip(f"{field}:N", title=title)
        for field, title in (
            ("run", "run"), ("kind", "test"), ("model size", "model size"), ("tokens seen", "tokens"),
            ("said", "forecast"), ("came", "outcome"), ("error", "error"),
        )
    ]  # fmt: skip
    zero = alt.Chart(place).mark_rule(color=colour("muted"), strokeDash=[3, 3]).encode(x=alt.datum(0))
    bars = alt.Chart(place).mark_bar(color=colour("forecast"), height=12, opacity=0.4, cornerRadius=3)
    marks = alt.Chart(place).mark_point(filled=True, size=110, stroke=colour("paper"), strokeWidth=1, opacity=1)
    domain, shapes = ["inside its interval", "outside"], ["diamond", "cross"]
    shape = alt.Shape(
        "verdict:N", scale=alt.Scale(domain=domain, range=shapes),
        legend=alt.Legend(title=None, symbolFillColor=colour("outcome"), symbolStrokeColor=colour("outcome")),
    )  # fmt: skip
    layers = [
        bars.encode(x=x, x2="high:Q", y=y, tooltip=hover),
        zero,
        marks.encode(x=alt.X("outcome:Q"), y=y, shape=shape, color=alt.value(colour("outcome")), tooltip=hover),
    ]
    return parts.layered(layers, _ROW * len(rows) + 10)


def _row(order: int, name: str, kind: str, outcome: Outcome) -> Row:
    estimate = outcome.forecast
    row: Row = {"order": order, "label": name, "run": name, "kind": kind, "compute": significant(outcome.compute)}
    row.update({key: value for key in ("params", "tokens") if (value := getattr(outcome, key)) is not None})
    row["outcome"] = significant(100.0 * (outcome.actual / estimate.value - 1.0), 4)
    for side, bound in (("low", estimate.low), ("high", estimate.high)):
        row[side] = 0.0 if bound is None else significant(100.0 * (bound / estimate.value - 1.0), 4)
    row["verdict"] = "inside its interval" if outcome.covered else "outside"
    words = {"said": bracketed(estimate), "came": loss_text(outcome.actual), "error": error_text(outcome.error)}
    return {**row, **words, **in_words(row)}
