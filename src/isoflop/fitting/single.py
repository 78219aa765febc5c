"""One law fitted to one table: starts, solver, certificate, ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isoflop.errors import Refusal, UsageError
from isoflop.fitting import starts as starting
from isoflop.fitting.binding import bind, inputs_of, residuals_of
from isoflop.fitting.certificate import FitStatus, certify
from isoflop.fitting.fit import Ensemble, Fit
from isoflop.fitting.layout import copies, each_alone, layout_of
from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import DEFAULT_EFFORT, Effort, Problem, solve
from isoflop.fitting.uncertainty import SIMULATED, choose_method, draw_ensemble, require_method
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.runs.table import RunTable

_PROJECTED, _DIVERSE = 16, 128  # together they missed no optimum on 150 hostile problems (prototype, 2026-08)

_QUICK = Effort(gauss_newton_steps=60, newton_steps=40, patience=0)


@dataclass(frozen=True)
class Settings:
    """How laws are fitted; see `isoflop.fitting.estimation.fit` for what each means."""

    objective: Objective
    draws: int = 1000
    level: float = 0.9
    cluster: str = "auto"
    intervals: str = "auto"
    starts: str = "default"
    weights: str | None = None
    seed: int = 0
    effort: Effort = DEFAULT_EFFORT


def fit_law(law: Law, runs: RunTable, settings: Settings) -> Fit:
    """The optimum of `law` with its certificate and its ensemble; nothing is examined yet.

    Raises:
        InputError: a needed column is missing or not positive where logarithms are taken.
        Refusal: fewer runs than parameters.
    """
    require_rows(law, runs)
    require_method(settings.intervals)
    problem = bind(law, runs, settings.objective, settings.weights)
    first = starting_points(law, runs, problem, settings)
    solutions = solve(problem, first, effort=settings.effort)
    theta, status, certificate = certify(problem, law, solutions, settings.effort.refinements)
    residuals = residuals_of(law, theta, runs, settings.objective)
    clusters = runs.clusters(settings.cluster)
    fitted = Fit(
        law=law,
        theta=theta,
        objective=settings.objective,
        objective_value=float(settings.objective.total(residuals, problem.weights)),
        status=status,
        certificate=certificate,
        ensemble=Ensemble(law.parameter_names, np.empty((0, len(theta))), "none"),
        level=settings.level,
        seed=settings.seed,
        runs=runs,
        clusters=clusters,
        residuals=residuals,
        cluster=settings.cluster,
        intervals=settings.intervals,
        starts=settings.starts,
        weights=settings.weights,
    )
    return with_ensemble(fitted, settings.draws, settings.seed) if settings.draws else fitted


def with_ensemble(fitted: Fit, draws: int, seed: int) -> Fit:
    """The fit with an ensemble of that many draws; without one where it is not at an optimum."""
    if fitted.status is FitStatus.NOT_STATIONARY:
        return fitted

    runs, method = fitted.runs, method_of(fitted)
    layout = layout_of(runs, fitted.cluster)
    if method in SIMULATED:
        runs = distinct_runs(runs, fitted.law)
        layout = layout_of(runs, fitted.cluster)
    elif method == "pairs-bootstrap":
        layout = each_alone(runs, _identity(fitted.law))

    def bind_law(law: Law) -> Problem:
        return bind(law, runs, fitted.objective, fitted.weights)

    law, theta = fitted.law, fitted.theta
    ensemble = draw_ensemble(law, bind_law, theta, layout, draws=draws, seed=seed, method=method, level=fitted.level)
    return replace(fitted, ensemble=ensemble)


def method_of(fitted: Fit) -> str:
    """The method that the draws of this fit come, or would come, about by."""
    layout = layout_of(distinct_runs(fitted.runs, fitted.law), fitted.cluster)
    return choose_method(fitted.objective, len(fitted.theta), layout, fitted.intervals)


def distinct_runs(runs: RunTable, law: Law) -> RunTable:
    """The rows of `runs` without copies: a row that repeats another in all that the law reads is no other run."""
    first = np.unique(copies(runs, _identity(law)), return_index=True)[1]
    return runs.select(np.sort(first))


def _identity(law: Law) -> tuple[str, ...]:
    """The columns in which two rows must agree to be the same measurement."""
    return (*law.columns, "params", "tokens", "compute", law.output)


def quick_optimum(law: Law, runs: RunTable, settings: Settings, near: Sequence[Array], projected: int = 4) -> Array:
    """θ (k,) of the optimum to some six digits, from the points `near` and a few projected starts.

    For refits to parts of a study, of which a forecast is wanted and no certificate.
    """
    problem = bind(law, runs, settings.objective, settings.weights)
    found = starting.projected_starts(law, inputs_of(law, runs), problem.target, settings.objective, projected)
    first = np.concatenate([np.atleast_2d(point) for point in [*near, found]])
    solutions = solve(problem, first, effort=_QUICK)
    return np.asarray(problem.surface.to_user(solutions.phi[:, [int(np.argmin(solutions.value))]])[0])


def require_rows(law: Law, runs: RunTable) -> None:
    """Refuse what has fewer rows than the law has parameters."""
    if len(runs) < len(law.parameters):
        count = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
        raise Refusal(
            f"{count} cannot determine the {len(law.parameters)} parameters of {law.name}: add runs, or fit a law with "
            "fewer parameters."
        )


def starting_points(law: Law, runs: RunTable, problem: Problem, settings: Settings) -> Array:
    """Where the solver starts (m, k).

    Raises:
        UsageError: the named starts are unknown, or belong to another law.
    """
    if settings.starts == "hoffmann4500":
        if law.parameter_names != ("E", "A", "B", "alpha", "beta"):
            raise UsageError(f"starts='hoffmann4500' belongs to the chinchilla law, not to {law.name}: use 'default'.")
        return starting.hoffmann_grid()
    if settings.starts not in ("default", "projected"):
        raise UsageError(f"starts={settings.starts!r} is unknown: use 'default', 'projected' or 'hoffmann4500'.")
    data = inputs_of(law, runs)
    projected = starting.projected_starts(law, data, problem.target, settings.objective, _PROJECTED)
    projected = np.concatenate([starting.stated_starts(law), projected])
    if settings.starts == "projected":
        return projected
    return np.concatenate([projected, starting.diverse_starts(law, _DIVERSE, settings.seed)])


def without_draws(settings: Settings) -> Settings:
    """The same settings for a fit of which only the optimum is wanted."""
    return replace(settings, draws=0, starts="projected")
