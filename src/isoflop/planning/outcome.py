"""What a planned run will come out at: the forecast of `isoflop forecast`, its back-test and refusals included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.forecasting.calibration import Calibration, calibrate
from isoflop.forecasting.frontier_prediction import forecast_frontier
from isoflop.forecasting.prediction import Forecast, forecast
from isoflop.planning.landscape import name_of


def forecast_runs(
    fit: Fit, columns: Mapping[str, Sequence[float]], level: float, calibration: Calibration | None = None
) -> Forecast:
    """Loss of runs with their intervals, given by column: params, tokens and other inputs of the law."""
    calibration = calibrate(fit) if calibration is None else calibration
    if not columns:
        return Forecast(name_of(fit), (), level, calibration)
    others = {name: values for name, values in columns.items() if name not in ("params", "tokens")}
    return forecast(
        fit,
        params=columns["params"],
        tokens=columns["tokens"],
        at=others,
        level=level,
        calibration=calibration,
    )


def forecast_budgets(fit: FrontierFit, compute: Sequence[float], level: float) -> Forecast:
    """Loss at the optimum of each compute, by the loss law of the frontier."""
    return forecast_frontier(fit, compute=list(compute), level=level)
