"""Straight lines in logarithms, V = k·C^p, for one set of points or for many resamples of them at once."""

from __future__ import annotations

import numpy as np

from isoflop.laws.graph import Array


def power_law(compute: Array, values: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Coefficients k and exponents p (m,) of V = k·C^p by least squares of log V (m, n) on log C (n,).

    A value that is NaN is left out of its row; a row with fewer than two values left has NaN for both. `weights` (n,)
    are those of the squared residuals.

    Example:
        >>> k, p = power_law(np.array([1e18, 1e19, 1e20]), np.array([[1e8, 1e8 * 10**0.5, 1e9]]))
        >>> round(float(p[0]), 12)
        0.5
    """
    log_compute, log_values = np.log(compute), np.log(np.atleast_2d(values))
    weight = np.where(np.isfinite(log_values), 1.0 if weights is None else np.asarray(weights), 0.0)
    log_values = np.where(weight > 0.0, log_values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=1)
        middle = weight @ log_compute / total
        height = (weight * log_values).sum(axis=1) / total
        # Distances from the middle, so that a sum of squares does not cancel.
        distance = log_compute[None, :] - middle[:, None]
        spread = (weight * distance**2).sum(axis=1)
        slope = (weight * distance * log_values).sum(axis=1) / spread
        slope = np.where(((weight > 0.0).sum(axis=1) >= 2) & (spread > 0.0), slope, np.nan)
        return np.exp(height - slope * middle), slope
