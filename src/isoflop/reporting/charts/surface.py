"""The law as a surface cut into lines: loss along one quantity, a line and a band for each level of the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import altair as alt

from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import Data


@dataclass(frozen=True)
class Cut:
    """Along which field a surface is cut, and by which ordered groups the lines are coloured."""

    field: str
    title: str
    kind: Literal["count", "flop"]
    group: str
    group_title: str
    labels: Sequence[str]


def draw(tables: Data, cut: Cut, label: str) -> parts.Chart:
    """Bands, lines and runs of `tables` (`law`, `runs`)."""
    pick = parts.highlight(cut.group)
    x, y = parts.log_x(cut.field, cut.title, cut.kind), parts.loss_y(label)
    shade = parts.group_colour(cut.group, cut.labels, cut.group_title)
    law = alt.Chart(parts.source(tables["law"]))
    layers = [
        law.mark_area(clip=True).encode(
            x=x, y=alt.Y("low:Q"), y2="high:Q", color=shade, opacity=parts.faded(pick, 0.2, 0.03)
        ),
        law.mark_line(strokeWidth=1.6, clip=True).encode(x=x, y=y, color=shade, opacity=parts.faded(pick)),
        parts.points(tables["runs"]).encode(
            x=x, y=y, color=shade, opacity=parts.faded(pick), tooltip=parts.tooltip(*parts.RUN_TOOLTIP, "fitted")
        ),
    ]
    return parts.finish(layers, pick)
