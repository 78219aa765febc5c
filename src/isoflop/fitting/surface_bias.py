"""What a classical estimator errs by on the user's own grid, measured on noise-free data.

A parabola is not the shape of a slice through a loss surface, and slices are seldom centred: even without noise the
minimum is off, and by an amount that changes with compute, so that the exponent is off too. The Chinchilla surface
is fitted to the runs, the losses are replaced by that surface, the estimator is run again on the same grid, and its
answer is compared with the surface's exact optimum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isoflop.errors import Refusal
from isoflop.fitting.binding import inputs_of
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import predict
from isoflop.fitting.power_law import power_law
from isoflop.laws.graph import Array
from isoflop.runs.table import RunTable


@dataclass(frozen=True)
class Optima:
    """Optimal sizes and data (n,) at computes (n,), and how FLOP per parameter and token grow there with N.

    `tilt` (n,) is the power of N in it: 0 where C = 6·N·D. `exponent` is that of the power law through `params`.
    """

    compute: Array
    params: Array
    tokens: Array
    tilt: Array
    exponent: float


@dataclass(frozen=True)
class Bias:
    """Estimated minus exact on noise-free data: of the exponent of N*, and relative of N* at the largest compute."""

    params_exponent: float
    params_at_largest: float
    compute: float
    exact_exponent: float
    exact_params: float
    surface: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this bias."""
        return {**asdict(self), "surface": dict(self.surface)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Bias:
        """The bias that `to_dict` wrote."""
        return cls(**record)


def measure_bias(runs: RunTable, estimate: Callable[[RunTable], Optima]) -> Bias | str:
    """The bias of `estimate` on the grid of `runs`, or the reason why it cannot be measured.

    `estimate` runs the estimator on a table without resamples.
    """
    try:
        surface = fit("chinchilla", runs, draws=0, starts="projected")
    except Refusal as refusal:
        return str(refusal)
    if surface.status is not FitStatus.CONVERGED:
        return f"The Chinchilla surface of these runs is not determined: {surface.status.sentence}"
    data = inputs_of(surface.law, runs)
    columns = {item.column: data[item.name] for item in surface.law.inputs}
    noise_free = runs.with_columns({"loss": predict(surface.law, surface.theta, columns)[0]})
    try:
        found = estimate(noise_free)
    except Refusal as refusal:
        return f"On noise-free data of the fitted surface the method gives no answer: {refusal}"
    exact = exact_sizes(surface.theta, found)
    _, exponent = power_law(found.compute, exact)
    last = int(np.argmax(found.compute))
    return Bias(
        params_exponent=float(found.exponent - exponent[0]),
        params_at_largest=float(found.params[last] / exact[last] - 1.0),
        compute=float(found.compute[last]),
        exact_exponent=float(exponent[0]),
        exact_params=float(exact[last]),
        surface={name: float(value) for name, value in zip(surface.law.parameter_names, surface.theta, strict=True)},
    )


def exact_sizes(theta: Array, found: Optima) -> Array:
    """Sizes (n,) of least E + A/N^α + B/D^β along the lines of equal compute that `found` lies on.

    On such a line D = K·N^-(1+t), and the optimum is N = (α A K^β / ((1+t) β B))^(1/(α + β(1+t))).
    """
    _, a, b, alpha, beta = theta
    slope = 1.0 + found.tilt
    log_k = np.log(found.tokens) + slope * np.log(found.params)
    log_size = np.log(alpha * a / (slope * beta * b)) + beta * log_k
    return np.asarray(np.exp(log_size / (alpha + beta * slope)))
