"""What gives cause for doubt in a comparison of two recipes: each rule is one function, `findings_of` runs them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from isoflop.findings import Finding, by_weight
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.cluster_errors import cluster_errors
from isoflop.forecasting.advantage import Advantage, factor_text
from isoflop.forecasting.comparability import comparability, cost_finding, meeting_findings
from isoflop.forecasting.joint_fit import Match, fit_jointly
from isoflop.forecasting.joint_law import BEND, MULTIPLIER, SIZE_SHARE, Freedom, can_split
from isoflop.quantities import format_flops, format_number

# Findings of a fit that matter to a multiplier; those about single exponents do not.
_FROM_FIT = ("not-stationary", "few-runs", "unsettled-draws", "one-cluster", "few-clusters", "few-draws")
_SURE = 0.99  # level at which a finer law is said to be needed: one false alarm in a hundred for each of its terms
_SPARE_ROWS = 8  # beyond the base law's parameters, for four further terms to be told apart
_FAR, _TOO_FAR = 1.0, 2.5  # decades past the compute that both recipes have: warn, refuse, as for forecasts


def findings_of(found: Advantage, matched: Match) -> Advantage:
    """The advantage with everything that is worth saying about it."""
    path, names = matched.path, matched.names
    findings = (
        *comparability(matched.ladders, names, matched.settings.same_evaluation),
        *meeting_findings(matched.meeting, names),
        *cost_finding(path.cost[1] / path.cost[0], names),
        *(finding for finding in found.fit.findings if finding.code in _FROM_FIT),
        *_pairing(found, matched),
        *_far(found),
        *_beyond_baseline(found, matched),
        *_floor_matters(found, matched),
        *_finer_law(found, matched),
    )
    return replace(found, findings=by_weight(findings))


def _pairing(found: Advantage, matched: Match) -> Iterator[Finding]:
    if matched.settings.pair == "auto" and not found.twins:
        yield Finding(
            "not-paired",
            "note",
            f"No run of {found.family} has a twin in {found.baseline}: runs of the same sizes and data would tell them "
            "apart more sharply.",
        )


def _far(found: Advantage) -> Iterator[Finding]:
    farthest = max(point.decades_beyond for point in found.points)
    if farthest > _FAR + 1e-9:
        yield Finding(
            "far-extrapolation",
            "refuse" if farthest > _TOO_FAR else "warn",
            f"The farthest compute asked for is {format_number(10.0**farthest, 2)}× the largest at which both "
            f"{found.baseline} and {found.family} have runs: nothing in the data tests the multiplier that far.",
        )


def _beyond_baseline(found: Advantage, matched: Match) -> Iterator[Finding]:
    compute, other = matched.ladders.compute, matched.ladders.other
    wanted = found.at_compute * found.multiplier.value
    if not compute[~other].min() / 2.0 <= wanted <= 2.0 * compute[~other].max():
        yield Finding(
            "beyond-baseline",
            "warn",
            f"To match {found.family} there, {found.baseline} would need {format_flops(wanted)}, outside its own runs: "
            "the multiplier rests on the curve of the law.",
        )


def _floor_matters(found: Advantage, matched: Match) -> Iterator[Finding]:
    other, low, high = found.other_floor, found.multiplier.low, found.multiplier.high
    if other is None or low is None or high is None or low <= other <= high:
        return
    assumed = "a floor of its own for each" if matched.settings.floor == "shared" else "one floor for both"
    yield Finding(
        "floor-matters",
        "warn",
        f"With {assumed}, the multiplier of {found.family} is {factor_text(other)}, outside its interval: it depends "
        "on an assumption that these runs do not settle.",
    )


def _finer_law(found: Advantage, matched: Match) -> Iterator[Finding]:
    """Whether one multiplier and one trend are too simple: a finer law is fitted, and its further terms tested."""
    trend, split = matched.meeting.tells_trend, can_split(matched.ladders.law)
    if not (trend or split) or len(matched.rows.table) < len(matched.starts) + _SPARE_ROWS:
        return
    finer = fit_jointly(matched, Freedom(trend=trend, bend=trend, split=split), 0).fit
    if finer.status is FitStatus.NOT_STATIONARY:
        return
    value = dict(zip(finer.law.parameter_names, finer.theta.tolist(), strict=True))
    errors = dict(zip(value, cluster_errors(finer, np.eye(len(value))), strict=True))
    if split and abs(value[SIZE_SHARE]) > errors[SIZE_SHARE].half_width(_SURE):
        half = 0.5 * value[MULTIPLIER]
        size, data = (factor_text(float(np.exp(half + sign * value[SIZE_SHARE]))) for sign in (1.0, -1.0))
        yield Finding(
            "unequal-shares",
            "warn",
            f"{found.family} does not serve size and data alike: its runs do as if they had {size} the parameters and "
            f"{data} the tokens. The multiplier averages over how these runs spend their compute: with --where, keep "
            "those near the tokens per parameter that you will train at.",
        )
    if trend and abs(value[BEND]) > errors[BEND].half_width(_SURE):
        way = "falls" if value[BEND] < 0.0 else "rises"
        yield Finding(
            "bent-trend",
            "warn",
            f"The trend of {found.family} is not steady: it {way} with compute, so the one that is told is an average, "
            "and no guide beyond these runs.",
        )
