"""A law and a run table become a problem for the solver; the table's faults are named here, by row and column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError
from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import Problem
from isoflop.laws.graph import Array, Mask
from isoflop.laws.law import Law
from isoflop.laws.posynomial import PosynomialSurface, recognise
from isoflop.laws.surface import GeneralSurface, to_log
from isoflop.runs.table import RunTable


def bind(law: Law, runs: RunTable, objective: Objective, weights: str | None = None) -> Problem:
    """The problem of fitting `law` to `runs`, on the fastest surface the law allows; `weights` names a column."""
    data = inputs_of(law, runs)
    output = runs.numbers(law.output)
    on_log = objective.on == "log-loss"
    if on_log:
        _require(output > 0.0, law.output, output, runs, "use an objective with @value")
    target = np.log(output) if on_log else output
    terms = None if _bounded(law) else recognise(law)
    if terms is not None and all(np.all(values > 0.0) for values in data.values()):
        surface = PosynomialSurface(law, terms, data, log_output=on_log)
        return Problem(surface, target, objective, weights=weights_of(runs, weights))
    lower, upper = _bounds(law) if _bounded(law) else (None, None)
    general = GeneralSurface(law, data, log_output=on_log)
    return Problem(general, target, objective, lower, upper, weights_of(runs, weights))


def inputs_of(law: Law, runs: RunTable) -> dict[str, Array]:
    """The columns of `runs` under the letters of the law's inputs; tokens or compute follow from 6ND if need be."""
    data: dict[str, Array] = {}
    for item in law.inputs:
        derived = {"tokens": runs.tokens, "compute": runs.compute}.get(item.column)
        values = derived() if derived is not None else runs.numbers(item.column)
        counts = item.column in ("params", "tokens", "compute")
        _require(np.isfinite(values) & ((values > 0.0) | (not counts)), item.column, values, runs, "correct it")
        data[item.name] = values
    return data


def weights_of(runs: RunTable, column: str | None) -> Array | None:
    """What each row counts, scaled to a mean of 1; None where all count alike."""
    if column is None:
        return None
    weights = runs.numbers(column)
    _require(weights > 0.0, column, weights, runs, "correct it")
    return np.asarray(weights / weights.mean())


def residuals_of(law: Law, theta: Array, runs: RunTable, objective: Objective) -> Array:
    """Observed minus fitted (n,), computed in extended precision where the machine has it."""
    data: Mapping[str, Any] = {name: values.astype(np.longdouble) for name, values in inputs_of(law, runs).items()}
    surface = GeneralSurface(law, data, log_output=objective.on == "log-loss")
    output = np.asarray(runs.column(law.output)).astype(np.longdouble)
    target = np.log(output) if objective.on == "log-loss" else output
    fitted = surface.predict(to_log(law.parameters, theta[None].astype(np.longdouble)))[0]
    return np.asarray(target - fitted, dtype=float)


def _bounded(law: Law) -> bool:
    """Whether a parameter has a bound that its scale does not already keep."""
    return any(
        np.isfinite(parameter.bounds[1])
        or (np.isfinite(parameter.bounds[0]) and parameter.scale == "linear")
        or parameter.bounds[0] > 0.0
        for parameter in law.parameters
    )


def _bounds(law: Law) -> tuple[Array, Array]:
    lower, upper = (
        to_log(law.parameters, np.array([[parameter.bounds[side] for parameter in law.parameters]])) for side in (0, 1)
    )
    return np.where(np.isnan(lower), -np.inf, lower), upper


def _require(good: Mask, column: str, values: NDArray[Any], runs: RunTable, advice: str) -> None:
    bad = np.flatnonzero(~(good & np.isfinite(values)))
    if len(bad):
        raise InputError(
            f"row {runs.row[bad[0]]}, column {column!r}: {float(values[bad[0]])!r} is not a positive number; leave the "
            f"row out with --where, or {advice}."
        )
