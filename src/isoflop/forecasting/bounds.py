"""The interval of an outcome: parameter draws and residual noise, before and after widening."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from isoflop.fitting.fit import Fit, interval, predict
from isoflop.laws.graph import Array


def prediction_bounds(fit: Fit, columns: Mapping[str, Array], level: float) -> tuple[Array, Array]:
    """Bounds (n,) between which a new run at each point comes out with probability `level`, if the law holds."""
    generator = np.random.default_rng(fit.seed)
    outcome = predict(fit.law, fit.ensemble.draws, columns)
    value = predict(fit.law, fit.theta, columns)[0]
    rows = len(fit.residuals)
    # Residuals of a fit are smaller than the errors that made them; this restores their size on average.
    spread = np.sqrt(rows / max(rows - fit.size, 1))
    # One residual for each draw, the same at every point: neighbouring points then have neighbouring bounds.
    noise = generator.choice(fit.residuals, size=(len(outcome), 1)) * spread
    if fit.objective.on == "value":
        return interval(outcome + noise, level, value)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = interval(np.log(outcome) + noise, level, np.log(value))
    return np.exp(low), np.exp(high)


def on_error_scale(fit: Fit, values: Array) -> Array:
    """Logarithms of losses where the fit's errors are relative, else the values themselves."""
    return np.log(values) if fit.objective.on == "log-loss" else np.asarray(values, dtype=float)


def from_error_scale(fit: Fit, values: Array) -> Array:
    """The inverse of `on_error_scale`."""
    return np.exp(values) if fit.objective.on == "log-loss" else values
