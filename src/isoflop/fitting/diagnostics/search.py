"""Rows that do not belong to the curve through the others, found although they may have ruined the fit.

1. If the fit may be ruined (no certified optimum, wide scatter, a row far from all others), the law is also fitted
   without each of some groups of rows: a single bad row is in one of them, and the fit without it is sound.
2. From the soundest of these fits, rows within five robust deviations are fitted by least squares. Row by row the test
   t_i is applied to those inside and outside, at a probability of 0.1 % for the whole table, until nothing changes.

So several bad rows cannot hide one another, and clean studies lose a row once in a thousand times.
Reference: rousseeuw1987
"""

from __future__ import annotations

import numpy as np

from isoflop.fitting.binding import bind
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.diagnostics.tails import fisher_tail, student_tail
from isoflop.fitting.solver import Effort, Rows, solve
from isoflop.fitting.starts import projected_starts
from isoflop.laws.graph import Array, Mask

FALSE_ALARM = 1e-3
"""Probability that a table of good rows loses one."""

_ROBUST = 1.4826  # standard deviation of a normal over its median absolute value
_BAND = 5.0  # robust deviations within which rows are taken for good at first
_LEAST_SHARE = 0.6  # of the rows must remain: fewer would be another fit, not this one without bad rows
_WIDE = 0.03  # scatter of log-loss that a ladder does not have unless something is wrong
_APART = np.log(20.0)  # of an input from all others
_GROUPS, _STARTS = 8, 6
_ROUGHLY = Effort(gauss_newton_steps=60, gauss_newton_tolerance=1e-4, newton_steps=5, patience=0)
_MOST_ROUNDS = 12


def sound_rows(evidence: Evidence) -> LeastSquares | None:
    """Least squares on the rows that agree; None where there are too few rows, or no proper optimum."""
    fit = evidence.fit
    if len(fit.runs) < len(fit.theta) + 3 or fit.objective.tilt != 0.5:
        return None
    begins = [*_without_groups(evidence), fit.theta] if _may_be_ruined(evidence) else [fit.theta]
    begins.sort(key=lambda theta: robust_deviation(_residuals(evidence, theta), len(theta)))
    return next((found for begin in begins[:3] if (found := _settle(evidence, begin)) is not None), None)


def _residuals(evidence: Evidence, theta: Array) -> Array:
    problem = evidence.problem
    with np.errstate(all="ignore"):
        residuals = problem.target - problem.surface.predict(problem.surface.to_internal(theta[None]))[0]
    return np.asarray(np.nan_to_num(residuals, nan=1e300, posinf=1e300, neginf=-1e300))


def _may_be_ruined(evidence: Evidence) -> bool:
    fit = evidence.fit
    if fit.status is not FitStatus.CONVERGED:
        return True
    if evidence.on_log and robust_deviation(_residuals(evidence, fit.theta), len(fit.theta)) > _WIDE:
        return True
    return any(_gap(values) > _APART for values in evidence.log_inputs.values())


def _without_groups(evidence: Evidence) -> list[Array]:
    """θ of fits that each leave out one of some groups of rows, brought near their optima."""
    fit = evidence.fit
    problem = bind(fit.law, fit.runs, fit.objective, fit.weights)
    starts = projected_starts(fit.law, evidence.data, problem.target, fit.objective, _STARTS)
    groups = min(len(fit.runs), _GROUPS)
    number = np.arange(len(fit.runs)) % groups
    kept = (number[None, :] != np.arange(groups)[:, None]).astype(float)
    solved = solve(problem, np.tile(starts, (groups, 1)), Rows(weights=np.repeat(kept, len(starts), axis=0)), _ROUGHLY)
    best = np.argmin(solved.value.reshape(groups, -1), axis=1) + len(starts) * np.arange(groups)
    theta = problem.surface.to_user(solved.phi)[best]
    return [values for values in theta if np.all(np.isfinite(values))]


def _settle(evidence: Evidence, theta: Array) -> LeastSquares | None:
    """The fit by least squares to rows that agree, near θ (k,)."""
    residuals = _residuals(evidence, theta)
    used = np.abs(residuals) <= _BAND * robust_deviation(residuals, len(theta))
    least = max(len(theta) + 3, int(np.ceil(_LEAST_SHARE * len(used))))
    if used.sum() < least:
        used = np.abs(residuals) <= np.sort(np.abs(residuals))[least - 1]
    before: LeastSquares | None = None
    for _ in range(_MOST_ROUNDS):
        found = evidence.refit(theta, used)
        if found is None:
            return None
        agree = agreeing(found)
        if bool(np.all(agree == used)):
            return found
        if before is not None and bool(np.all(agree == before.used)):
            return _arbitrate(before, found)
        if agree.sum() < least:
            return None
        theta, used, before = found.theta, agree, found
    return None


def _arbitrate(one: LeastSquares, other: LeastSquares) -> LeastSquares:
    """Of two fits that each call for the rows of the other, the one with fewer rows if its squares are so much less.

    Far beyond the other rows, where the curve without a row has no definite place, t_i is not what adding it does.
    """
    fewer, more = sorted((one, other), key=lambda found: int(found.used.sum()))
    rows = int(more.used.sum() - fewer.used.sum())
    if rows < 1 or fewer.freedom < 1 or fewer.deviation <= 0.0:
        return more
    ratio = (more.squares - fewer.squares) / rows / fewer.deviation**2
    return fewer if fisher_tail(ratio, rows, fewer.freedom) * len(fewer.used) <= FALSE_ALARM else more


def agreeing(found: LeastSquares) -> Mask:
    """Which rows (n,) agree with the curve through those used; only the largest departures need a probability."""
    rows = len(found.used)
    size = np.abs(found.deleted)
    agree = np.ones(rows, dtype=bool)
    for place in np.argsort(-size).tolist():
        freedom = found.freedom - 1 if found.used[place] else found.freedom
        if student_tail(float(size[place]), max(freedom, 1)) * rows > FALSE_ALARM:
            break
        agree[place] = False
    return agree


def robust_deviation(residuals: Array, parameters: int) -> float:
    """Standard deviation of the errors, from the median size of residuals without the k that fitting made smallest."""
    sizes = np.sort(np.abs(residuals))
    return max(_ROBUST * float(np.median(sizes[min(parameters, len(sizes) - 1) :])), 1e-12)


def _gap(values: Array) -> float:
    """How far the farthest of the values lies from all others: the larger of the gaps at the two ends."""
    ordered = np.sort(values)
    return float(max(ordered[1] - ordered[0], ordered[-1] - ordered[-2])) if len(ordered) > 2 else 0.0
