"""One-dimensional searches for many problems at once: the place of a minimum, and of a root.

Every function maps an array of places to an array of values of the same shape, one problem an element. Minima are
bracketed on a grid and then found by successive parabolas, roots by inverse quadratic interpolation; both fall back to
plain section where a parabola would leave its bracket, so that neither needs derivatives nor a good start.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from isoflop.laws.graph import Array, Mask

Function = Callable[[Array], Array]

_GRID = 25  # places tried before a bracket is chosen
_MOST_STEPS = 100
_PATIENCE = 3  # steps in which a bracket must halve
_GOLDEN = 0.5 * (3.0 - np.sqrt(5.0))
_PLACE = 1e-8  # a minimum is flat: its place is known to the square root of the rounding error at best
_ROOT = 1e-11


def minimise(function: Function, low: Array, high: Array) -> Array:
    """The place between `low` and `high` where `function` is least, element by element.

    Values that are not numbers count as infinitely large. Of several minima the one nearest the best place of the grid
    is found.

    Example:
        >>> place = minimise(lambda x: np.cosh(x - np.array([1.0, 2.0])), np.array([-9.0, -9.0]), np.array([9.0, 9.0]))
        >>> place.round(6).tolist()
        [1.0, 2.0]
    """
    low, high = np.broadcast_arrays(np.asarray(low, dtype=float), np.asarray(high, dtype=float))
    step = (high - low) / (_GRID - 1)
    best, value = low.copy(), _finite(function(low))
    for number in range(1, _GRID):
        place = low + number * step
        now = _finite(function(place))
        best, value = np.where(now < value, place, best), np.minimum(now, value)
    return _parabolas(function, (np.maximum(best - step, low), best, np.minimum(best + step, high)), value)


def _parabolas(function: Function, bracket: tuple[Array, Array, Array], value: Array) -> Array:
    """Narrow brackets (left, best, right) around minima, whose values at the best are `value`."""
    left, best, right = bracket
    at_left, at_right = _finite(function(left)), _finite(function(right))
    widths = [np.full(best.shape, np.inf)] * _PATIENCE
    tolerance = _PLACE * (1.0 + np.abs(best))
    for _ in range(_MOST_STEPS):
        width = right - left
        if not np.any(width > 2.0 * tolerance):
            break
        wider = np.where(right - best > best - left, right - best, left - best)
        place = _vertex((left, best, right), (at_left, value, at_right))
        # A parabola that does not close its bracket, from whichever side, gives way to a section of the wider side.
        with np.errstate(invalid="ignore"):
            trusted = (place > left) & (place < right) & (width < 0.5 * widths[0])
        place = np.where(trusted, place, best + _GOLDEN * wider)
        close = np.abs(place - best) < 0.5 * tolerance
        place = np.clip(np.where(close, best + np.copysign(0.5 * tolerance, wider), place), left, right)
        widths = [*widths[1:], width]
        now = _finite(function(place))
        better, beyond = now < value, place > best
        left = np.where(better & beyond, best, np.where(~better & ~beyond, place, left))
        at_left = np.where(better & beyond, value, np.where(~better & ~beyond, now, at_left))
        right = np.where(better & ~beyond, best, np.where(~better & beyond, place, right))
        at_right = np.where(better & ~beyond, value, np.where(~better & beyond, now, at_right))
        best, value = np.where(better, place, best), np.where(better, now, value)
    # The minimum may lie at an end, which a section only approaches.
    best = np.where(at_left < value, left, best)
    return np.asarray(np.where(at_right < np.minimum(value, at_left), right, best))


def _vertex(places: tuple[Array, Array, Array], values: tuple[Array, Array, Array]) -> Array:
    """Where the parabola through three points has its vertex; NaN where there is none."""
    left, best, right = places
    at_left, value, at_right = values
    with np.errstate(all="ignore"):
        first = (best - left) * (value - at_right)
        second = (best - right) * (value - at_left)
        shift = ((best - left) * first - (best - right) * second) / (2.0 * (first - second))
        return np.asarray(best - shift)


def root(function: Function, low: Array, high: Array) -> Array:
    """Where `function` passes from below zero at `low` to above zero at `high`, element by element.

    NaN where it does not: infinite at `high` counts as above. [chandrupatla1997]

    Example:
        >>> root(lambda x: x**3 - np.array([8.0, -8.0]), np.zeros(2), np.full(2, 9.0)).round(6).tolist()
        [2.0, nan]
    """
    a, b = np.broadcast_arrays(np.asarray(low, dtype=float), np.asarray(high, dtype=float))
    at_a, at_b = function(a), function(b)
    crossing = (at_a <= 0.0) & (at_b >= 0.0)
    c, at_c = a, at_a
    share = np.full(a.shape, 0.5)
    for _ in range(_MOST_STEPS):
        if not np.any(_wide(a, b) & crossing):
            break
        place = a + share * (b - a)
        now = function(place)
        same = np.sign(now) == np.sign(at_a)
        c, at_c = np.where(same, a, b), np.where(same, at_a, at_b)
        b, at_b = np.where(same, b, a), np.where(same, at_b, at_a)
        a, at_a = place, now
        share = _share(a, b, c, at_a, at_b, at_c)
    with np.errstate(invalid="ignore"):
        place = np.where(np.abs(at_a) < np.abs(at_b), a, b)
    return np.asarray(np.where(crossing, place, np.nan))


def _share(a: Array, b: Array, c: Array, at_a: Array, at_b: Array, at_c: Array) -> Array:
    """How far from a to b to go next: by inverse quadratic interpolation where it stays inside, else halfway."""
    with np.errstate(all="ignore"):
        xi, phi = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
        inside = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
        share = at_a / (at_b - at_a) * at_c / (at_b - at_c)
        share += (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
        least = 0.5 * _ROOT * (1.0 + np.abs(a)) / np.abs(b - a)
        share = np.where(inside & np.isfinite(share), share, 0.5)
        return np.asarray(np.clip(share, least, np.maximum(1.0 - least, 0.5)))


def _wide(a: Array, b: Array) -> Mask:
    return np.asarray(np.abs(b - a) > _ROOT * (1.0 + np.abs(a)))


def _finite(values: Array) -> Array:
    return np.where(np.isnan(values), np.inf, values)
