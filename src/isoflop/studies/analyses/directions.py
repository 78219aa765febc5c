"""Whether our numbers go the way that was published, in one short sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.quantities import Estimate
from isoflop.studies.analyses.analysis import Measured

Number = Estimate | float | None


@dataclass(frozen=True)
class Direction:
    """One published direction: whether ours has it (None where that is open), and what ours does `otherwise`.

    It is not `sure` where the intervals allow either.
    """

    holds: bool | None
    otherwise: str
    sure: bool = True


def against_published(claim: str, *directions: Direction) -> str:
    """Whether ours goes as was published, which `claim` says in a clause; it does if each of `directions` holds.

    Example:
        >>> against_published("b is above a", above(2.0, 1.0, "b is not above a"))
        'As published: b is above a.'
        >>> against_published("b is above a", above(1.0, 2.0, "b is not above a"))
        'Not as published: b is not above a.'
    """
    contrary = [item for item in directions if item.holds is False]
    if contrary:
        unsure = "" if all(item.sure for item in contrary) else ", though the intervals allow it"
        return f"Not as published: {'; '.join(item.otherwise for item in contrary)}{unsure}."
    known = [item for item in directions if item.holds]
    if not known:
        return f"Published: {claim}; whether ours does is open, since a number that tells is missing or refused."
    so_far = " as far as it can be told" if len(known) < len(directions) else ""
    unsure = "" if all(item.sure for item in known) else ", though the intervals allow the opposite"
    return f"As published{so_far}: {claim}{unsure}."


def where(holds: bool, otherwise: str, *values: float) -> Direction:
    """A direction that is decided by `values`: open where one of them is no number."""
    return Direction(holds if all(math.isfinite(value) for value in values) else None, otherwise)


def above(high: Number, low: Number, otherwise: str) -> Direction:
    """That one number lies above another, surely so where their intervals do not meet; None leaves it open."""
    if high is None or low is None:
        return Direction(None, otherwise)
    upper, lower = (item if isinstance(item, Estimate) else Estimate(item) for item in (high, low))
    if not (math.isfinite(upper.value) and math.isfinite(lower.value)):
        return Direction(None, otherwise)
    apart = _least(upper) > _most(lower) or _least(lower) > _most(upper)
    return Direction(upper.value > lower.value, otherwise, apart)


def trusted(item: Measured, *rests_on: Fit | FrontierFit | str) -> Estimate | None:
    """Our number, None where a fit that it rests on is missing or refused."""
    return None if any(isinstance(found, str) or found.refused for found in rests_on) else item.ours


def _least(item: Estimate) -> float:
    return item.value if item.low is item.high is None else -math.inf if item.low is None else item.low


def _most(item: Estimate) -> float:
    return item.value if item.low is item.high is None else math.inf if item.high is None else item.high
