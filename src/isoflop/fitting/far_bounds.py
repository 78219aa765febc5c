"""Bounds of constants whose draws run off the scale: the profile says whether the data bound them at all.

A floor that a tenth of simulated studies do without has draws at zero, and percentiles of such draws say little. Its
profile does: where |t| stays below Student's t* however far the constant is moved, no value there is refuted and the
bound is open; else the bound is where |t| = t*.

Reference: bates1988
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from isoflop.fitting.efficient import Efficient
from isoflop.fitting.fit import Bounds, interval
from isoflop.fitting.profiles import departure, hold
from isoflop.fitting.solver import Problem
from isoflop.laws.graph import Array
from isoflop.laws.law import Law

_FAR = float(np.log(1e4))  # a positive constant this far off, in logarithms, is off the scale
_STEPS = (0.02, 0.1, 0.4, 1.0)  # shares of the way there, so that the other constants can follow
_NEAR, _EXACT = 1e-3, 3e-3  # of the logarithm of a bound, and of t


def drawn_bounds(law: Law, theta: Array, draws: Array, level: float) -> dict[str, Bounds]:
    """Percentiles of the positive constants that draws lose, None on the side where they do.

    Those are the constants whose percentiles are 10,000 times off θ (k,), or that ran to nothing in the fit.
    """
    if len(draws) < 2:
        return {}
    found = {}
    for parameter, value, low, high in zip(law.parameters, theta, *interval(draws, level), strict=True):
        stated, least, most = _log(value), _log(low), _log(high)
        vanished = value < parameter.search[0] / np.exp(_FAR)
        if parameter.scale == "log" and (vanished or stated - least > _FAR or most - stated > _FAR):
            below = None if vanished or stated - least > _FAR else float(low)
            found[parameter.name] = (below, None if most - stated > _FAR else float(high))
    return found


def profile_bounds(
    fitted: Efficient,
    law: Law,
    names: Sequence[str],
    bind_law: Callable[[Law], Problem],
    theta: Array,
    draws: Array,
    level: float,
) -> dict[str, Bounds]:
    """Bounds at `level` of the constants `names`: of both the profile and the draws, the farther; None where open.

    θ (k,) is the stated optimum; `draws` (B, k) count where they are on the scale.
    """
    from scipy.special import stdtrit

    refuted = float(stdtrit(fitted.noise.freedom, 0.5 + 0.5 * level))
    percentiles = np.log(interval(draws, level))
    found = {}
    for name in names:
        index = law.parameter_names.index(name)
        stated, middle = _log(theta[index]), _log(fitted.theta[index])
        # A constant that ran to nothing is sought where it would count: where draws have it, or its search.
        largest = _log(max(draws[:, index].max(), law.parameters[index].search[1]))
        ends = (min(stated, middle) - _FAR, max(stated, middle, largest) + _FAR)
        sides = [
            _crossing(fitted, law, name, bind_law, (drawn, end), refuted)
            for drawn, end in zip(percentiles[:, index], ends, strict=True)
        ]
        found[name] = (sides[0], sides[1])
    return found


def _crossing(
    fitted: Efficient,
    law: Law,
    name: str,
    bind_law: Callable[[Law], Problem],
    between: tuple[float, float],
    refuted: float,
) -> float | None:
    """The value at which |t| reaches `refuted`, sought from the percentile of the draws to the `end` of the scale.

    Both are logarithms. The percentile where that is refuted already; None where nothing up to the end is.
    """
    index = law.parameter_names.index(name)
    others = first = np.delete(fitted.theta, index)

    def excess(place: float) -> float:
        nonlocal others
        held = bind_law(hold(law, name, float(np.exp(place))))
        size, moved = departure(fitted, held, np.stack([others, first]), refuted)
        others = moved if size < refuted else others
        return size - refuted

    drawn, end = between
    middle = _log(fitted.theta[index])
    sign = np.sign(end - middle)
    inside, below = middle, -refuted
    if sign * middle < sign * drawn < sign * end:
        inside, below = float(drawn), excess(float(drawn))
        if below >= 0.0:
            return float(np.exp(drawn))
    for place in (inside + share * (end - inside) for share in _STEPS):
        above = excess(place)
        if not np.isfinite(above):  # where arithmetic ends, nothing is refuted
            return None
        if above >= 0.0:
            return float(np.exp(_root(excess, (inside, below), (place, above))))
        inside, below = place, above
    return None


def _log(value: float) -> float:
    """The logarithm of a positive constant, which may have run to 0 or infinity."""
    return float(np.log(np.clip(value, 1e-300, 1e300)))


def _root(function: Callable[[float], float], inside: tuple[float, float], outside: tuple[float, float]) -> float:
    """Where `function` is zero between a place where it is negative and one where it is not, each with its value."""
    (low, below), (high, above) = inside, outside
    while abs(high - low) > _NEAR:
        # The chord, kept off the ends so that the bracket shrinks from both sides.
        share = float(np.clip(below / (below - above), 0.1, 0.9))
        place = low + share * (high - low)
        value = function(place)
        if abs(value) < _EXACT:
            return place
        (low, below), (high, above) = ((place, value), (high, above)) if value < 0.0 else ((low, below), (place, value))
    return 0.5 * (low + high)
