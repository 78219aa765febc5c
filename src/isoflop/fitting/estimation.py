"""The front door: `fit(law, runs)` → Fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isoflop.errors import Refusal, UsageError
from isoflop.findings import by_weight
from isoflop.fitting import starts as starting
from isoflop.fitting.binding import bind, inputs_of, residuals_of
from isoflop.fitting.certificate import FitStatus, certify
from isoflop.fitting.diagnostics import examine
from isoflop.fitting.fit import Ensemble, Fit
from isoflop.fitting.objective import Objective, parse_objective
from isoflop.fitting.resampling import bootstrap
from isoflop.fitting.solver import DEFAULT_EFFORT, Effort, Problem, solve
from isoflop.laws.catalogue import find
from isoflop.laws.formula import law_for_columns
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable

_PROJECTED, _DIVERSE = 16, 128  # together they missed no optimum on 150 hostile problems (prototype, 2026-08)


def fit(
    law: Law | str,
    runs: RunTable | Any,
    *,
    objective: Objective | str = "huber:1e-3",
    draws: int = 1000,
    level: float = 0.9,
    cluster: str = "auto",
    starts: str = "default",
    weights: str | None = None,
    where: str | None = None,
    x: Sequence[str] = (),
    y: str | None = None,
    seed: int = 0,
    effort: Effort = DEFAULT_EFFORT,
) -> Fit:
    """Fit a law to runs: the optimum with its certificate, and an ensemble of refits for its uncertainty.

        θ̂ = argmin_θ Σ_i ρ(log L̂(x_i; θ) - log L_i)

    Args:
        law: a law, the name of one in the catalogue, or a formula such as `"E + A/N^alpha"`.
        runs: the table, or anything `read_runs` reads; its columns named by the law's inputs and output are used.
        objective: `huber:δ`, `lad` or `ls`, on log-loss unless `@value` is added; `~0.9` favours the best runs.
        draws: how many resamples to refit; 0 for none.
        level: nominal coverage of the intervals.
        cluster: a column whose equal values are resampled together, `none`, or `auto` (runs, else sizes within 1 %).
        starts: `default` (16 by variable projection and 128 diverse), `projected` (the 16 alone), `hoffmann4500`.
        weights: a column that says how much each row counts, scaled to a mean of 1.
        where: a condition such as `params > 1e7`; the rows that fulfil it are used.
        x: columns the law's inputs are read from, in their order; of a formula, the names that are inputs.
        y: the column that the law predicts, if not the loss.
        seed: of everything random.
        effort: bounds on the solver's steps.

    Raises:
        InputError: a needed column is missing or not positive where logarithms are taken.
        Refusal: fewer runs than parameters.

    Reference: hoffmann2022, besiroglu2024

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> fitted = fit("chinchilla", example_runs(), where="held_out == 0", draws=50)
        >>> fitted.status.value
        'converged'
    """
    objective = parse_objective(objective) if isinstance(objective, str) else objective
    runs = table_of(runs, where, y or "loss")
    law = choose_law(law, runs, objective, x, y)
    if draws < 0 or draws == 1:
        raise UsageError(f"draws={draws} must be 0, for no intervals, or 2 and more: use 1000.")
    _require_rows(law, runs)
    problem = bind(law, runs, objective, weights)
    first = _starting_points(law, runs, problem, objective, starts, seed)
    solutions = solve(problem, first, effort=effort)
    theta, status, certificate = certify(problem, law, solutions, effort.refinements)
    residuals = residuals_of(law, theta, runs, objective)
    clusters = runs.clusters(cluster)
    ensemble = Ensemble(law.parameter_names, np.empty((0, len(theta))), "none")
    if draws and status is not FitStatus.NOT_STATIONARY:
        ensemble = bootstrap(problem, law, theta, clusters, draws, seed)
    fitted = Fit(
        law=law,
        theta=theta,
        objective=objective,
        objective_value=float(objective.total(residuals, problem.weights)),
        status=status,
        certificate=certificate,
        ensemble=ensemble,
        level=level,
        seed=seed,
        runs=runs,
        clusters=clusters,
        residuals=residuals,
        cluster=cluster,
        starts=starts,
        weights=weights,
    )
    return _with_findings(fitted, draws)


def choose_law(law: Law | str, runs: RunTable, objective: Objective, x: Sequence[str], y: str | None) -> Law:
    """The law meant by a law, a name or a formula, reading its inputs from `x` and predicting `y`."""
    if isinstance(law, str) and any(sign in law for sign in "+*/^("):
        return law_for_columns(law, list(runs.columns), x, y, positive=objective.on == "log-loss")
    law = find(law) if isinstance(law, str) else law
    if x and len(x) != len(law.inputs):
        raise UsageError(f"x={', '.join(x)}: law {law.name} takes {len(law.inputs)} inputs ({', '.join(law.columns)}).")
    inputs = (
        tuple(replace(item, column=column) for item, column in zip(law.inputs, x, strict=True)) if x else law.inputs
    )
    return replace(law, inputs=inputs, output=y or law.output)


def table_of(runs: RunTable | Any, where: str | None = None, y: str = "loss") -> RunTable:
    """`runs` as a table: one that is a table is taken as it is, anything else is read and checked."""
    return runs if isinstance(runs, RunTable) and where is None else read_runs(runs, where=where, y=y)


def _require_rows(law: Law, runs: RunTable) -> None:
    if len(runs) < len(law.parameters):
        count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        raise Refusal(
            f"{count} cannot determine the {len(law.parameters)} parameters of {law.name}: add runs, or fit a law with "
            "fewer parameters."
        )


def _starting_points(law: Law, runs: RunTable, problem: Problem, objective: Objective, starts: str, seed: int) -> Array:
    if starts == "hoffmann4500":
        if law.parameter_names != ("E", "A", "B", "alpha", "beta"):
            raise UsageError(f"starts='hoffmann4500' belongs to the chinchilla law, not to {law.name}: use 'default'.")
        return starting.hoffmann_grid()
    if starts not in ("default", "projected"):
        raise UsageError(f"starts={starts!r} is unknown: use 'default', 'projected' or 'hoffmann4500'.")
    projected = starting.projected_starts(law, inputs_of(law, runs), problem.target, objective, _PROJECTED)
    projected = np.concatenate([starting.stated_starts(law), projected])
    if starts == "projected":
        return projected
    return np.concatenate([projected, starting.diverse_starts(law, _DIVERSE, seed)])


def _with_findings(fitted: Fit, draws: int) -> Fit:
    return replace(fitted, findings=by_weight((*fitted.runs.findings, *examine(fitted, draws))))
