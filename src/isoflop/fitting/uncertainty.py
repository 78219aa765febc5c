"""Which draws an ensemble is made of: the methods by name, and the one that suits a study.

| method | draws are | for |
|---|---|---|
| cluster-bootstrap | refits of whole clusters drawn with replacement | 5 clusters and more for each parameter |
| pairs-bootstrap | refits of single rows drawn with replacement | 10 independent rows and more for each parameter |
| parametric-bootstrap | refits of data simulated around the efficient fit | anything smaller; checkpoints of few runs |
| bca | pairs or clusters, corrected for bias and skewness | 20 to 50 independent rows, by name |
| wild-bootstrap | refits with the residuals of clusters turned at random | tilted objectives of small studies |
| wald-t | Student's t with the curvature's covariance | parameters that are well determined |
| profile-likelihood | the profile of each parameter, ranks from wald-t | parameters that are not |
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from isoflop.errors import UsageError
from isoflop.fitting.efficient import Efficient, efficient_fit
from isoflop.fitting.far_bounds import drawn_bounds, profile_bounds
from isoflop.fitting.fit import Ensemble
from isoflop.fitting.layout import Layout
from isoflop.fitting.objective import Objective
from isoflop.fitting.profiles import profile_draws
from isoflop.fitting.resampling import accelerated_draws, cluster_draws, wild_draws
from isoflop.fitting.simulation import parametric_draws, wald_draws
from isoflop.fitting.solver import Problem
from isoflop.laws.graph import Array
from isoflop.laws.law import Law

METHODS = (
    "auto",
    "cluster-bootstrap",
    "pairs-bootstrap",
    "parametric-bootstrap",
    "bca",
    "wild-bootstrap",
    "wald-t",
    "profile-likelihood",
)
"""What `fit(…, intervals=…)` takes."""

_CLUSTERS_PER_PARAMETER = 5  # below this many, drawing whole clusters loses sizes, and with them exponents
_ROWS_PER_PARAMETER = 10  # below this many, percentiles of drawn rows are half as wide again as they need be

_RESAMPLING: dict[str, Callable[[Problem, Array, Layout, int, int], Array]] = {
    "cluster-bootstrap": cluster_draws,
    "pairs-bootstrap": cluster_draws,
    "bca": accelerated_draws,
    "wild-bootstrap": wild_draws,
}


SIMULATED = ("parametric-bootstrap", "wald-t", "profile-likelihood")
"""Methods that take every row for a measurement of its own, and so must not see copies."""


def require_method(method: str) -> None:
    """Raise UsageError where there is no such method."""
    if method not in METHODS:
        raise UsageError(f"intervals={method!r} is unknown: use {', '.join(METHODS)}.")


def choose_method(objective: Objective, parameters: int, layout: Layout, method: str = "auto") -> str:
    """The method meant by `method`, which may be `auto`, for a law with that many parameters."""
    if method != "auto":
        return method
    needed = (_ROWS_PER_PARAMETER if layout.independent else _CLUSTERS_PER_PARAMETER) * parameters
    if layout.count >= needed:
        return "pairs-bootstrap" if layout.independent else "cluster-bootstrap"
    # Errors on the two sides of a tilted curve differ, so they cannot be simulated as if they did not.
    return "parametric-bootstrap" if objective.tilt == 0.5 else "wild-bootstrap"


def draw_ensemble(
    law: Law,
    bind_law: Callable[[Law], Problem],
    theta: Array,
    layout: Layout,
    *,
    draws: int,
    seed: int,
    method: str,
    level: float,
) -> Ensemble:
    """Draws of the parameters of `law` around θ (k,) by a method of `METHODS` other than `auto`.

    `bind_law` binds a law to the rows of the study: this one, and for profiles the same with a parameter held. Refits
    that did not settle are left out. Where draws of a parameter run off the scale, its profile says whether the data
    bound it at `level`.
    """
    problem = bind_law(law)

    def efficient() -> Efficient:
        return efficient_fit(problem, problem.surface.to_internal(theta[None])[:, 0], layout)

    with np.errstate(all="ignore"):  # what a study does not determine shows in its draws
        if method in _RESAMPLING:
            found = _RESAMPLING[method](problem, theta, layout, draws, seed)
        else:
            fitted = efficient()
            found = {
                "parametric-bootstrap": lambda: parametric_draws(fitted, draws, seed),
                "wald-t": lambda: wald_draws(fitted, draws, seed),
                "profile-likelihood": lambda: profile_draws(fitted, law, bind_law, draws, seed),
            }[method]()
        found = found[np.all(np.isfinite(found), axis=1)]
        bounds = drawn_bounds(law, theta, found, level)
        # The two sides of a tilted curve have errors of their own, so that its profile refutes nothing.
        if bounds and problem.objective.tilt == 0.5:
            with suppress(np.linalg.LinAlgError):  # no efficient fit, where a resampled one may still have draws
                fitted = efficient() if method in _RESAMPLING else fitted
                bounds = profile_bounds(fitted, law, tuple(bounds), bind_law, theta, found, level)
    return Ensemble(law.parameter_names, found, method, bounds)
