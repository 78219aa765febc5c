"""What a planned run will come out at: the forecast of `isoflop forecast`, fast enough to plan with.

Nearly all time of a forecast goes into its back-test, which refits the law to the smaller runs from many starts and
with draws. For the width of an interval only the errors of those refits count, and a refit that starts from the optimum
of all runs arrives at the same place: `held_out_error` does only that. The tests compare it with the whole back-test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from isoflop.errors import IsoflopError
from isoflop.fitting.binding import bind, inputs_of
from isoflop.fitting.certificate import FitStatus, certify
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.fitting.solver import polish
from isoflop.forecasting.bounds import compute_of, has_compute, on_error_scale
from isoflop.forecasting.calibration import Calibration, calibrate
from isoflop.forecasting.frontier_prediction import forecast_frontier
from isoflop.forecasting.prediction import Forecast, forecast
from isoflop.laws.graph import Array
from isoflop.planning.landscape import name_of
from isoflop.runs.table import RunTable

# As in isoflop.forecasting.calibration: the cut-offs tried, and the shortest distance that counts, in decades.
_FACTORS = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
_SHORTEST = 0.3
_FEWEST = 3


def forecast_runs(
    fit: Fit, columns: Mapping[str, Sequence[float]], level: float, calibration: Calibration | None = None
) -> Forecast:
    """Loss of runs with their intervals, given by column: params, tokens and other inputs of the law."""
    calibration = held_out_error(fit) if calibration is None else calibration
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


def held_out_error(fit: Fit) -> Calibration:
    """What `calibrate` finds of the errors on hidden runs, without the coverage of their intervals."""
    if not has_compute(fit.runs):
        return Calibration(None, None, 0, fit.level)
    try:
        errors = np.concatenate([_errors(fit, theta, hidden, largest) for theta, hidden, largest in _origins(fit)])
    except ValueError:  # there is no origin
        errors = np.empty(0)
    if len(errors) < _FEWEST:
        return calibrate(fit)
    return Calibration(float(np.quantile(errors, fit.level)), None, len(errors), fit.level)


def _origins(fit: Fit) -> list[tuple[Array, RunTable, float]]:
    """(optimum of the smaller runs, the larger runs, largest compute of the smaller ones) for each cut-off."""
    compute = compute_of(fit.runs)
    needed = max(len(fit.law.parameters) + _FEWEST, len(compute) // 2)
    previous, found = len(compute), []
    for factor in _FACTORS:
        smaller = compute <= compute.max() / factor
        if smaller.sum() < needed or smaller.sum() == previous:
            continue
        previous = int(smaller.sum())
        theta = _refit(fit, fit.runs.select(smaller))
        if theta is not None:
            found.append((theta, fit.runs.select(~smaller), float(compute[smaller].max())))
    return found


def _refit(fit: Fit, runs: RunTable) -> Array | None:
    """The optimum of `runs`, sought from that of the fit; None where it is not certified."""
    try:
        problem = bind(fit.law, runs, fit.objective, fit.weights)
        arrived = polish(problem, problem.inside(problem.surface.to_internal(fit.theta[None])))
        theta, status, _ = certify(problem, fit.law, arrived)
    except IsoflopError:
        return None
    return theta if status is FitStatus.CONVERGED else None


def _errors(fit: Fit, theta: Array, hidden: RunTable, largest: float) -> Array:
    """|error| per decade of compute for each hidden run."""
    data = inputs_of(fit.law, hidden)
    value = predict(fit.law, theta, {item.column: data[item.name] for item in fit.law.inputs})[0]
    actual = np.asarray(hidden.column(fit.law.output), dtype=float)
    error = np.abs(on_error_scale(fit, actual) - on_error_scale(fit, value))
    return np.asarray(error / np.maximum(np.log10(compute_of(hidden) / largest), _SHORTEST))
