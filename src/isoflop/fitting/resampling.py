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
from isoflop.fitting.solver import DEFAULT_EFFORT, Effort, Problem, Rows, polish, solve
from isoflop.laws.graph import Array
from isoflop.laws.law import Law

_CLUSTERS_PER_PARAMETER = 5  # below this many, drawing whole clusters loses parameters
_UNSETTLED = 1e-6  # relative gradient above which a refit has not come to rest
_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))


def bootstrap(
    problem: Problem,
    law: Law,
    theta: Array,
    clusters: NDArray[np.int64],
    draws: int,
    seed: int,
) -> Ensemble:
    """Refit `draws` resamples, each starting at the optimum, and return their parameters; unsettled ones are left out.

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
    phi, gradient = _refit(problem, theta, rows, draws)
    settled = (gradient <= _UNSETTLED) & np.all(np.isfinite(phi), axis=0)
    return Ensemble(law.parameter_names, problem.surface.to_user(phi[:, settled]), method)


def _refit(problem: Problem, theta: Array, rows: Rows, draws: int) -> tuple[Array, Array]:
    """φ (k, draws) and relative gradients of the refits.

    Most settle by Newton steps from the optimum. The rest lie along a valley with kinks, such as a term that a resample
    does without: reweighting takes long steps there, so they begin again with it, and once more with patience.
    """
    found = polish(problem, np.repeat(problem.surface.to_internal(theta[None]), draws, axis=1), rows)
    phi, gradient = found.phi, found.gradient
    begins = np.repeat(theta[None], draws, axis=0)
    for effort in (DEFAULT_EFFORT, Effort(newton_steps=DEFAULT_EFFORT.patience)):
        unsettled = np.flatnonzero(~(gradient <= _UNSETTLED))
        if not len(unsettled):
            break
        again = solve(problem, begins[unsettled], rows.take(unsettled), effort)
        phi[:, unsettled], gradient[unsettled] = again.phi, again.gradient
        begins = problem.surface.to_user(phi)
    return phi, gradient


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
