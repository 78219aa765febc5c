"""Many resamples of one study refitted at once, each starting at the optimum of the study itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoflop.fitting.solver import Effort, Problem, Rows, polish, solve
from isoflop.laws.graph import Array

_UNSETTLED = 1e-6  # relative gradient above which a refit has not come to rest
_EFFORT = Effort(at_rest=1e-9)  # a draw is a sample, not an answer: seven digits of its spread are plenty


def refit(problem: Problem, theta: Array, rows: Rows, count: int) -> Array:
    """θ (B, k) of the `count` resamples in `rows`, each begun at θ (k,); those that did not settle are left out.

    Most settle by Newton steps from the optimum. The rest lie along a valley with kinks, such as a term that a resample
    does without: reweighting takes long steps there, so they begin again with it, and once more with patience.
    """
    found = polish(problem, np.repeat(problem.surface.to_internal(theta[None]), count, axis=1), rows, _EFFORT)
    phi, gradient = found.phi, found.gradient
    begins = np.repeat(theta[None], count, axis=0)
    for effort in (_EFFORT, replace(_EFFORT, newton_steps=_EFFORT.patience)):
        unsettled = np.flatnonzero(~(gradient <= _UNSETTLED))
        if not len(unsettled):
            break
        again = solve(problem, begins[unsettled], rows.take(unsettled), effort)
        phi[:, unsettled], gradient[unsettled] = again.phi, again.gradient
        begins = problem.surface.to_user(phi)
    settled = (gradient <= _UNSETTLED) & np.all(np.isfinite(phi), axis=0)
    return problem.surface.to_user(phi[:, settled])
