"""What the rules look at: the law fitted again by least squares, and how each row departs from the curve of the rest.

    r = y - z(θ̂)        h_i = J_i (JᵀJ)⁻¹ J_iᵀ        t_i = r_i / (s_(i) √(1 - h_i))

t_i is how many standard deviations row i lies from the curve through the others, which needs no refit (Cook 1977). The
almost absolute loss of the default objective has no such theory, so the rules work on least squares whatever was
minimised; rows that least squares cannot bear are found first and left out (`isoflop.fitting.diagnostics.search`).

Legend of shapes: n rows, k parameters. Reference: cook1977
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isoflop.fitting.binding import bind, inputs_of
from isoflop.fitting.fit import Fit
from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import Effort, Problem, Rows, polish
from isoflop.laws.graph import Array, Index, Mask
from isoflop.laws.surface import GeneralSurface, to_log
from isoflop.runs.compute import compute_of, has_compute

_DEAD = 1e-9  # length of a column of J relative to the longest: the parameter moves nothing
_SINGULAR = 1e-7  # smallest singular value of J with columns of unit length, relative to the largest
_SAME = 1e-3  # relative distance of inputs that are one configuration
_EFFORT = Effort(newton_steps=60)


@dataclass(frozen=True)
class LeastSquares:
    """A fit by least squares to the rows `used` (n,).

    `residuals` (n,) and `jacobian` (n, k) are of all rows, weighted where the fit is; the coordinates are logarithms
    of positive parameters. `root` (k, q) is F with (JᵀJ)⁻¹ = F Fᵀ over the rows used, where they determine q parameters
    or combinations of them.
    """

    theta: Array
    used: Mask
    residuals: Array
    jacobian: Array
    root: Array

    @property
    def freedom(self) -> int:
        """Degrees of freedom: rows used less parameters that they determine."""
        return int(self.used.sum()) - int(self.root.shape[1])

    @cached_property
    def squares(self) -> float:
        """Sum of the squared residuals of the rows used."""
        return float(self.residuals[self.used] @ self.residuals[self.used])

    @property
    def deviation(self) -> float:
        """Standard deviation of the residuals, s."""
        return float(np.sqrt(self.squares / max(self.freedom, 1)))

    @cached_property
    def leverage(self) -> Array:
        """H (n,) of every row; of a row that is not used, that of a new point."""
        return self.leverage_of(self.jacobian)

    def leverage_of(self, slopes: Array) -> Array:
        """H (m,) of points with derivatives `slopes` (m, k): the variance of the curve there is h·s²."""
        return np.asarray(np.sum((slopes @ self.root) ** 2, axis=1))

    @cached_property
    def deleted(self) -> Array:
        """T (n,): residuals from the curve without the row, in standard deviations of such a residual."""
        left = np.maximum(1.0 - self.leverage, 1e-9)
        without = (self.squares - self.residuals**2 / left) / max(self.freedom - 1, 1)
        inside = self.residuals / np.sqrt(np.maximum(without, 1e-300) * left)
        outside = self.residuals / (max(self.deviation, 1e-150) * np.sqrt(1.0 + self.leverage))
        return np.where(self.used, inside, outside)

    @cached_property
    def standardised(self) -> Array:
        """r/√(1 - h) of the rows used, which have one variance if the errors have."""
        return np.asarray((self.residuals / np.sqrt(np.maximum(1.0 - self.leverage, 1e-9)))[self.used])

    def errors(self) -> Array:
        """Standard errors (k,) of the parameters, those of positive ones of their logarithms."""
        return np.asarray(self.deviation * np.sqrt(np.sum(self.root**2, axis=1)))


@dataclass(frozen=True)
class Evidence:
    """A fit, and the least-squares problem of the same law, rows and weights."""

    fit: Fit

    @cached_property
    def problem(self) -> Problem:
        """The problem by least squares."""
        fit = self.fit
        return bind(fit.law, fit.runs, Objective("ls", None, fit.objective.on), fit.weights)

    @cached_property
    def surface(self) -> GeneralSurface:
        """The law on all rows, with derivatives by (logarithms of) its parameters."""
        return self._surface(self.data)

    @cached_property
    def data(self) -> dict[str, Array]:
        """The inputs by letter."""
        return inputs_of(self.fit.law, self.fit.runs)

    @cached_property
    def log_inputs(self) -> dict[str, Array]:
        """Logarithms of the inputs that are positive, by column."""
        return {
            item.column: np.log(self.data[item.name])
            for item in self.fit.law.inputs
            if bool(np.all(self.data[item.name] > 0.0))
        }

    @cached_property
    def log_compute(self) -> Array | None:
        """Logarithm of the compute (n,) of the rows, or of the one input there is; None where neither is known."""
        if has_compute(self.fit.runs):
            compute = np.asarray(compute_of(self.fit.runs), dtype=float)
            if bool(np.all(np.isfinite(compute) & (compute > 0.0))):
                return np.asarray(np.log(compute))
        inputs = list(self.log_inputs.values())
        return inputs[0] if len(self.fit.law.inputs) == 1 and inputs else None

    @cached_property
    def configurations(self) -> Index | None:
        """Which configuration each row is of, counted from 0: equal in every input; None where one is not positive."""
        if len(self.log_inputs) < len(self.fit.law.inputs) or not len(self.fit.runs):
            return None
        rounded = np.stack([np.round(values / _SAME) for values in self.log_inputs.values()], axis=1)
        return np.asarray(np.unique(rounded, axis=0, return_inverse=True)[1]).ravel()

    @property
    def on_log(self) -> bool:
        """Whether residuals are of the logarithm of the output."""
        return self.fit.objective.on == "log-loss"

    @property
    def everything(self) -> Mask:
        """All rows."""
        return np.ones(len(self.fit.runs), dtype=bool)

    def refit(self, theta: Array, used: Mask, weights: Array | None = None) -> LeastSquares | None:
        """Least squares on the rows `used`, from θ (k,); None where nothing is left to judge by.

        Where a term dies on the way there is no optimum, but there are still residuals and a curve through the rest.
        """
        counted = used.astype(float) if weights is None else used * weights
        problem = self.problem
        found = polish(problem, problem.surface.to_internal(theta[None]), Rows(weights=counted[None]), _EFFORT)
        reached = problem.surface.to_user(found.phi)[0]
        return self.at(reached if np.all(np.isfinite(reached)) else theta, used, weights)

    def at(self, theta: Array, used: Mask, weights: Array | None = None) -> LeastSquares | None:
        """Residuals and leverages at θ (k,), with what is left of a gradient there taken out to first order."""
        linear = self.surface.linearise(self.coordinates(theta), second=False)
        scale = np.ones(len(used))
        for factor in (self.problem.weights, weights):
            scale = scale if factor is None else scale * np.sqrt(factor)
        jacobian = linear.jacobian[0].T * scale[:, None]
        residuals = (self.problem.target - linear.value[0]) * scale
        if not (np.all(np.isfinite(jacobian)) and np.all(np.isfinite(residuals))) or used.sum() <= len(theta):
            return None
        root = _root(jacobian[used])
        left = jacobian[used].T @ residuals[used]
        return LeastSquares(theta, used, residuals - jacobian @ (root @ (root.T @ left)), jacobian, root)

    def at_points(self, columns: Mapping[str, Array]) -> GeneralSurface:
        """The law on points given by run-table column."""
        return self._surface({item.name: columns[item.column] for item in self.fit.law.inputs})

    def coordinates(self, theta: Array) -> Array:
        """The coordinates (k, 1) of θ (k,) in which `surface` has its derivatives."""
        return to_log(self.fit.law.parameters, theta[None])

    def slopes_at(self, theta: Array, columns: Mapping[str, Array]) -> Array:
        """Derivatives (m, k) of the fitted quantity at points given by run-table column."""
        return np.asarray(self.at_points(columns).linearise(self.coordinates(theta), second=False).jacobian[0].T)

    def _surface(self, data: Mapping[str, Array]) -> GeneralSurface:
        return GeneralSurface(self.fit.law, data, log_output=self.on_log)


def _root(jacobian: Array) -> Array:
    """F (k, q) with F Fᵀ = (JᵀJ)⁻¹ on the q directions that J (m, k) determines, and zero on the others."""
    lengths = np.linalg.norm(jacobian, axis=0)
    alive = lengths > _DEAD * lengths.max(initial=0.0)
    root = np.zeros((len(lengths), 0))
    if not alive.any():
        return root
    _, sizes, directions = np.linalg.svd(jacobian[:, alive] / lengths[alive], full_matrices=False)
    kept = sizes > _SINGULAR * sizes[0]
    root = np.zeros((len(lengths), int(kept.sum())))
    root[alive] = (directions[kept] / sizes[kept, None]).T / lengths[alive, None]
    return root
