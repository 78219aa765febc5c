"""What the forecasts of hidden larger runs say of the intervals to come.

A fit carries forecasts of its larger runs from its smaller ones (`isoflop.fitting.rolling`). Each error e has an
expected size s: the uncertainty of that smaller fit, the disagreement of its laws, the scatter of one run. Where errors
are larger than that, the law bends away from the runs as they grow, by some amount τ for each decade of compute d:

    E[e²] = s² + τ²·d²        τ² = Σ (e² - s²) / Σ d², at least 0, each cut counting alike

and every interval is widened by it: half-width² + (z·τ·d)². Where errors are as large as expected nothing is added, so
a law that holds pays nothing for the test. Reference: dersimonian1986, tashman2000
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.forecasts import Rolling
from isoflop.forecasting.bounds import from_error_scale, on_error_scale, prediction_bounds
from isoflop.laws.graph import Array
from isoflop.runs.compute import compute_of, has_compute

_SHORTEST = 0.3  # decades: errors at shorter distances are noise, not extrapolation
_WORST = 0.3  # an error of log-loss beyond which a forecast is simply useless
_FEWEST = 3  # hidden outcomes that make a test


@dataclass(frozen=True)
class Calibration:
    """What the back-test inside the data showed.

    `error_per_decade` is the quantile at `level` of forecast errors (of log-loss) per decade extrapolated, `coverage`
    the share of hidden outcomes inside their intervals before any widening, `tested` how many there were, `drift` the
    τ that intervals are widened by. All but `tested` are None where too few runs remain when the largest are hidden.
    """

    error_per_decade: float | None
    coverage: float | None
    tested: int
    level: float
    findings: tuple[Finding, ...] = ()
    drift: float | None = None

    def __str__(self) -> str:
        """One sentence that fits a line."""
        if self.coverage is None or self.error_per_decade is None:
            return "No back-test: too few runs remain when the largest are hidden, or their compute is not known."
        errors = f"errors to {self.error_per_decade:.1%}"
        both = f"{errors}, widened {self.drift:.1%} per decade" if (self.drift or 0.0) >= 5e-4 else ""
        return (
            f"Back-test: {self.coverage:.0%} of {self.tested} hidden outcomes in {self.level:.0%} intervals; "
            f"{both or f'{errors} per decade, not widened'}."
        )


def calibrate(fit: Fit, level: float | None = None) -> Calibration:
    """What the rolling forecasts of `fit` say of its intervals at `level`, that of the fit unless given."""
    level = fit.level if level is None else level
    rolling = fit.rolling
    if rolling is None or len(rolling) < _FEWEST:
        known = has_compute(fit.runs)
        finding = Finding("no-backtest", "note", "Too few runs to hide some: the interval is untested.")
        return Calibration(None, None, 0 if rolling is None else len(rolling), level, (finding,) if known else ())
    sizes = np.abs(rolling.error)
    # The plain quantile: these errors share runs and fits, so conformal prediction's rank for exchangeable errors,
    # the largest of all up to nine of them, would promise nothing more.
    quantile = float(np.quantile(sizes / np.maximum(rolling.distance, _SHORTEST), level))
    covered = float(np.mean(sizes <= _half_width(level) * rolling.spread))
    return Calibration(quantile, covered, len(rolling), level, (), drift(rolling))


def drift(rolling: Rolling) -> float:
    """τ: how far larger runs depart from what smaller ones promise, per decade, beyond what was to be expected."""
    excess, distance = 0.0, 0.0
    for number in np.unique(rolling.cut):
        here = rolling.cut == number
        squares = np.minimum(np.abs(rolling.error[here]), _WORST) ** 2 - rolling.spread[here] ** 2
        excess += float(np.mean(squares))
        distance += float(np.mean(np.maximum(rolling.distance[here], _SHORTEST) ** 2))
    return float(np.sqrt(max(excess, 0.0) / distance)) if distance else 0.0


def calibrated_bounds(
    fit: Fit, columns: Mapping[str, Array], compute: Array, level: float, calibration: Calibration
) -> tuple[Array, Array]:
    """Prediction bounds (n,), widened on both sides by the drift that the back-test showed."""
    low, high = prediction_bounds(fit, columns, level)
    if not calibration.drift:
        return low, high
    value = on_error_scale(fit, predict(fit.law, fit.theta, columns)[0])
    below, above = value - on_error_scale(fit, low), on_error_scale(fit, high) - value
    distance = np.maximum(np.nan_to_num(np.log10(compute / compute_of(fit.runs).max())), _SHORTEST)
    added = _half_width(level) * calibration.drift * distance
    return from_error_scale(fit, value - np.hypot(below, added)), from_error_scale(fit, value + np.hypot(above, added))


def _half_width(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + 0.5 * level))
