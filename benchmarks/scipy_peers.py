"""The same fits as a loop over SciPy's L-BFGS-B, which is how scaling laws are usually fitted.

The solver's vector is (e, a, b, alpha, beta) with E = exp(e), A = exp(a), B = exp(b), as in Hoffmann et al.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from benchmarks.epoch import DELTA
from isoflop.laws.graph import Array


class HuberLoss:
    """Σ w Huber(log(E + A/N^alpha + B/D^beta) - log L), in lean NumPy, with its gradient."""

    def __init__(self, log_size: Array, log_data: Array, log_loss: Array) -> None:
        self._size, self._data, self._loss = log_size, log_data, log_loss

    def value(self, x: Array) -> float:
        """The sum of all runs."""
        residual = np.abs(self._terms(x)[0])
        inside = np.minimum(residual, DELTA)
        return float(inside @ (residual - 0.5 * inside))

    def with_gradient(self, x: Array, weights: Array) -> tuple[float, Array]:
        """The weighted sum and its gradient."""
        residual, floor, first, second, total = self._terms(x)
        size = np.abs(residual)
        inside = np.minimum(size, DELTA)
        pull = weights * np.copysign(inside, residual) / total
        one, two = pull * first, pull * second
        gradient = [floor * pull.sum(), one.sum(), two.sum(), -(one @ self._size), -(two @ self._data)]
        return float((weights * inside) @ (size - 0.5 * inside)), np.array(gradient)

    def _terms(self, x: Array) -> tuple[Array, float, Array, Array, Array]:
        floor = float(np.exp(x[0]))
        first, second = np.exp(x[1] - x[3] * self._size), np.exp(x[2] - x[4] * self._data)
        total = floor + first + second
        return np.log(total) - self._loss, floor, first, second, total


def grid_loop(loss: HuberLoss, starts: Array) -> Array:
    """L-BFGS-B with its defaults and finite differences from every start (m, 5): the objectives reached (m,)."""
    with np.errstate(all="ignore"):
        return np.array([minimize(loss.value, start, method="L-BFGS-B").fun for start in starts])


def bootstrap_loop(loss: HuberLoss, start: Array, weights: Array) -> Array:
    """L-BFGS-B with the analytic gradient from the optimum for every weighting (m, n): objectives (m,).

    Its default tolerances would stop after a step or two of this small objective, hence tight ones.
    """
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 10_000}
    return np.array(
        [
            minimize(loss.with_gradient, start, args=(row,), jac=True, method="L-BFGS-B", options=options).fun
            for row in weights
        ]
    )
