"""Which run first, and which at all: the order that tells most for its cost, and what a limit on cost still allows.

Without a limit every run is trained, and the longest first, so that the last to end is a short one. Under a limit each
next run is the one that takes most off the variance of the forecast, for its cost:

    gain(r) = ln cᵀM⁻¹c - ln cᵀ(M + gᵣgᵣᵀ/σ²)⁻¹c        the run with the largest gain(r) / cost(r) is next

with the information M of the runs chosen before, gradients g of the chinchilla law at published constants, and c its
gradient at the largest held-out run, or else at one of ten times the compute of the ladder. [pronzato2013]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from isoflop.accounting.parameters import count_parameters
from isoflop.errors import Refusal, UsageError
from isoflop.fitting.published_fit import fit_from
from isoflop.laws.graph import Array
from isoflop.planning.designing import scenarios_of
from isoflop.planning.information import information
from isoflop.quantities import Kind, format_duration, format_flops, format_number, parse_quantity
from isoflop.runs.directory import BriefResult
from isoflop.studies.cost import seconds_on_one_core, speed_ratio
from isoflop.studies.site import Order, Spending
from isoflop.studies.study import PlannedRun

Unit = Literal["FLOP", "seconds", "dollars"]
_NOISE = 0.005
_CONSTANTS = "besiroglu2024"


class OutOfBudget(Refusal):
    """What is left of a study costs more than its limit allows; what is trained is kept."""


@dataclass(frozen=True)
class Limit:
    """The most a study may cost: training FLOP, seconds summed over slots, or dollars at a price per hour of a slot."""

    value: float
    unit: Unit
    dollars_per_hour: float | None = None

    def __str__(self) -> str:
        """As people write it."""
        return describe(self.value, self.unit)


def describe(value: float, unit: Unit) -> str:
    """A cost as people write it."""
    match unit:
        case "FLOP":
            return format_flops(value)
        case "seconds":
            return format_duration(value)
    return f"${format_number(value, 3)}"


def limit_of(spending: Spending) -> Limit | None:
    """The limit of a study, read as people write it: `$20`, `3 hours` of slots, or `1e18 FLOP`.

    Raises:
        UsageError: it is none of these, or dollars without a price per hour.

    Example:
        >>> limit_of(Spending(limit="90 min"))
        Limit(value=5400.0, unit='seconds', dollars_per_hour=None)
    """
    text = spending.limit
    if text is None:
        return None
    if "$" in text or text.strip().lower().endswith(("usd", "dollars")):
        if spending.dollars_per_hour is None:
            raise UsageError(f"max-cost={text!r} needs a price: give [cost] price_per_hour, dollars for one slot.")
        return Limit(parse_quantity(text, "dollars", "max-cost"), "dollars", spending.dollars_per_hour)
    readings: tuple[tuple[Kind, Unit], ...] = (("duration", "seconds"), ("compute", "FLOP"))
    for kind, unit in readings:
        try:
            return Limit(parse_quantity(text, kind, "max-cost"), unit)
        except UsageError:
            continue
    raise UsageError(f"max-cost={text!r} is not a cost: write $20, 3 hours (summed over slots) or 1e18 FLOP.")


def in_order(planned: Sequence[PlannedRun], order: Order, target: PlannedRun | None) -> tuple[PlannedRun, ...]:
    """The runs in the order they should start."""
    if order == "longest-first":
        return tuple(sorted(planned, key=lambda run: -seconds_on_one_core(run.spec)))
    return _information_first(planned, target)


def order_of(spending: Spending) -> Order:
    """The order a study asks for: the longest first, unless a limit may end it early."""
    return spending.order or ("longest-first" if spending.limit is None else "information-first")


@dataclass(frozen=True)
class Account:
    """What a study has cost so far, and what each of its runs would cost, in the unit of a limit."""

    limit: Limit
    spent: float
    expected: Mapping[str, float]

    def affordable(self, ordered: Sequence[PlannedRun]) -> tuple[PlannedRun, ...]:
        """The runs, in this order, that fit into what is left; one that does not ends the list."""
        left = self.limit.value - self.spent
        chosen = []
        for run in ordered:
            left -= self.expected[run.spec.identifier]
            if left < 0:
                break
            chosen.append(run)
        return tuple(chosen)

    def refusal(self, open_runs: Sequence[PlannedRun]) -> OutOfBudget:
        """Why the study stops here."""
        unit = self.limit.unit
        needed = sum(self.expected[run.spec.identifier] for run in open_runs)
        return OutOfBudget(
            f"stopped at max-cost={self.limit}: {describe(self.spent, unit)} are spent and the {len(open_runs)} runs "
            f"left would cost about {describe(needed, unit)}; raise it to go on, or fit what is there."
        )


def account_of(limit: Limit, planned: Sequence[PlannedRun], results: Mapping[str, BriefResult]) -> Account:
    """The account of a study: its finished runs by what they took, the others by the estimate they have corrected."""
    estimated = {run.spec.identifier: seconds_on_one_core(run.spec) for run in planned}
    done = {name: result for name, result in results.items() if name in estimated}
    ratio = speed_ratio((result.seconds, estimated[name]) for name, result in done.items() if result.seconds > 0)
    expected: dict[str, float] = {}
    spent = 0.0
    for run in planned:
        name = run.spec.identifier
        if name not in done:
            expected[name] = _in_unit(limit, ratio * estimated[name], run.compute)
        else:
            seconds = done[name].seconds or ratio * estimated[name]
            spent += _in_unit(limit, seconds, run.compute)
    return Account(limit, spent, expected)


def _in_unit(limit: Limit, seconds: float, compute: float) -> float:
    match limit.unit:
        case "FLOP":
            return compute
        case "seconds":
            return seconds
    assert limit.dollars_per_hour is not None
    return seconds / 3600 * limit.dollars_per_hour


def _information_first(planned: Sequence[PlannedRun], target: PlannedRun | None) -> tuple[PlannedRun, ...]:
    if not planned:
        return ()
    scenarios = scenarios_of(fit_from(f"published:{_CONSTANTS}"))
    params = np.array([float(count_parameters(run.spec.shape).total) for run in planned])
    tokens = np.array([float(run.spec.tokens) for run in planned])
    cost = np.array([seconds_on_one_core(run.spec) for run in planned])
    goal = _target(planned, target)
    gradients = scenarios.gradients(params, tokens)
    aim = scenarios.gradients(np.array([goal[0]]), np.array([goal[1]]))[:, 0]
    inverse: Array = np.asarray(np.linalg.inv(information(gradients[:, :0], _NOISE)), dtype=np.float64)
    # Of very many runs several are taken at a time: their order among themselves hardly matters.
    step = max(1, len(planned) // 200)
    left = list(range(len(planned)))
    order: list[int] = []
    while left:
        gains = _gains(inverse, gradients[:, left], aim)
        best = np.argsort(-gains / cost[left], kind="stable")[:step]
        for place in best:
            inverse = _with_run(inverse, gradients[:, left[place]])
            order.append(left[place])
        taken = set(order[-len(best) :])
        left = [index for index in left if index not in taken]
    return tuple(planned[index] for index in order)


def _target(planned: Sequence[PlannedRun], target: PlannedRun | None) -> tuple[float, float]:
    """Params and tokens that the forecast is about: those of `target`, or √10 times those of the largest run each."""
    chosen = target or max(planned, key=lambda run: run.compute)
    factor = 1.0 if target is not None else math.sqrt(10.0)
    return factor * count_parameters(chosen.spec.shape).total, factor * chosen.spec.tokens


def _gains(inverse: Array, gradients: Array, aim: Array) -> Array:
    """The fall (n,) of the log-variance of the forecast by each run alone, in the mean over scenarios."""
    toward = np.einsum("sk,skl->sl", aim, inverse)
    variance = np.einsum("sk,sk->s", toward, aim)
    shared = np.einsum("sl,snl->sn", toward, gradients) ** 2
    own = np.einsum("snk,skl,snl->sn", gradients, inverse, gradients)
    share = np.clip(shared / (_NOISE**2 + own) / variance[:, None], 0.0, 1.0 - 1e-12)
    return np.asarray(-np.log1p(-share).mean(axis=0))


def _with_run(inverse: Array, gradient: Array) -> Array:
    """M⁻¹ (s, k, k) after one more run with gradients (s, k)."""
    moved = np.einsum("skl,sl->sk", inverse, gradient)
    scale = _NOISE**2 + np.einsum("sk,sk->s", gradient, moved)
    return np.asarray(inverse - moved[:, :, None] * moved[:, None, :] / scale[:, None, None])
