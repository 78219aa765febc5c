"""When: what a plan will cost in later years, when a sum is enough, and when public text runs out for its frontier.

    cost(t)     = cost · 2^(-(t - t_0)/T)          T years in which a dollar buys twice the FLOP/s
    frontier(t) = C_b · g^(t - t_b)                g growth a year since the largest run of t_b
    runs out    : D*(frontier(t)) = stock          D* compute-optimal data by the law of the plan

Intervals of dates come from draws of growth, stock and law together. A published interval is drawn from as a normal law
of the logarithm with its own width on either side, its level taken as 90 % whatever is stated. [villalobos2022],
[hobbhahn2022], [cottier2024]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.accounting.entries import Schema, entries, tables_of, user_tables
from isoflop.errors import UsageError
from isoflop.fitting.fit import interval
from isoflop.laws.graph import Array
from isoflop.quantities import Estimate

_SCHEMA = Schema("trend", {"value": "number", "low": "number", "high": "number"})
_NORMAL_90 = 1.6448536269514722  # the 95th percentile of the normal law
_DRAWS = 4000
_COMPUTE, _GRID = (1e20, 1e36), 33  # FLOP between which a law's curve is taken, and at how many places
_LAST_YEAR = 2100


@dataclass(frozen=True)
class Trend:
    """A published growth, doubling time or amount, with its interval where there is one."""

    name: str
    title: str
    kind: str
    unit: str
    value: float
    source: str
    date: str
    low: float | None = None
    high: float | None = None
    level: str = ""

    @property
    def year(self) -> float:
        """The date as a year with its fraction."""
        return year_of(self.date)

    def draws(self, generator: np.random.Generator, count: int) -> Array:
        """Values (count,) spread as the interval says, all equal where there is none.

        Example:
            >>> stock = find_trend("text-stock").draws(np.random.default_rng(0), 10_000)
            >>> [f"{value:.0e}" for value in np.quantile(stock, [0.05, 0.5, 0.95])]
            ['1e+14', '3e+14', '1e+15']
        """
        normal = generator.standard_normal(count) / _NORMAL_90
        below = 0.0 if self.low is None else math.log(self.value / self.low)
        above = 0.0 if self.high is None else math.log(self.high / self.value)
        return np.asarray(self.value * np.exp(np.where(normal < 0, below, above) * normal))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        span = {"value": self.value, "low": self.low, "high": self.high}
        return {**span, "unit": self.unit, "title": self.title, "source": self.source, "date": self.date}


@cache
def shipped_trends() -> tuple[Trend, ...]:
    """The trends of `trends.toml`."""
    return entries(tables_of("isoflop.planning", "trends.toml"), _SCHEMA, Trend, "trends.toml")


def read_trends(path: Path) -> tuple[Trend, ...]:
    """The trends of a user's file before the shipped ones, so that they are found first.

    Raises:
        InputError: naming the file, the entry and the key that is wrong.
    """
    return (*entries(user_tables(path), _SCHEMA, Trend, str(path)), *shipped_trends())


def find_trend(name: str, trends: tuple[Trend, ...] | None = None) -> Trend:
    """The trend called `name`.

    Raises:
        UsageError: there is none; the message lists them.

    Example:
        >>> find_trend("price-performance-ml").value
        2.07
    """
    listed = shipped_trends() if trends is None else trends
    for trend in listed:
        if trend.name == name:
            return trend
    raise UsageError(f"trend {name!r} is unknown: there are {', '.join(trend.name for trend in listed)}.")


@dataclass(frozen=True)
class Year:
    """One year ahead: what the plan costs then, the frontier's compute, and the data that would be optimal for it."""

    year: int
    cost_usd: Estimate | None
    frontier_compute: Estimate
    frontier_tokens: Estimate

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "year": self.year,
            "cost_usd": None if self.cost_usd is None else self.cost_usd.to_dict(),
            "frontier_compute": self.frontier_compute.to_dict(),
            "frontier_tokens": self.frontier_tokens.to_dict(),
        }


@dataclass(frozen=True)
class Outlook:
    """A plan set against trends, from `since` on.

    `affordable` is when the plan costs `afford`, by each price trend; `frontier_passes` when the frontier's run takes
    as much compute as the plan; `text_runs_out` when the frontier needs all public text once, `four_epochs` four times.
    """

    since: float
    years: tuple[Year, ...]
    afford: float | None
    affordable: Mapping[str, Estimate]
    frontier_passes: Estimate
    text_runs_out: Estimate
    four_epochs: Estimate
    trends: Mapping[str, Trend]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "since": self.since,
            "years": [year.to_dict() for year in self.years],
            "afford": self.afford,
            "affordable": {name: estimate.to_dict() for name, estimate in self.affordable.items()},
            "frontier_passes": self.frontier_passes.to_dict(),
            "text_runs_out": self.text_runs_out.to_dict(),
            "text_runs_out_with_four_epochs": self.four_epochs.to_dict(),
            "trends": {name: trend.to_dict() for name, trend in self.trends.items()},
        }


PRICES = ("price-performance-ml", "price-performance-all", "price-performance-top", "moore")
"""The price trends, the one that costs are shown by first."""


def outlook(
    *,
    compute: float,
    cost: float | None,
    since: float,
    until: int,
    tokens_at: Callable[[Array], Array],
    afford: float | None = None,
    level: float = 0.9,
    seed: int = 0,
    trends: tuple[Trend, ...] | None = None,
) -> Outlook:
    """A plan of `compute` FLOP that costs `cost` dollars at the time `since`, set against trends up to `until`.

    `tokens_at` gives the optimal data (m, p) of the plan's law at compute (p,), the point estimate first.

    Raises:
        UsageError: `until` is not a year after `since`, or `afford` is not above zero or has no price to fall from.
    """
    if not math.floor(since) < until <= _LAST_YEAR:
        raise UsageError(f"until={until} must be a year after {since:.0f} and at most {_LAST_YEAR}.")
    if afford is not None and cost is None:
        raise UsageError(f"afford={afford:g} has nothing to compare with: no price of the device is known.")
    names = ("text-stock", "frontier-compute", "frontier-growth", *PRICES)
    used = {name: find_trend(name, trends) for name in names}
    generator = np.random.default_rng(seed)
    growth, stock = (_with_value(used[name], generator) for name in ("frontier-growth", "text-stock"))
    largest = _Frontier(used["frontier-compute"].year, used["frontier-compute"].value, growth, level)
    law = _Law(tokens_at, len(growth))
    years = []
    for year in range(math.floor(since) + 1, until + 1):
        then = largest.compute(float(year))
        spans = (_estimate(then, level), _estimate(law.tokens(then), level))
        years.append(Year(year, _cost(used[PRICES[0]], cost, year - since), *spans))
    dates = {} if afford is None or cost is None else {n: _affordable(used[n], cost, afford, since) for n in PRICES}
    return Outlook(
        since=since,
        years=tuple(years),
        afford=afford,
        affordable=dates,
        frontier_passes=largest.when(np.full(1, compute)),
        text_runs_out=largest.when(law.compute(stock)),
        four_epochs=largest.when(law.compute(4.0 * stock)),
        trends=used,
    )


def cost_in(cost: float, years: float, doubling: float) -> float:
    """What costs `cost` now costs after `years`, where a dollar buys twice as much every `doubling` years.

    Example:
        >>> cost_in(100.0, 4.0, 2.0)
        25.0
    """
    return float(cost * 2.0 ** (-years / doubling))


def year_of(text: str) -> float:
    """A date as a year with its fraction.

    Example:
        >>> year_of("2024-07-01")
        2024.5
    """
    day = date.fromisoformat(text)
    return round(day.year + (day.timetuple().tm_yday - 1) / 365.25, 2)


@dataclass(frozen=True)
class _Frontier:
    """The compute of the largest runs over draws of its growth; the first draw is the middle."""

    since: float
    base: float
    growth: Array
    level: float

    def compute(self, year: float) -> Array:
        """Compute (draws,) in a year."""
        return np.asarray(self.base * self.growth ** (year - self.since))

    def when(self, compute: Array) -> Estimate:
        """When it reaches `compute`, (1,) or (draws,)."""
        return _estimate(self.since + np.log(compute / self.base) / np.log(self.growth), self.level)


class _Law:
    """Optimal data over compute by a law, one curve for each draw: the point estimate for the first."""

    def __init__(self, tokens_at: Callable[[Array], Array], draws: int) -> None:
        self._compute = np.log(np.geomspace(*_COMPUTE, _GRID))
        curves = np.log(tokens_at(np.exp(self._compute)))
        rows = np.arange(draws) % max(len(curves) - 1, 1) + (len(curves) > 1)
        rows[0] = 0
        self._tokens = curves[rows]

    def tokens(self, compute: Array) -> Array:
        """Optimal data (draws,) for a compute (draws,)."""
        return np.exp(_interpolate(np.broadcast_to(self._compute, self._tokens.shape), self._tokens, np.log(compute)))

    def compute(self, tokens: Array) -> Array:
        """The compute (draws,) for which tokens (draws,) are optimal."""
        return np.exp(_interpolate(self._tokens, np.broadcast_to(self._compute, self._tokens.shape), np.log(tokens)))


def _interpolate(x: Array, y: Array, places: Array) -> Array:
    """Y (n,) at a place for each row of rising x and y (n, g); straight on beyond their ends."""
    step = np.clip(np.sum(x < places[:, None], axis=1) - 1, 0, x.shape[1] - 2)
    rows = np.arange(len(places))
    share = (places - x[rows, step]) / (x[rows, step + 1] - x[rows, step])
    return np.asarray((1.0 - share) * y[rows, step] + share * y[rows, step + 1])


def _cost(price: Trend, cost: float | None, years: float) -> Estimate | None:
    if cost is None:
        return None
    ends = [cost_in(cost, years, price.value if end is None else end) for end in (price.value, price.low, price.high)]
    return Estimate(ends[0], min(ends), max(ends))


def _affordable(price: Trend, cost: float, afford: float, since: float) -> Estimate:
    """When `cost` has fallen to `afford`; it may have been so before."""
    if not (math.isfinite(afford) and afford > 0):
        raise UsageError(f"afford={afford!r} must be dollars above zero.")
    halvings = math.log2(cost / afford)
    ends = sorted(since + halvings * (price.value if end is None else end) for end in (price.low, price.high))
    known = price.low is not None and price.high is not None
    return Estimate(since + halvings * price.value, *(ends if known else (None, None)))


def _with_value(trend: Trend, generator: np.random.Generator) -> Array:
    """Draws of a trend, the published value first."""
    return np.concatenate([[trend.value], trend.draws(generator, _DRAWS)])


def _estimate(values: Array, level: float) -> Estimate:
    """The first value, with the interval of the rest."""
    finite = values[1:][np.isfinite(values[1:])]
    if len(finite) < 2:
        return Estimate(float(values[0]))
    low, high = interval(finite, level)
    return Estimate(float(values[0]), float(low), float(high))
