"""The front door: `fit(law, runs)` → Fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import by_weight
from isoflop.fitting import starts as starting
from isoflop.fitting.certificate import FitStatus, certify
from isoflop.fitting.diagnostics import examine
from isoflop.fitting.fit import Ensemble, Fit
from isoflop.fitting.objective import Objective, parse_objective
from isoflop.fitting.resampling import bootstrap
from isoflop.fitting.solver import DEFAULT_EFFORT, Effort, Problem, solve
from isoflop.laws.catalogue import find
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.laws.posynomial import PosynomialSurface, recognise
from isoflop.laws.surface import GeneralSurface, Surface
from isoflop.runs.table import RunTable

_PROJECTED, _DIVERSE = 16, 128  # together they missed no optimum on 150 hostile synthetic problems (2026-08)


def fit(
    law: Law | str,
    runs: RunTable,
    *,
    objective: Objective | str = "huber:1e-3",
    draws: int = 1000,
    level: float = 0.9,
    cluster: str = "auto",
    starts: str = "default",
    seed: int = 0,
    effort: Effort = DEFAULT_EFFORT,
) -> Fit:
    """Fit a law to runs: the optimum with its certificate, and an ensemble of refits for its uncertainty.

        θ̂ = argmin_θ Σ_i ρ(log L̂(x_i; θ) - log L_i)

    Args:
        law: a law or the name of one in the catalogue.
        runs: the table; its columns named by the law's inputs and output are used.
        objective: `huber:δ`, `lad` or `ls`, on log-loss unless `@value` is added.
        draws: how many resamples to refit; 0 for none.
        level: nominal coverage of the intervals.
        cluster: a column whose equal values are resampled together, `none`, or `auto` (runs, else sizes within 1 %).
        starts: `default` (16 by variable projection and 128 diverse), `projected` (the 16 alone), `hoffmann4500`.
        seed: of everything random.
        effort: bounds on the solver's steps.

    Raises:
        InputError: a needed column is missing or not positive where logarithms are taken.
        Refusal: fewer runs than parameters.

    Reference: hoffmann2022, besiroglu2024

    Example:
        >>> from isoflop.readers.read import read_runs
        >>> from isoflop.readers.examples import example_runs
        >>> fitted = fit("chinchilla", read_runs(example_runs()), draws=50)
        >>> fitted.status.value
        'converged'
    """
    law = find(law) if isinstance(law, str) else law
    objective = parse_objective(objective) if isinstance(objective, str) else objective
    if draws < 0:
        raise UsageError(f"draws={draws} must be 0 or more.")
    if len(runs) < len(law.parameters):
        raise Refusal(
            f"{len(runs)} runs cannot determine the {len(law.parameters)} parameters of {law.name}: add runs, or fit a "
            "law with fewer parameters."
        )
    problem = bind(law, runs, objective)
    first = _starting_points(law, runs, problem, objective, starts, seed)
    solutions = solve(problem, first, effort=effort)
    theta, value, status, certificate = certify(problem, law, solutions, effort.refinements)
    clusters = runs.clusters(cluster)
    ensemble = Ensemble(law.parameter_names, np.empty((0, len(theta))), "none")
    if draws and status is not FitStatus.NOT_STATIONARY:
        ensemble = bootstrap(problem, law, theta, clusters, draws, seed, first[:4])
    fitted = Fit(
        law=law,
        theta=theta,
        objective=objective,
        objective_value=value,
        status=status,
        certificate=certificate,
        ensemble=ensemble,
        level=level,
        seed=seed,
        runs=runs,
        clusters=clusters,
        residuals=problem.target - problem.surface.predict(problem.surface.to_internal(theta[None]))[0],
    )
    return _with_findings(fitted, draws)


def bind(law: Law, runs: RunTable, objective: Objective) -> Problem:
    """The problem of fitting `law` to `runs`, on the fastest surface the law allows."""
    data = inputs_of(law, runs)
    output = np.asarray(runs.column(law.output), dtype=float)
    on_log = objective.on == "log-loss"
    if on_log:
        _require_positive(law.output, output, runs, "or use an objective with @value")
    surface: Surface
    terms = recognise(law)
    if terms is not None and all(np.all(values > 0.0) for values in data.values()):
        surface = PosynomialSurface(law, terms, data, log_output=on_log)
    else:
        surface = GeneralSurface(law, data, log_output=on_log)
    return Problem(surface, np.log(output) if on_log else output, objective)


def inputs_of(law: Law, runs: RunTable) -> dict[str, Array]:
    """The columns of `runs` under the letters of the law's inputs; tokens or compute follow from 6ND if need be."""
    data: dict[str, Array] = {}
    for item in law.inputs:
        derived = {"tokens": runs.tokens, "compute": runs.compute}.get(item.column)
        values = derived() if derived is not None else runs.column(item.column)
        data[item.name] = np.asarray(values, dtype=float)
        _require_positive(item.column, data[item.name], runs, "or correct it")
    return data


def _require_positive(column: str, values: NDArray[Any], runs: RunTable, advice: str) -> None:
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0.0)))
    if len(bad):
        row = int(runs.row[bad[0]])
        raise InputError(
            f"row {row}, column {column!r}: {values[bad[0]]!r} is not a positive number; leave the row out with "
            f"--where, {advice}."
        )


def _starting_points(law: Law, runs: RunTable, problem: Problem, objective: Objective, starts: str, seed: int) -> Array:
    if starts == "hoffmann4500":
        if law.parameter_names != ("E", "A", "B", "alpha", "beta"):
            raise UsageError(f"starts='hoffmann4500' belongs to the chinchilla law, not to {law.name}: use 'default'.")
        return starting.hoffmann_grid()
    if starts not in ("default", "projected"):
        raise UsageError(f"starts={starts!r} is unknown: use 'default', 'projected' or 'hoffmann4500'.")
    projected = starting.projected_starts(law, inputs_of(law, runs), problem.target, objective, _PROJECTED)
    if starts == "projected":
        return projected
    return np.concatenate([projected, starting.diverse_starts(law, _DIVERSE, seed)])


def _with_findings(fitted: Fit, draws: int) -> Fit:
    return replace(fitted, findings=by_weight((*fitted.runs.findings, *examine(fitted, draws))))
