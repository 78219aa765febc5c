"""Ladders of runs: the candidates that practical limits allow, and the two usual ladders that a design is set beside.

isoFLOP grid         slices of equal compute a factor apart, sizes around the best of each   [hoffmann2022]
fixed-ratio ladder   sizes a factor apart, all with the same tokens for each parameter
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import UsageError
from isoflop.laws.graph import Array
from isoflop.planning.allocation import Terms, for_spend
from isoflop.planning.information import Scenarios
from isoflop.planning.landscape import LawLandscape

CHINCHILLA_RATIO = 20.0
_LEAST = 1e6  # FLOP: some 400 parameters on as many tokens
_SIZES_OF_A_DECADE, _RATIOS_OF_A_DECADE = 10, 8
_SPREAD = 4.0  # an isoFLOP slice reaches from a quarter to four times its best size
_STEPS = (2.0, 3.0, 4.0, 6.0)


@dataclass(frozen=True)
class Limits:
    """What a run may be: compute, size, tokens for each parameter, and tokens in whole steps of `batch_tokens`.

    `runs` counts every seed, `seeds` those of one configuration.
    """

    runs: int
    seeds: int
    smallest: float
    largest: float
    ratio: tuple[float, float]
    params: tuple[float, float] = (0.0, math.inf)
    batch_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.runs < 1 or self.seeds < 1:
            raise UsageError(f"runs={self.runs} and seeds={self.seeds} must be at least 1.")
        for name, (low, high) in {"ratio": self.ratio, "params": self.params}.items():
            if not (0.0 <= low < high):
                raise UsageError(f"{name}: {low:g} to {high:g} must rise from above zero.")
        if not _LEAST <= self.smallest < self.largest:
            raise UsageError(
                f"smallest={self.smallest:g} FLOP must be at least {_LEAST:g} and below largest={self.largest:g} FLOP."
            )

    def whole(self, tokens: Array) -> Array:
        """Tokens in whole steps, at least one."""
        if self.batch_tokens is None:
            return tokens
        return np.maximum(np.round(tokens / self.batch_tokens), 1.0) * self.batch_tokens

    def allow(self, runs: Runs) -> Array:
        """Which runs are within the limits."""
        ratio = runs.tokens / runs.params
        slack = 1.0 + 1e-9
        return np.asarray(
            (runs.cost <= self.largest * slack)
            & (runs.cost * slack >= self.smallest)
            & (ratio <= self.ratio[1] * slack)
            & (ratio * slack >= self.ratio[0])
            & (runs.params >= self.params[0])
            & (runs.params <= self.params[1])
        )


@dataclass(frozen=True)
class Runs:
    """Sizes and data of runs, both (n,)."""

    params: Array
    tokens: Array

    @property
    def cost(self) -> Array:
        """Training FLOP (n,)."""
        return np.asarray(FLOP_PER_PARAMETER_AND_TOKEN * self.params * self.tokens)

    def where(self, chosen: Array) -> Runs:
        """The runs that are chosen."""
        return Runs(self.params[chosen], self.tokens[chosen])


def candidates(limits: Limits) -> Runs:
    """Runs on a grid of sizes and tokens for each parameter, as far as the limits allow.

    Sizes are ten to the decade and ratios eight, from the same places whatever the limits, so that wider limits offer
    every run of narrower ones. Neighbours are a quarter apart: several of them are not seeds of one run in disguise.

    Raises:
        UsageError: the limits allow none.
    """
    low, high = limits.ratio
    sizes = _series(
        max(math.sqrt(limits.smallest / FLOP_PER_PARAMETER_AND_TOKEN / high), limits.params[0]),
        min(math.sqrt(limits.largest / FLOP_PER_PARAMETER_AND_TOKEN / low), limits.params[1]),
        _SIZES_OF_A_DECADE,
    )
    ratios = _series(low, high, _RATIOS_OF_A_DECADE)
    params = np.repeat(sizes, len(ratios))
    runs = Runs(params, limits.whole(params * np.tile(ratios, len(sizes))))
    allowed = runs.where(limits.allow(runs))
    pairs = np.unique(np.stack([allowed.params, allowed.tokens]), axis=1)
    if not pairs.shape[1]:
        raise UsageError(
            f"smallest, largest, params and ratio allow no run: from {limits.smallest:.3g} to {limits.largest:.3g} "
            f"FLOP at {low:g} to {high:g} tokens for each parameter."
        )
    return Runs(pairs[0], pairs[1])


def _series(low: float, high: float, of_a_decade: int) -> Array:
    """Powers of ten between two ends, so many of a decade."""
    first = math.ceil(of_a_decade * math.log10(max(low, 1e-6)) - 1e-9)
    last = math.floor(of_a_decade * math.log10(max(high, 1e-6)) + 1e-9)
    return np.asarray(10.0 ** (np.arange(first, last + 1) / of_a_decade))


def isoflop_grids(scenarios: Scenarios, limits: Limits, budget: float) -> list[Runs]:
    """IsoFLOP grids that cost the budget, with as many runs as allowed and slices a factor of 2, 3, 4 or 6 apart."""
    grids = []
    for slices in range(3, max(limits.runs // 3, 3) + 1):
        sizes = limits.runs // slices
        if sizes < 3:
            continue
        for step in _STEPS:
            top = budget / sizes / sum(step**-index for index in range(slices))
            compute = top * step ** -np.arange(slices, dtype=float)
            if compute[-1] * (1.0 + 1e-9) >= limits.smallest and top <= limits.largest:
                grids.append(_grid(scenarios, compute, sizes))
    return grids


def isoflop_grid(scenarios: Scenarios, budget: float, slices: int, sizes: int, step: float) -> Runs:
    """The isoFLOP grid of so many slices and sizes that costs the budget."""
    top = budget / sizes / sum(step**-index for index in range(slices))
    return _grid(scenarios, top * step ** -np.arange(slices, dtype=float), sizes)


def _grid(scenarios: Scenarios, compute: Array, sizes: int) -> Runs:
    land = LawLandscape(scenarios.law, scenarios.theta[:1])
    best = for_spend(land, Terms(), compute).params[0]
    params = (best[:, None] * np.geomspace(1.0 / _SPREAD, _SPREAD, sizes)).ravel()
    return Runs(params, np.repeat(compute, sizes) / FLOP_PER_PARAMETER_AND_TOKEN / params)


def fixed_ratio_ladder(limits: Limits, budget: float) -> Runs:
    """As many runs as allowed, evenly spaced in logarithms of compute, all with 20 tokens for each parameter."""
    span = np.geomspace(limits.smallest / limits.largest, 1.0, limits.runs)
    compute = budget * span / span.sum()
    params = np.sqrt(compute / FLOP_PER_PARAMETER_AND_TOKEN / CHINCHILLA_RATIO)
    return Runs(params, CHINCHILLA_RATIO * params)
