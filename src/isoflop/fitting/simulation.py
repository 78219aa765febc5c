"""Uncertainty of small studies: draws around the efficient fit.

The parametric bootstrap refits data that another set of runs of the same design could have given: the fitted curve plus
errors drawn from what the residuals say about them. The size of the errors is itself drawn, so that its own uncertainty
with few runs widens the intervals as Student's t does. Where the errors are small it agrees with Wald's method; where
a parameter is barely determined it follows the curvature, and open bounds show as open.

Reference: efron1993
"""

from __future__ import annotations

import numpy as np

from isoflop.fitting.efficient import Efficient
from isoflop.fitting.refits import refit
from isoflop.fitting.solver import Rows
from isoflop.laws.graph import Array


def parametric_draws(fitted: Efficient, draws: int, seed: int) -> Array:
    """θ (B, k) refitted to simulated data; those that did not settle are left out."""
    errors = fitted.noise.draw(draws, np.random.default_rng(seed))
    theta = fitted.theta
    return refit(fitted.problem, theta, Rows(targets=fitted.fitted + errors), draws)


def wald_draws(fitted: Efficient, draws: int, seed: int) -> Array:
    """θ (B, k) from Student's t with n - k degrees of freedom and the covariance that the curvature gives.

    φ ~ t_ν(φ̂, σ² (Jᵀ V⁻¹ J)⁻¹)       in the solver's coordinates: logarithms of coefficients
    """
    generator = np.random.default_rng(seed)
    problem, noise = fitted.problem, fitted.noise
    jacobian = problem.surface.linearise(fitted.phi[:, None], second=False).jacobian[0]
    white = jacobian if problem.whitening is None else problem.whitening.apply(jacobian)
    lengths = np.maximum(np.linalg.norm(white, axis=1), 1e-300)
    left, singular, _ = np.linalg.svd(white / lengths[:, None], full_matrices=False)
    # A direction in which the curve does not move is as open as a draw can say: 1e8 standard deviations.
    root = left / np.maximum(singular, 1e-8 * singular[0])
    normal = generator.standard_normal((draws, len(singular)))
    student = normal * np.sqrt(noise.freedom / generator.chisquare(noise.freedom, (draws, 1)))
    return problem.surface.to_user((fitted.phi + noise.sigma * (student @ root.T) / lengths).T)
