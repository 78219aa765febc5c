"""The standard error of a number derived from a fit, where rows vary together and the groups are few.

    se² = Σ_g (a_gᵀ r_g)²        a_g = (I - H_gg)^(-1/2) J_g (JᵀJ)⁺ d        H = J (JᵀJ)⁺ Jᵀ
    ν   = (tr M)² / tr(M²)       M_gh = b_gᵀ b_h,  b_g = (I - H)[:, g] a_g

d is the gradient of the number in the parameters, J the Jacobian of log-loss, g a group. Residuals of rows that pull
the fit are smaller than the errors that made them; the root puts that right group by group. With few groups the error
itself is uncertain: the number then follows Student's t with ν degrees of freedom rather than a normal law.

Under Huber's objective r stands for ψ(r)/m, with m the slope of the mean of ψ(r + t) in t at zero.
Reference: bell2002, pustejovsky2018, huber1981
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isoflop.fitting.binding import inputs_of, weights_of
from isoflop.fitting.fit import Fit
from isoflop.laws.graph import Array, Index
from isoflop.laws.surface import GeneralSurface

_FLAT = 1e-10  # singular values below this share of the largest are directions the data say nothing about
_LEAST_SLOPE = 0.05  # of ψ: fewer rows in the quadratic zone leave its slope to chance


@dataclass(frozen=True)
class ClusterError:
    """A standard error and the degrees of freedom of the Student's t that goes with it."""

    standard_error: float
    degrees: float

    def half_width(self, level: float) -> float:
        """Half of the interval of nominal coverage `level`.

        Example:
            >>> round(ClusterError(1.0, 10.0).half_width(0.9), 3)
            1.812
        """
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees, (1.0 + level) / 2.0)) * self.standard_error


def cluster_errors(fit: Fit, gradients: Array) -> tuple[ClusterError, ...]:
    """The standard error of every number whose gradient in the fit's parameters is a row of `gradients` (q, k).

    Example:
        >>> from isoflop.fitting.estimation import fit as fit_law
        >>> from isoflop.readers.examples import example_runs
        >>> fitted = fit_law("chinchilla", example_runs(), where="held_out == 0", draws=0)
        >>> (alpha,) = cluster_errors(fitted, np.array([[0.0, 0.0, 0.0, 1.0, 0.0]]))
        >>> 0.0 < alpha.standard_error < 0.5
        True
    """
    weights = weights_of(fit.runs, fit.weights)
    root = np.ones(len(fit.runs)) if weights is None else np.sqrt(weights)
    residuals = root * _as_least_squares(fit.residuals, fit.objective.zone)
    directions, change = _factored(_jacobian(fit) * root[:, None])
    groups = [np.flatnonzero(fit.clusters == group) for group in range(int(fit.clusters.max()) + 1)]
    roots = [_inverse_root(directions[rows]) for rows in groups]
    return tuple(
        _error(directions, gradient @ change, residuals, groups, roots) for gradient in np.atleast_2d(gradients)
    )


def _error(directions: Array, weight: Array, residuals: Array, groups: list[Index], roots: list[Array]) -> ClusterError:
    """The error of the number that moves by `weight` in the orthogonal `directions` of the fit."""
    pulls = [root @ (directions[rows] @ weight) for rows, root in zip(groups, roots, strict=True)]
    variance = sum(float(pull @ residuals[rows]) ** 2 for rows, pull in zip(groups, pulls, strict=True))
    spread = np.zeros((len(groups), len(residuals)))
    for index, (rows, pull) in enumerate(zip(groups, pulls, strict=True)):
        spread[index, rows] = pull
        spread[index] -= directions @ (directions[rows].T @ pull)
    overlap = spread @ spread.T
    total = float(np.sum(overlap**2))
    degrees = float(np.trace(overlap)) ** 2 / total if total > 0.0 else 1.0
    return ClusterError(float(np.sqrt(variance)), max(degrees, 1.0))


def _jacobian(fit: Fit) -> Array:
    """∂ log L̂/∂θ (n, k) in the parameters as users see them."""
    plain = replace(fit.law, parameters=tuple(replace(item, scale="linear") for item in fit.law.parameters))
    surface = GeneralSurface(plain, inputs_of(fit.law, fit.runs), log_output=fit.objective.on == "log-loss")
    return np.asarray(surface.linearise(fit.theta[:, None], second=False).jacobian[0].T)


def _factored(jacobian: Array) -> tuple[Array, Array]:
    """Q (n, r) with orthonormal columns, and the change of θ (k, r) for a unit step along each of them."""
    lengths = np.linalg.norm(jacobian, axis=0)
    lengths = np.where(lengths > 0.0, lengths, 1.0)
    left, sizes, right = np.linalg.svd(jacobian / lengths, full_matrices=False)
    known = sizes > _FLAT * sizes[0]
    return left[:, known], right[known].T / sizes[known] / lengths[:, None]


def _inverse_root(directions: Array) -> Array:
    """(I - H_gg)^(-1/2) of one group, zero where the group alone decides."""
    values, vectors = np.linalg.eigh(np.eye(len(directions)) - directions @ directions.T)
    roots = np.where(values > 1e-8, 1.0 / np.sqrt(np.maximum(values, 1e-8)), 0.0)
    return np.asarray((vectors * roots) @ vectors.T)


def _as_least_squares(residuals: Array, zone: float) -> Array:
    """ψ(r)/m: what least squares would need as residuals to make the same mistake."""
    if np.isinf(zone):
        return residuals
    spread = 1.4826 * float(np.median(np.abs(residuals)))
    step = max(spread * len(residuals) ** -0.2, 1e-12)
    rise = np.clip(residuals + step, -zone, zone) - np.clip(residuals - step, -zone, zone)
    slope = float(np.mean(rise)) / (2.0 * step)
    return np.asarray(np.clip(residuals, -zone, zone) / max(slope, _LEAST_SLOPE * zone / max(spread, zone)))
