"""What runs tell about a forecast: Fisher information of a law, and the variance of the forecast at a target.

    M = Σ_i g_i g_iᵀ / σ²      g = ∂ log L / ∂φ      Var[log L̂(target)] = cᵀ M⁻¹ c      c = g at the target

σ is the relative noise of one run, φ the solver's coordinates (logarithms of positive parameters). A law is not linear
in φ, so that g depends on the truth; every quantity is therefore taken for several scenarios θ of it. [pronzato2013]

Legend of shapes: s scenarios, k parameters, n runs or candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.laws.surface import GeneralSurface, to_log

_WEAK = 1e-6  # share of a unit prior that keeps information invertible; it moves no design


@dataclass(frozen=True)
class Scenarios:
    """A law at several parameters θ (s, k): what the truth may be, the likeliest first."""

    law: Law
    theta: Array

    def gradients(self, params: Array, tokens: Array) -> Array:
        """G (s, n, k) of log-loss at runs (n,)."""
        data = {"params": np.asarray(params, dtype=float), "tokens": np.asarray(tokens, dtype=float)}
        columns = {item.name: data[item.column] for item in self.law.inputs}
        surface = GeneralSurface(self.law, columns, log_output=True)
        return np.ascontiguousarray(
            surface.linearise(to_log(self.law.parameters, self.theta), second=False).jacobian.transpose(0, 2, 1)
        )

    def gradients_each(self, params: Array, tokens: Array) -> Array:
        """G (s, k) at one run for each scenario, both (s,)."""
        return np.stack([self.gradients(params, tokens)[index, index] for index in range(len(self.theta))])


def information(gradients: Array, noise: float, counts: Array | None = None) -> Array:
    """M (s, k, k) of runs with gradients (s, n, k), each run `counts` (n,) times."""
    weights = np.ones(gradients.shape[1]) if counts is None else counts
    total = np.einsum("snk,n,snl->skl", gradients, weights / noise**2, gradients)
    return np.asarray(total + _WEAK * np.eye(gradients.shape[2]))


def forecast_variance(information_: Array, target: Array) -> Array:
    """cᵀ M⁻¹ c (s,) for c (s, k): the variance of the forecast log-loss, without the noise of the run itself."""
    solved = np.linalg.solve(information_, target[:, :, None])[:, :, 0]
    return np.asarray(np.einsum("sk,sk->s", target, solved))
