"""Loss against training tokens: one line of the law per model size, with the runs of that size."""

from __future__ import annotations

import numpy as np

from isoflop.fitting.fit import Fit
from isoflop.laws.frontier import has_frontier
from isoflop.reporting.charts import parts, surface
from isoflop.reporting.charts.rows import Data, Rows, band, line_rows, logspace, run_rows, size_groups

_POINTS = 40


def can_draw(fit: Fit) -> bool:
    """Whether the law is one of model size and data."""
    return has_frontier(fit.law)


def data(fit: Fit) -> Data:
    """The runs, and the law with its band along each size."""
    tokens = np.asarray(fit.runs.tokens(), dtype=float)
    grid = logspace(tokens.min(), tokens.max(), _POINTS)
    groups = size_groups(fit.runs)
    lines: Rows = []
    for label, size in zip(groups.labels, groups.sizes, strict=True):
        columns = {"params": np.full_like(grid, size), "tokens": grid}
        lines += line_rows(columns, band(fit, columns), size=label)
    return {"law": lines, "runs": run_rows(fit)}


def chart(tables: Data, fit: Fit, label: str) -> parts.Chart:
    """The picture of `data`."""
    labels = size_groups(fit.runs).labels
    cut = surface.Cut("tokens", "training data D (tokens)", "count", "size", "model size", labels)
    return surface.draw(tables, cut, label)
