"""Loss against the one quantity of a law that has only one: the law with its band, and the runs."""

from __future__ import annotations

import altair as alt
import numpy as np

from isoflop.fitting.fit import Fit
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data, band, line_rows, logspace, run_rows
from isoflop.reporting.theme import colour

_POINTS = 60


def can_draw(fit: Fit) -> bool:
    """Whether the law has one input."""
    return len(fit.law.inputs) == 1


def data(fit: Fit) -> Data:
    """The runs, and the law from half the smallest input to twice the largest."""
    name = fit.law.columns[0]
    rows = run_rows(fit)
    values = np.array([row[name] for row in rows])
    columns = {name: logspace(values.min() / 2.0, values.max() * 2.0, _POINTS)}
    return {"law": line_rows(columns, band(fit, columns)), "runs": rows}


def chart(tables: Data, fit: Fit, label: str) -> parts.Chart:
    """The picture of `data`."""
    item = fit.law.inputs[0]
    x = parts.log_x(item.column, parts.input_title(item), "flop" if item.column == "compute" else "count")
    y, law = parts.loss_y(label), alt.Chart(parts.source(tables["law"]))
    shown = [name for name in parts.RUN_TOOLTIP if name in tables["runs"][0]]
    layers = [
        law.mark_area(color=colour("forecast"), opacity=0.2, clip=True).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"),
        law.mark_line(color=colour("forecast"), strokeWidth=2, clip=True).encode(x=x, y=y),
        parts.points(tables["runs"]).encode(
            x=x, y=y, color=alt.value(colour("ink")), tooltip=parts.tooltip(*shown, "fitted")
        ),
    ]
    return parts.finish(layers)
