"""What is known about an optimum: the evidence for it, and in which words it may be called one.

A fit is "converged" only with this evidence in hand: a gradient that vanishes relative to the size it could have, and
a Hessian that is positive definite. A small last decrease of the objective proves nothing and is never consulted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import numpy as np

from isoflop.fitting.solver import ALL_ROWS, DEFAULT_EFFORT, Problem, Solutions, solve_positive_definite
from isoflop.laws.graph import Array, Index
from isoflop.laws.law import Law

_STATIONARY = 1e-9  # gradient over the size it could have
_FLAT = 1e-12  # smallest eigenvalue of the Hessian scaled to a unit diagonal
_SAME = 1e-9  # two optima whose objectives agree to this, relatively, are one
_DEAD = 1e-7  # largest relative change of any prediction per unit of a parameter


class FitStatus(Enum):
    """How a fit ended; the sentence is what users read."""

    CONVERGED = "converged"
    NOT_STATIONARY = "not-stationary"
    FLAT = "flat"
    DEGENERATE = "degenerate"
    PUBLISHED = "published"

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        return _SENTENCES[self]


_SENTENCES = {
    FitStatus.CONVERGED: "The optimum is certified: the gradient vanishes and the Hessian is positive definite.",
    FitStatus.NOT_STATIONARY: "The solver stopped before the gradient vanished; this is not an optimum.",
    FitStatus.FLAT: "The objective is flat in some direction; the data do not determine every parameter.",
    FitStatus.PUBLISHED: "Constants from the literature, as printed.",
    FitStatus.DEGENERATE: "A term no longer contributes or a parameter ran away; a simpler law fits as well.",
}


@dataclass(frozen=True)
class Certificate:
    """The evidence for an optimum.

    `gradient` is the largest gradient component relative to the size it could have, ‖∂z/∂φ_j‖·‖ψ‖;
    `smallest_eigenvalue` and `condition` belong to the Hessian in solver coordinates scaled to a unit diagonal;
    `starts` were tried and `agreeing` of them reached this optimum within 1e-9 of the objective;
    `quadratic` rows lie within δ of the curve; `dead` names parameters that no longer move any prediction.
    """

    gradient: float
    smallest_eigenvalue: float
    condition: float | None
    starts: int
    agreeing: int
    quadratic: int
    dead: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this certificate."""
        return {**asdict(self), "dead": list(self.dead)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Certificate:
        """The certificate that `to_dict` wrote."""
        return cls(**{**record, "dead": tuple(record["dead"])})


def certify(
    problem: Problem, law: Law, solutions: Solutions, refinements: int = DEFAULT_EFFORT.refinements
) -> tuple[Array, FitStatus, Certificate]:
    """The best of the solutions as θ (k,), its status and the evidence.

    Of several solutions as good as the best the first is taken, or one beside it with a smaller gradient: where a law
    is symmetric in its terms, the first is the one nearest the stated start. It is refined by plain Newton steps judged
    by the gradient: near the optimum the objective has no digits left to compare, the gradient still has.
    """
    limit = solutions.value.min() * (1.0 + _SAME) + 1e-26 * problem.surface.rows
    agreeing = np.flatnonzero(solutions.value <= limit)
    phi = _refine(problem, _sharpest(solutions, agreeing), refinements)
    _, gradient, hessian, force = problem.evaluate(phi, ALL_ROWS, newton=True)
    eigenvalues = _scaled_eigenvalues(hessian[:, :, 0])
    dead = _dead_parameters(problem, law, phi)
    # A parameter that moves nothing has a gradient of rounding errors; it is reported as dead, not as a slope.
    alive = np.array([[name not in dead] for name in law.parameter_names])
    squares = problem.surface.linearise(phi, second=False).hessian(np.ones_like(problem.target)[None], None)
    residual = problem.surface.predict(phi)[0] - problem.target
    certificate = Certificate(
        gradient=float(problem.relative_gradient(phi, np.where(alive, gradient, 0.0), squares, force)[0]),
        smallest_eigenvalue=float(eigenvalues[0]),
        condition=float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0.0 else None,
        starts=len(solutions.value),
        agreeing=len(agreeing),
        quadratic=int(np.sum(np.abs(residual) <= problem.objective.zone)),
        dead=dead,
    )
    return problem.surface.to_user(phi)[0], _status(certificate), certificate


def _sharpest(solutions: Solutions, agreeing: Index) -> Array:
    """The first of the agreeing solutions, or that of least gradient among those at the same place: φ (k, 1)."""
    first = solutions.phi[:, agreeing[0]]
    apart = np.max(np.abs(solutions.phi[:, agreeing] - first[:, None]) / (1.0 + np.abs(first[:, None])), axis=0)
    beside = agreeing[apart < 1e-3]
    return solutions.phi[:, beside[[np.argmin(solutions.gradient[beside])]]]


def _scaled_eigenvalues(hessian: Array) -> Array:
    """Eigenvalues of the Hessian scaled to a unit diagonal, rising; NaN where it overflowed."""
    scale = np.sqrt(np.abs(np.diagonal(hessian))) + 1e-300
    scaled = hessian / scale[:, None] / scale[None, :]
    finite = bool(np.all(np.isfinite(scaled)))
    return np.asarray(np.linalg.eigvalsh(scaled) if finite else np.full(len(hessian), np.nan), dtype=float)


def _refine(problem: Problem, phi: Array, steps: int) -> Array:
    value, gradient, hessian, force = problem.evaluate(phi, ALL_ROWS, newton=True)
    size = problem.relative_gradient(phi, gradient, hessian, force)[0]
    for _ in range(steps):
        step, positive = solve_positive_definite(hessian, -gradient)
        if not positive[0] or not np.all(np.isfinite(step)):
            break
        moved = problem.inside(phi + step)
        new_value, new_gradient, new_hessian, new_force = problem.evaluate(moved, ALL_ROWS, newton=True)
        new_size = problem.relative_gradient(moved, new_gradient, new_hessian, new_force)[0]
        if not (new_size < size and new_value[0] <= value[0] * (1.0 + 1e-9) + 1e-300):
            break
        phi, value, gradient, hessian, size = moved, new_value, new_gradient, new_hessian, new_size
    return phi


def _dead_parameters(problem: Problem, law: Law, phi: Array) -> tuple[str, ...]:
    """Parameters whose change by one unit of solver coordinate moves no prediction by more than 1e-7."""
    base = problem.surface.linearise(phi, second=False)
    identity = np.zeros((1, problem.surface.rows))
    largest = np.zeros(len(phi))
    for row in range(problem.surface.rows):
        identity[0, row] = 1.0
        largest = np.maximum(largest, np.abs(base.gradient(identity)[:, 0]))
        identity[0, row] = 0.0
    return tuple(name for name, size in zip(law.parameter_names, largest, strict=True) if size < _DEAD)


def _status(certificate: Certificate) -> FitStatus:
    if not certificate.gradient <= _STATIONARY:
        return FitStatus.NOT_STATIONARY
    if certificate.dead:
        return FitStatus.DEGENERATE
    if not certificate.smallest_eigenvalue > _FLAT:
        return FitStatus.FLAT
    return FitStatus.CONVERGED
