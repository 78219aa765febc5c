"""The profile of a weak constant: how much worse the fit gets as the constant moves and all others follow."""

from __future__ import annotations

import altair as alt

from isoflop.fitting.weak import WeakConstant
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data, Rows, significant
from isoflop.reporting.theme import colour

_POINTS = 60
_HEIGHT = 160


def data(weak: WeakConstant, level: float) -> Data:
    """The profile, the stated value on it, and the misfit above which a value is refuted at `level`."""
    name = weak.parameter.name
    values, deviance = weak.resampled(_POINTS)
    profile: Rows = [
        {"constant": name, "value": significant(value), "misfit": significant(misfit, 4)}
        for value, misfit in zip(values.tolist(), deviance.tolist(), strict=True)
    ]
    point: Rows = [{"constant": name, "value": significant(weak.estimate.value), "name": "the fit"}]
    return {"profile": profile, "point": point, "refuted": [{"misfit": 1.0, "name": f"refuted at {level:.0%}"}]}


def chart(tables: Data, *, log: bool) -> parts.Chart:
    """The picture of `data`; `log` puts the constant on a logarithmic axis."""
    name = tables["profile"][0]["constant"]
    x = alt.X(
        "value:Q",
        title=name,
        axis=parts.axis("loss", grid=False),
        scale=alt.Scale(type="log" if log else "linear", zero=False, nice=False, padding=12),
    )
    y = alt.Y(
        "misfit:Q",
        title="misfit (1 is refuted)",
        axis=alt.Axis(tickCount=3),
        scale=alt.Scale(domainMin=0.0, nice=False, padding=8),
    )
    shown = [alt.Tooltip("value:Q", title=name, format=".4~g"), alt.Tooltip("misfit:Q", format=".2~g")]
    line = alt.Chart(parts.source(tables["profile"])).mark_line(color=colour("forecast"), clip=True)
    limit, point = alt.Chart(parts.source(tables["refuted"])), alt.Chart(parts.source(tables["point"]))
    layers = [
        line.encode(x=x, y=y, tooltip=shown),
        limit.mark_rule(color=colour("muted"), strokeDash=[4, 4]).encode(y=y),
        point.mark_rule(color=colour("outcome")).encode(x=x),
        point.mark_text(color=colour("outcome"), align="left", baseline="top", dx=4, dy=2).encode(
            x=x, y=alt.value(0), text="name:N"
        ),
    ]
    return parts.finish(layers, height=_HEIGHT)
