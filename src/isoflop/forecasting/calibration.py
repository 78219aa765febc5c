"""How wrong the law proves when the larger runs of a ladder are forecast from the smaller ones.

Rolling origin: the runs above a compute cut-off are hidden, the law is fitted to the rest, and each hidden run is
compared with its forecast. The cut-off moves down while at least half of the runs remain. Forecast errors grow with
the distance of extrapolation, so each is divided by its distance in decades of compute (at least 0.3, a factor of
two); the quantile of these ratios at `level`, times the distance of a new forecast, is the half-width below which no
interval may fall, whatever the bootstrap says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from isoflop.errors import IsoflopError
from isoflop.findings import Finding
from isoflop.fitting.binding import inputs_of
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit as fit_law
from isoflop.fitting.fit import Fit, predict
from isoflop.forecasting.bounds import compute_of, from_error_scale, has_compute, on_error_scale, prediction_bounds
from isoflop.laws.graph import Array, Mask
from isoflop.runs.table import RunTable

_FACTORS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_SHORTEST = 0.3  # decades: errors at shorter distances are noise, not extrapolation
_DRAWS = 200


@dataclass(frozen=True)
class Calibration:
    """What the back-test inside the data showed.

    `error_per_decade` is the quantile at `level` of forecast errors (of log-loss) per decade extrapolated, `coverage`
    the share of hidden outcomes inside their intervals before any widening, `tested` how many there were. Both are
    None where too few runs remain when the largest are hidden.
    """

    error_per_decade: float | None
    coverage: float | None
    tested: int
    level: float
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        """One sentence."""
        if self.coverage is None or self.error_per_decade is None:
            return "No back-test: too few runs remain when the largest are hidden, or their compute is not known."
        return (
            f"Back-test inside the data: {self.coverage:.0%} of {self.tested} hidden outcomes fell in their "
            f"{self.level:.0%} intervals; errors of up to {self.error_per_decade:.1%} per decade of compute widen "
            "intervals that claim less."
        )


def calibrate(fit: Fit) -> Calibration:
    """Hide the largest runs of the fit in turn and measure how far its forecasts miss them."""
    if not has_compute(fit.runs):
        return Calibration(None, None, 0, fit.level)
    trials = [_errors(refit, hidden, fit.level) for refit, hidden in origins(fit)]
    errors = np.concatenate([error for error, _ in trials]) if trials else np.empty(0)
    if len(errors) < 3:
        finding = Finding("no-backtest", "note", "Too few runs to hide some: the interval is untested.")
        return Calibration(None, None, 0, fit.level, (finding,))
    # The plain quantile: these errors share runs and fits, so conformal prediction's rank for exchangeable errors,
    # the largest of all up to nine of them, would promise nothing more.
    quantile = float(np.quantile(errors, fit.level))
    covered = np.concatenate([inside for _, inside in trials])
    return Calibration(quantile, float(np.mean(covered)), len(errors), fit.level)


def calibrated_bounds(
    fit: Fit, columns: Mapping[str, Array], compute: Array, level: float, calibration: Calibration
) -> tuple[Array, Array]:
    """Prediction bounds (n,), widened on both sides where the back-test showed larger errors at that distance."""
    low, high = prediction_bounds(fit, columns, level)
    if calibration.error_per_decade is None:
        return low, high
    value = on_error_scale(fit, predict(fit.law, fit.theta, columns)[0])
    below, above = value - on_error_scale(fit, low), on_error_scale(fit, high) - value
    distance = np.nan_to_num(np.log10(compute / compute_of(fit.runs).max()))
    least = calibration.error_per_decade * np.maximum(distance, _SHORTEST)
    widening = np.maximum(1.0, least / np.maximum(0.5 * (below + above), 1e-12))
    return from_error_scale(fit, value - widening * below), from_error_scale(fit, value + widening * above)


def origins(fit: Fit) -> Iterator[tuple[Fit, RunTable]]:
    """(fit on the smaller runs, the larger runs) for each cut-off that leaves enough to fit."""
    compute = compute_of(fit.runs)
    needed = max(len(fit.law.parameters) + 3, len(compute) // 2)
    previous = len(compute)
    for factor in _FACTORS:
        smaller = compute <= compute.max() / factor
        if smaller.sum() < needed or smaller.sum() == previous:
            continue
        previous = int(smaller.sum())
        try:
            refit = fit_law(
                fit.law,
                fit.runs.select(smaller),
                objective=fit.objective,
                draws=_DRAWS,
                level=fit.level,
                cluster=fit.cluster,
                starts="projected",
                weights=fit.weights,
                seed=fit.seed,
            )
        except IsoflopError:
            continue
        if refit.status is FitStatus.CONVERGED and len(refit.ensemble):
            yield refit, fit.runs.select(~smaller)


def _errors(refit: Fit, hidden: RunTable, level: float) -> tuple[Array, Mask]:
    """|error| per decade, and whether it was within the interval, for each hidden run."""
    data = inputs_of(refit.law, hidden)
    columns = {item.column: data[item.name] for item in refit.law.inputs}
    low, high = prediction_bounds(refit, columns, level)
    actual = np.asarray(hidden.column(refit.law.output), dtype=float)
    value = predict(refit.law, refit.theta, columns)[0]
    error = np.abs(on_error_scale(refit, actual) - on_error_scale(refit, value))
    distance = np.log10(compute_of(hidden) / compute_of(refit.runs).max())
    return error / np.maximum(distance, _SHORTEST), (low <= actual) & (actual <= high)
