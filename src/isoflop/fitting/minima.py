"""The model size of least loss in one slice of equal compute: a parabola or cubic in log N through its runs.

    L(x) = c_0 + c_1 x + c_2 x² (+ c_3 x³)      x = (log N - middle) / half-width
    x* = -c_1 / (c_2 + √(c_2² - 3 c_1 c_3))     the root with positive curvature; for a parabola -c_1 / 2c_2

Legend of shapes: m resamples, n runs. Reference: hoffmann2022
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from isoflop.fitting.budgets import Budget, distinct_sizes
from isoflop.laws.graph import Array, Index

Curve = Literal["parabola", "cubic"]
DEGREE: dict[str, int] = {"parabola": 2, "cubic": 3}

_WIDEST_SLICE = 1.5  # largest over smallest compute of runs called one budget


@dataclass(frozen=True)
class Slice:
    """One budget with its curve: `log_size` and `loss` at the minimum, residuals of the runs, and its evidence.

    `gradient` is that of the squared residuals relative to the size it could have, `condition` and
    `smallest_eigenvalue` belong to the Hessian with unit diagonal. `rows` index into the budget's runs.
    """

    budget: Budget
    curve: Curve
    log_size: float
    loss: float
    residuals: Array
    gradient: float
    condition: float
    smallest_eigenvalue: float

    @property
    def reach(self) -> tuple[float, float]:
        """How many times smaller and larger than the optimum the slice goes."""
        sizes = self.budget.log_size
        return float(np.exp(self.log_size - sizes.min())), float(np.exp(sizes.max() - self.log_size))


def fit_slice(budget: Budget, curve: Curve) -> Slice | str:
    """The slice with its minimum, or the reason why it has none that its runs bracket.

    Example:
        >>> log_size = np.log([1e6, 2e6, 4e6, 8e6])
        >>> loss = 3.0 + 0.1 * (log_size - np.log(3e6)) ** 2
        >>> found = fit_slice(Budget(1e15, np.arange(4), log_size, loss, np.log(6.0), 0.0), "parabola")
        >>> round(float(np.exp(found.log_size)))
        3000000
    """
    labels = distinct_sizes(budget.log_size)
    sizes, needed = int(labels.max()) + 1, DEGREE[curve] + 2
    if budget.spread > _WIDEST_SLICE:
        return f"its compute spreads by {budget.spread:.1f}×, so its runs are not one budget"
    if sizes < needed:
        return f"it has {sizes} model size{'s' * (sizes > 1)}, a {curve} needs {needed}"
    coefficients = curves(budget, curve, np.ones((1, len(labels))))
    position, loss = minimum(coefficients)
    lowest = labels[int(np.argmin(budget.loss))]
    if lowest in (0, sizes - 1):
        end = "smallest" if lowest == 0 else "largest"
        return f"its lowest loss is at its {end} model, so the minimum is not bracketed"
    middle, half = frame(budget)
    if not abs(position[0]) < 1.0:
        return f"the {curve} through its runs has no minimum between its smallest and largest model"
    design = _design(budget, DEGREE[curve])
    residuals = budget.loss - design @ coefficients[0]
    gradient = float(np.max(np.abs(design.T @ residuals)) / max(float(np.linalg.norm(budget.loss)), 1e-300))
    eigenvalues = np.linalg.eigvalsh(unit_diagonal(design.T @ design))
    return Slice(
        budget=budget,
        curve=curve,
        log_size=float(middle + half * position[0]),
        loss=float(loss[0]),
        residuals=residuals,
        gradient=gradient,
        condition=float(eigenvalues[-1] / eigenvalues[0]),
        smallest_eigenvalue=float(eigenvalues[0]),
    )


def resampled_minima(found: Slice, draws: int, generator: np.random.Generator) -> Array:
    """Log N* (m,) of resamples of the slice's runs; NaN where a resample's minimum leaves the range of sizes.

    Runs are drawn with replacement. Draws with too few sizes to fix the curve are drawn again.
    """
    budget, degree = found.budget, DEGREE[found.curve]
    labels = distinct_sizes(budget.log_size)
    weights = _resamples(labels, degree + 1, draws, generator)
    position, _ = minimum(curves(budget, found.curve, weights))
    middle, half = frame(budget)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(position) < 1.0, middle + half * position, np.nan)


def curves(budget: Budget, curve: Curve, weights: Array) -> Array:
    """Coefficients (m, d+1) of the curves through the runs, weighted as `weights` (m, n) say."""
    design = _design(budget, DEGREE[curve])
    # The mean is taken off so that the digits of the solution go to the shape of the curve.
    mean = budget.loss.mean()
    normal = np.einsum("mn,ni,nj->mij", weights, design, design)
    right = np.einsum("mn,ni,n->mi", weights, design, budget.loss - mean)
    coefficients = np.linalg.solve(normal, right[..., None])[..., 0]
    coefficients[:, 0] += mean
    return np.asarray(coefficients)


def minimum(coefficients: Array) -> tuple[Array, Array]:
    """Where the curves (m, d+1) are least, and the loss there, each (m,); NaN where a curve has no minimum."""
    full = np.zeros((len(coefficients), 4))
    full[:, : coefficients.shape[1]] = coefficients
    c0, c1, c2, c3 = full.T
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(c2**2 - 3.0 * c1 * c3)
        place = np.where(c2 + root > 0.0, -c1 / (c2 + root), np.nan)
        return place, c0 + place * (c1 + place * (c2 + place * c3))


def frame(budget: Budget) -> tuple[float, float]:
    """Middle and half-width of the slice in log N: the frame in which the curve is fitted."""
    low, high = float(budget.log_size.min()), float(budget.log_size.max())
    return 0.5 * (low + high), 0.5 * (high - low)


def unit_diagonal(matrix: Array) -> Array:
    """A symmetric positive matrix scaled to a diagonal of ones, so that its condition does not depend on units."""
    scale = 1.0 / np.sqrt(np.diag(matrix))
    return np.asarray(matrix * scale[:, None] * scale[None, :])


def _design(budget: Budget, degree: int) -> Array:
    middle, half = frame(budget)
    return np.vander((budget.log_size - middle) / half, degree + 1, increasing=True)


def _resamples(labels: Index, needed: int, draws: int, generator: np.random.Generator) -> Array:
    """How often each run was drawn (draws, n), each draw with at least `needed` sizes."""
    count = len(labels)
    weights = generator.multinomial(count, np.full(count, 1.0 / count), size=draws).astype(float)
    membership = (labels[:, None] == np.arange(int(labels.max()) + 1)[None, :]).astype(float)
    while True:
        short = np.flatnonzero(((weights @ membership) > 0.0).sum(axis=1) < needed)
        if not len(short):
            return weights
        weights[short] = generator.multinomial(count, np.full(count, 1.0 / count), size=len(short))
