"""Parts that charts share: axes, the colour of sizes, tooltips, and what a reader can do with a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

from isoflop.laws.law import Input
from isoflop.reporting.charts.rows import Rows
from isoflop.reporting.theme import THEME, chart_config, colour, ramp

Chart = alt.LayerChart

_EXPONENT = "floor(log(datum.value) / LN10 + 1e-9)"
_LEADING = f"round(100 * datum.value / pow(10, {_EXPONENT})) / 100"
_POWERS = f"{_LEADING} == 1"
_LABELS = {
    "count": "replace(format(datum.value, '~s'), 'G', 'B')",
    "flop": "replace(format(datum.value, '~e'), 'e+', 'e')",
    "loss": "format(datum.value, '.4~g')",
    "percent": "datum.value == 0 ? '0%' : format(datum.value, '+.2~g') + '%'",
}
_TITLES = {"run": "run", "size": "size", "loss": "loss", "fitted": "law", "residual": "residual (%)"}


def source(rows: Rows) -> alt.InlineData:
    """Rows as the data of a layer; equal rows are stored once in a chart and in a page."""
    return alt.InlineData(values=rows)


Kind = Literal["count", "flop", "loss", "percent"]


def axis(kind: Kind, *, grid: bool = True, ticks: int = 6) -> alt.Axis:
    """An axis whose labels suit the quantity."""
    return alt.Axis(labelExpr=_LABELS[kind], tickCount=ticks, grid=grid)


def log_axis(kind: Kind, channel: Literal["x", "y"], *, grid: bool = False) -> alt.Axis:
    """A logarithmic axis that labels powers of ten where it is long, 1, 2 and 5 where shorter, all where zoomed in."""
    decades = f"log(domain('{channel}')[1] / domain('{channel}')[0]) / LN10"
    shown = f"{decades} < 0.7 || ({decades} < 2.6 ? indexof([1, 2, 5], {_LEADING}) >= 0 : {_POWERS})"
    chosen = alt.Axis(labelExpr=f"({shown}) ? {_LABELS[kind]} : ''", tickCount=8, grid=grid)
    if grid:
        chosen.gridOpacity = {"condition": {"test": _POWERS, "value": 0.7}, "value": 0}
    return chosen


def compute_x(field: str = "compute", title: str = "training compute, 6·N·D (FLOP)") -> alt.X:
    """Compute along x, logarithmic."""
    return log_x(field, title, "flop")


def log_x(field: str, title: str, kind: Literal["count", "flop"]) -> alt.X:
    """A logarithmic x axis as wide as the data."""
    return alt.X(
        f"{field}:Q", title=title, axis=log_axis(kind, "x"), scale=alt.Scale(type="log", nice=False, padding=16)
    )


def input_title(item: Input) -> str:
    """What the axis of a law's input is called."""
    return f"{item.meaning or item.name} ({item.unit})" if item.unit not in ("", "1") else item.meaning or item.name


def loss_y(title: str, *, log: bool = False, padding: int = 12) -> alt.Y:
    """Loss along y, not from zero, with `padding` pixels above and below."""
    kind: Literal["log", "linear"] = "log" if log else "linear"
    scale = alt.Scale(type=kind, zero=False, nice=False, padding=padding)
    return alt.Y("loss:Q", title=title, axis=axis("loss"), scale=scale)


def size_colour(labels: Sequence[str], title: str = "model size") -> alt.Color:
    """Colour by group of size, small to large; the legend wraps on a narrow page."""
    return group_colour("size", labels, title)


def group_colour(field: str, labels: Sequence[str], title: str) -> alt.Color:
    """Colour by an ordered group, along the ramp."""
    scale = alt.Scale(domain=list(labels), range=ramp(len(labels)))
    return alt.Color(f"{field}:N", scale=scale, legend=legend(labels, title))


def legend(labels: Sequence[str], title: str | None) -> alt.Legend:
    """A legend above the chart with as many entries in a line as its width holds."""
    entry = 8 * max(len(label) for label in labels) + 32
    columns = alt.ExprRef(f"max(1, min({len(labels)}, floor(width / {entry})))")
    return alt.Legend(title=title, columns=columns, symbolOpacity=1, labelLimit=260)


def tooltip(*fields: str) -> list[alt.Tooltip]:
    """What hovering shows, in order; `loss` and its like in four digits."""
    return [
        alt.Tooltip(f"{field}:Q", title=_TITLES[field], format=".4~g")
        if field in ("loss", "fitted", "residual")
        else alt.Tooltip(f"{field}:N", title=_TITLES.get(field, field))
        for field in fields
    ]


RUN_TOOLTIP = ("run", "model size", "tokens seen", "compute seen", "loss")


def highlight(field: str = "size") -> Any:
    """A click on the legend keeps the group and fades the others."""
    return alt.selection_point(name=f"pick_{field}", fields=[field], bind="legend")


def faded(selection: Any, full: float = 1.0, rest: float = 0.1) -> Any:
    """Opacity of a mark under `highlight`."""
    return alt.when(selection).then(alt.value(full)).otherwise(alt.value(rest))


def finish(layers: Sequence[alt.Chart], *selections: Any, height: int = THEME.height) -> Chart:
    """The layers as one chart: as wide as its place, zoomed with Ctrl and the wheel, moved by dragging."""
    zoom = alt.selection_interval(
        name="zoom", bind="scales",
        # A finger scrolls the page; only a mouse moves the chart.
        translate="[pointerdown[event.pointerType == 'mouse'], window:pointerup] > window:pointermove!",
        zoom="wheel![event.ctrlKey || event.metaKey]",
    )  # fmt: skip
    # Selections belong to one layer: one that has both axes, and the legend if there is one.
    coloured = [index for index, layer in enumerate(layers) if isinstance(layer.encoding.color, alt.Color)]
    holder = coloured[0] if coloured else 0
    held = layers[holder].add_params(*selections, zoom)
    return layered([held if index == holder else layer for index, layer in enumerate(layers)], height)


def layered(layers: Sequence[alt.Chart], height: int) -> Chart:
    """The layers as one chart in the common style, as wide as its place."""
    return alt.LayerChart(
        layer=list(layers), width="container", height=height, config=alt.Config.from_dict(chart_config())
    )


def points(rows: Rows, *, size: float = 70) -> alt.Chart:
    """Runs as filled points with a rim, so that overlapping ones stay apart."""
    chart: alt.Chart = alt.Chart(source(rows)).mark_point(
        filled=True, size=size, stroke=colour("paper"), strokeWidth=1, clip=True, opacity=1
    )
    return chart


def reach_layers(rows: Rows, x: alt.X) -> list[alt.Chart]:
    """The line beyond which nothing was fitted, named at its top."""
    base = alt.Chart(source(rows))
    name = base.mark_text(align="right", baseline="top", dx=-5, dy=2, color=colour("muted"), clip=True)
    return [
        base.mark_rule(color=colour("muted"), strokeDash=[4, 4], clip=True).encode(x=x),
        name.encode(x=x, y=alt.value(0), text="label:N"),
    ]
