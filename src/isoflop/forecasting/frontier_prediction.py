"""Forecasts along the compute-optimal frontier that isoflops or envelope found: optimal N and D, and the loss there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from isoflop.errors import UsageError
from isoflop.findings import Finding, by_weight
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.forecasting.calibration import Calibration
from isoflop.forecasting.prediction import Forecast, Point, forecast
from isoflop.forecasting.reach import distance_findings
from isoflop.laws.graph import Array
from isoflop.quantities import Estimate


def forecast_frontier(fit: FrontierFit, *, compute: float | Sequence[float], level: float | None = None) -> Forecast:
    """Forecast the best run at each compute: its size and data by the fit's power laws, its loss by its loss law.

    Where no loss law is determined the loss is NaN (null in JSON) and a finding says why.

    Raises:
        UsageError: a compute is not positive.
        Refusal: the loss law has no draws.

    Example:
        >>> from isoflop.fitting.isoflops import fit_isoflops
        >>> sizes, budgets = np.geomspace(1e6, 1e8, 9), np.geomspace(1e16, 1e18, 5)
        >>> size, budget = (axis.ravel() for axis in np.meshgrid(sizes, budgets))
        >>> loss = 1.7 + 400 / size**0.34 + 1500 / (budget / (6 * size)) ** 0.37
        >>> found = fit_isoflops({"params": size, "compute": budget, "loss": loss}, draws=20)
        >>> 2.0 < forecast_frontier(found, compute=1e19).points[0].loss.value < 5.0
        True
    """
    values = np.atleast_1d(np.asarray(compute, dtype=float))
    if not np.all(np.isfinite(values) & (values > 0.0)):
        raise UsageError(f"forecast: compute={compute!r} must be a positive number, such as 6e23.")
    level = fit.level if level is None else level
    if fit.loss_law is None:
        result = _without_loss(fit, values, level)
    else:
        result = forecast(fit.loss_law, compute=values.tolist(), level=level)
    points = tuple(_at_optimum(fit, point) for point in result.points)
    return replace(result, law=fit.law, points=points, findings=by_weight((*fit.findings, *result.findings)))


def _without_loss(fit: FrontierFit, compute: Array, level: float) -> Forecast:
    beyond = np.log10(compute / max(item.compute for item in fit.minima))
    points = tuple(
        Point(None, None, float(flop), Estimate(float("nan")), float(decades))
        for flop, decades in zip(compute, beyond, strict=True)
    )
    finding = Finding("no-loss-law", "warn", f"The loss cannot be forecast: {fit.loss_reason}")
    findings = (finding, *distance_findings(beyond))
    return Forecast(fit.law, points, level, Calibration(None, None, 0, level), findings)


def _at_optimum(fit: FrontierFit, point: Point) -> Point:
    params, tokens = fit.allocation(point.compute)
    return replace(point, params=params.value, tokens=tokens.value)
