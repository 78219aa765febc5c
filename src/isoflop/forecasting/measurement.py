"""The advantage of one recipe over another, read off the joint fit of their ladders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isoflop.forecasting.advantage import Advantage, At
from isoflop.forecasting.advantage_findings import findings_of
from isoflop.forecasting.comparability import Meeting
from isoflop.forecasting.joint_fit import Match, Settings, fit_jointly, match
from isoflop.forecasting.joint_law import Floor, Freedom, floor_of
from isoflop.forecasting.multiplier import Meter
from isoflop.forecasting.twins import Ladders
from isoflop.laws.graph import Array

_BEYOND = 10.0  # how far past the compute that both recipes have runs at the multiplier is told by default


def measure(ladders: Ladders, names: tuple[str, str], settings: Settings) -> Advantage:
    """Fit the ladders of a baseline and another recipe jointly, and read off what the second is worth.

    Raises:
        Refusal: too few runs for the parameters of the joint law.
    """
    matched = match(ladders, names, settings)
    meeting, level = matched.meeting, settings.level
    meter = fit_jointly(matched, _freedom(meeting, settings.floor), settings.draws)
    multiplier = meter.estimate(lambda theta: meter.log_multiplier(theta, meeting.middle), level)
    trend = None
    if meeting.tells_trend:
        trend = meter.estimate(lambda theta: meter.slope(theta, meeting.low, meeting.high), level)
    found = Advantage(
        family=names[1],
        baseline=names[0],
        runs=int(ladders.other.sum()),
        baseline_runs=int((~ladders.other).sum()),
        twins=matched.rows.twins,
        meeting=meeting,
        at_compute=meeting.middle,
        multiplier=multiplier,
        trend_per_decade=trend,
        points=tuple(_at(meter, compute, meeting, level) for compute in _computes(meeting, settings)),
        other_floor=_other_floor(matched),
        fit=meter.fit,
    )
    return findings_of(found, matched)


def _freedom(meeting: Meeting, floor: Floor) -> Freedom:
    # With floors of their own the multiplier changes with compute by itself.
    return Freedom(trend=meeting.tells_trend and floor == "shared", floor=floor)


def _other_floor(matched: Match) -> float | None:
    """The multiplier if the floors are their own (or shared, if they were own); None for a law without a floor."""
    if floor_of(matched.ladders.law) is None:
        return None
    other: Floor = "own" if matched.settings.floor == "shared" else "shared"
    meter = fit_jointly(matched, _freedom(matched.meeting, other), 0)
    return float(np.exp(meter.log_multiplier(meter.fit.theta[None], matched.meeting.middle)[0]))


def _computes(meeting: Meeting, settings: Settings) -> Sequence[float]:
    """Where both recipes are told: as asked, else at the ends and the middle of what they share, and ten times past."""
    if settings.compute:
        return settings.compute
    if meeting.decades <= 0.0:
        return (meeting.middle,)
    return (meeting.low, meeting.middle, meeting.high, _BEYOND * meeting.high)


def _at(meter: Meter, compute: float, meeting: Meeting, level: float) -> At:
    place = np.array([compute])

    def gap(theta: Array) -> Array:
        baseline, family = (np.exp(meter.log_loss(theta, place, side))[:, 0] for side in (0, 1))
        return np.asarray(family - baseline)

    theta = meter.fit.theta[None]
    baseline, family = (float(np.exp(meter.log_loss(theta, place, side))[0, 0]) for side in (0, 1))
    return At(
        compute=compute,
        multiplier=meter.estimate(lambda draws: meter.log_multiplier(draws, compute), level),
        baseline_loss=baseline,
        loss=family,
        gap=meter.estimate(gap, level, shown=np.asarray),
        decades_beyond=float(np.log10(compute / meeting.high)),
    )
