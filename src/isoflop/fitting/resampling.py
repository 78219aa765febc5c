"""Uncertainty by refitting: every method returns an Ensemble of parameter draws.

Rows of one cluster (a run, or runs of one size) share their errors, so they are resampled together; treating them as
independent is the commonest way to print intervals that are several times too narrow.

With many clusters, whole clusters are drawn with replacement. With few, that would often leave out whole sizes and
with them the exponents, so the design is kept and the residuals of each cluster are multiplied by one random number
of mean 0 and variance 1 (the wild cluster bootstrap, with Webb's six values).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoflop.fitting.fit import Ensemble
from isoflop.fitting.solver import Problem, Rows, polish, solve
from isoflop.laws.graph import Array
from isoflop.laws.law import Law

_CLUSTERS_PER_PARAMETER = 5  # below this many, drawing whole clusters loses parameters
_UNFINISHED = 1e-6  # relative gradient above which a refit is started again from other points
_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))


def bootstrap(
    problem: Problem,
    law: Law,
    theta: Array,
    clusters: NDArray[np.int64],
    draws: int,
    seed: int,
    other_starts: Array,
) -> Ensemble:
    """Refit `draws` resamples, each starting at the optimum, and return their parameters.

    Refits that do not settle from there start again from `other_starts`; those that never settle are left out.

    Reference: besiroglu2024, webb2023
    """
    generator = np.random.default_rng(seed)
    count = int(clusters.max()) + 1
    independent = count == len(clusters)
    if count >= _CLUSTERS_PER_PARAMETER * len(theta):
        rows = Rows(weights=_cluster_weights(clusters, count, draws, generator))
        method = "pairs-bootstrap" if independent else "cluster-bootstrap"
    else:
        rows = Rows(targets=_wild_targets(problem, theta, clusters, count, draws, generator))
        method = "wild-bootstrap" if independent else "wild-cluster-bootstrap"
    start = np.repeat(problem.surface.to_internal(theta[None]), draws, axis=1)
    found = polish(problem, start, rows)
    phi, gradient = found.phi, found.gradient
    for candidate in other_starts:
        unfinished = np.flatnonzero(~(gradient <= _UNFINISHED))
        if not len(unfinished):
            break
        again = solve(problem, np.repeat(candidate[None], len(unfinished), axis=0), rows.take(unfinished))
        phi[:, unfinished], gradient[unfinished] = again.phi, again.gradient
    settled = (gradient <= _UNFINISHED) & np.all(np.isfinite(phi), axis=0)
    return Ensemble(law.parameter_names, problem.surface.to_user(phi[:, settled]), method)


def _cluster_weights(clusters: NDArray[np.int64], count: int, draws: int, generator: np.random.Generator) -> Array:
    """How often each row's cluster was drawn (draws, n)."""
    times = generator.multinomial(count, np.full(count, 1.0 / count), size=draws)
    return times[:, clusters].astype(float)


def _wild_targets(
    problem: Problem,
    theta: Array,
    clusters: NDArray[np.int64],
    count: int,
    draws: int,
    generator: np.random.Generator,
) -> Array:
    """Fitted values plus the residuals of each cluster times one random number (draws, n)."""
    fitted = problem.surface.predict(problem.surface.to_internal(theta[None]))[0]
    rows = len(fitted)
    # Residuals of a fit are smaller than the errors that made them; this restores their size on average.
    spread = np.sqrt(rows / max(rows - len(theta), 1))
    residual = (problem.target - fitted) * spread
    values = np.concatenate([-_WEBB, _WEBB])
    signs = generator.choice(values, size=(draws, count))
    return np.asarray(fitted + residual * signs[:, clusters])
