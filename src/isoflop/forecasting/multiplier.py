"""The compute multiplier read off a joint fit: k(C) with L_A(k·C) = L_B(C), for the optimum and for every draw.

Compute is spent as the ladders spend it: N and D at the usual ratio of their runs. With a shared floor k does not
depend on that, k(C) = (C/C₀)^τ·exp κ; with floors of their own, k is found by inverting the baseline's law.

Percentiles of the draws are widened where they claim more than the standard error from the few groups there are,
with Student's t (see `isoflop.fitting.cluster_errors`): bootstraps of ladders of a dozen runs are too sure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from isoflop.fitting.cluster_errors import cluster_errors
from isoflop.fitting.fit import Fit, interval, predict
from isoflop.forecasting.joint_law import DECADES, MULTIPLIER, SHARE_A, SHARE_B, TREND, Freedom, scale_of
from isoflop.forecasting.twins import Ladders
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.quantities import Estimate

_FARTHEST = float(np.log(1e4))  # a multiplier beyond ten thousand, either way, is none
_STEPS = 801  # of log k when the law of the baseline is inverted: 0.023 apart, refined linearly
_NUDGE = 1e-4

Quantity = Callable[[Array], Array]
"""A number for every parameter vector: θ (m, k) → (m,)."""


@dataclass(frozen=True)
class Path:
    """How compute is spent: `ratio` is D/N, `cost` what a run of either recipe takes over what the law counts.

    `others` are the middle values of the law's further inputs, by column.
    """

    law: Law
    ratio: float
    cost: tuple[float, float]
    others: Mapping[str, float] = field(default_factory=dict)

    def columns(self, compute: Array, side: int) -> dict[str, Array]:
        """The inputs of the law (n,), by column, of a run of recipe 0 or 1 at each compute."""
        scale = np.asarray(compute, dtype=float) / self.cost[side]
        size = np.sqrt(scale / (6.0 * self.ratio))
        letters = {item.name for item in self.law.inputs} & {"N", "D", "C"}
        both = {"N": size, "D": size * self.ratio, "C": scale}
        values = {letter: both[letter] if len(letters) > 1 else scale for letter in letters}
        return {
            item.column: values[item.name] if item.name in values else np.full(len(scale), self.others[item.column])
            for item in self.law.inputs
        }


def path_of(ladders: Ladders) -> Path:
    """The usual ratio of data to size of these runs, and what either recipe's runs cost beside each other."""
    data, law = ladders.data(), ladders.law
    scale = scale_of(law, data)
    ratio = 1.0
    if "N" in data and ("D" in data or "C" in data):
        tokens = data["D"] if "D" in data else data["C"] / (6.0 * data["N"])
        ratio = _geometric_mean(tokens / data["N"])
    baseline, family = (_geometric_mean((ladders.compute / scale)[side]) for side in (~ladders.other, ladders.other))
    others = {item.column: float(np.median(data[item.name])) for item in law.inputs if item.name not in "NDC"}
    return Path(law, ratio, (baseline, family), others)


@dataclass(frozen=True)
class Meter:
    """Reads losses and multipliers off a joint fit of the freedom it was given, told at compute `reference`."""

    fit: Fit
    path: Path
    freedom: Freedom
    reference: float

    def log_loss(self, theta: Array, compute: Array, side: int) -> Array:
        """Log-loss (m, n) of a run of the baseline (side 0) or of the other recipe (1) at each compute."""
        columns = self.path.columns(compute, side)
        shares = {SHARE_A: np.full(len(compute), 1.0 - side), SHARE_B: np.full(len(compute), float(side))}
        decades = {DECADES: np.log10(compute / self.reference)}
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.log(predict(self.fit.law, theta, {**columns, **shares, **decades})))

    def log_multiplier(self, theta: Array, compute: float) -> Array:
        """Log k (m,) at one compute, within ±log 10,000."""
        if self.freedom.floor == "own":
            return self._inverted(theta, compute)
        names = self.fit.law.parameter_names
        value = theta[:, names.index(MULTIPLIER)]
        if self.freedom.trend:
            value = value + theta[:, names.index(TREND)] * np.log10(compute / self.reference)
        baseline, family = self.path.cost
        return np.asarray(np.clip(value + np.log(baseline / family), -_FARTHEST, _FARTHEST))

    def slope(self, theta: Array, low: float, high: float) -> Array:
        """The change of log k (m,) per decade of compute between two computes."""
        decades = float(np.log10(high / low))
        return np.asarray((self.log_multiplier(theta, high) - self.log_multiplier(theta, low)) / decades)

    def _inverted(self, theta: Array, compute: float) -> Array:
        """Log k at which the baseline, given k times the compute, first reaches the other recipe's loss."""
        steps = np.linspace(-_FARTHEST, _FARTHEST, _STEPS)
        wanted = self.log_loss(theta, np.array([compute]), 1)
        # The baseline's decades stand for nothing: its side of the law does not contain them.
        gap = self.log_loss(theta, compute * np.exp(steps), 0) - wanted
        reached = gap <= 0.0
        after = np.argmax(reached, axis=1)
        lanes, before = np.arange(len(theta)), np.maximum(after - 1, 0)
        above, below = gap[lanes, before], gap[lanes, after]
        share = np.where(above > below, above / np.where(above > below, above - below, 1.0), 0.0)
        found = steps[before] + share * (steps[after] - steps[before])
        found = np.where(after == 0, -_FARTHEST, found)
        return np.where(reached.any(axis=1), found, _FARTHEST)

    def estimate(self, quantity: Quantity, level: float, shown: Callable[[Array], Array] = np.exp) -> Estimate:
        """A quantity with its interval, `shown` as the exponential of it unless something else is asked for."""
        values = quantity(np.concatenate([self.fit.theta[None], self.fit.ensemble.draws]))
        if len(values) < 3:
            return Estimate(float(shown(values[:1])[0]))
        low, high = self._bounds(quantity, values, level)
        edges = shown(np.array([values[0], low, high]))
        open_low, open_high = low <= -_FARTHEST, high >= _FARTHEST
        return Estimate(float(edges[0]), None if open_low else float(edges[1]), None if open_high else float(edges[2]))

    def _bounds(self, quantity: Quantity, values: Array, level: float) -> tuple[float, float]:
        """Percentiles of the draws, no narrower than Student's t from the groups there are."""
        below, above = interval(values[1:], level)
        low, high = min(float(below), float(values[0])), max(float(above), float(values[0]))
        (error,) = cluster_errors(self.fit, self._gradient(quantity)[None])
        claimed, needed = 0.5 * (high - low), error.half_width(level)
        if not claimed > 0.0:
            return float(values[0]) - needed, float(values[0]) + needed
        factor = max(1.0, needed / claimed)
        return float(values[0]) - factor * (values[0] - low), float(values[0]) + factor * (high - values[0])

    def _gradient(self, quantity: Quantity) -> Array:
        """∂quantity/∂θ (k,) at the optimum, by central differences."""
        theta = self.fit.theta
        steps = np.diag(_NUDGE * np.where(theta == 0.0, 1.0, np.abs(theta)))
        rise = quantity(theta + steps) - quantity(theta - steps)
        return np.asarray(rise / (2.0 * np.diagonal(steps)))


def _geometric_mean(values: Array) -> float:
    return float(np.exp(np.mean(np.log(values))))
