"""A straight line through points of which nearly half may be wrong: repeated medians of the slopes of pairs.

    slope = median over i of (median over j of (y_j - y_i)/(x_j - x_i))

Reference: siegel1982
"""

from __future__ import annotations

import numpy as np

from isoflop.runs.checks.cells import Array

_MOST = 2000  # points; the slopes of all pairs of more would not fit in memory


def robust_line(place: Array, values: Array) -> Array:
    """The line (n,) through `values` (n,) at `place` (n,); flat where there is one place, or very many points.

    Example:
        >>> x = np.arange(7.0)
        >>> robust_line(x, np.array([0.0, 1.0, 2.0, 99.0, 4.0, -50.0, 6.0])).tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    if np.ptp(place) == 0.0 or len(place) > _MOST:
        return np.full(len(place), np.median(values))
    run = place[:, None] - place[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        slopes = np.where(np.abs(run) > 1e-9, (values[:, None] - values[None, :]) / run, np.nan)
    slope = float(np.nanmedian(np.nanmedian(slopes, axis=1)))
    # A place that is wrong itself must not lead the line astray.
    inner = np.clip(place, *np.quantile(place, [0.05, 0.95])) if len(place) > 10 else place
    return np.asarray(slope * inner + np.median(values - slope * inner))
