"""Residuals: how far each run came out from the fitted law, in percent, against its compute."""

from __future__ import annotations

import altair as alt

from isoflop.fitting.fit import Fit
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data, run_rows, size_groups
from isoflop.reporting.theme import colour


def can_draw(fit: Fit) -> bool:
    """Whether the runs have a compute to stand at."""
    return "compute" in run_rows(fit)[0]


def data(fit: Fit) -> Data:
    """The runs with their residuals."""
    return {"runs": run_rows(fit)}


def chart(tables: Data, fit: Fit) -> parts.Chart:
    """The picture of `data`."""
    rows = tables["runs"]
    pick, shade = parts.highlight(), parts.size_colour(size_groups(fit.runs).labels)
    largest = max(max(abs(row["residual"]) for row in rows) * 1.15, 0.1)
    y = alt.Y(
        "residual:Q",
        title="observed loss against the law",
        axis=parts.axis("percent", ticks=5),
        scale=alt.Scale(domain=[-largest, largest], nice=False),
    )
    shown = [name for name in (*parts.RUN_TOOLTIP, "fitted", "residual") if name in rows[0]]
    zero = alt.Chart(parts.source(rows)).mark_rule(color=colour("muted")).encode(y=alt.datum(0))
    layers = [
        zero,
        parts.points(rows).encode(
            x=parts.compute_x(), y=y, color=shade, opacity=parts.faded(pick), tooltip=parts.tooltip(*shown)
        ),
    ]
    return parts.finish(layers, pick)
