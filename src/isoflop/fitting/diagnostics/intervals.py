"""Whether the intervals can be believed: open bounds, draws that did not settle, widths that disagree: D12."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.fit import Fit, Part, interval
from isoflop.laws.graph import Array
from isoflop.laws.surface import to_log

_FEWEST_DRAWS = 100  # to compare widths by
_MOST_DRAWS, _MOST_ROWS = 400, 60  # for the comparison, which needs no more
_TOO_NARROW, _TOO_WIDE = 0.5, 3.0
_NORMAL_90 = 3.2897  # width of the 90 % interval of a normal, in standard deviations


def unsettled_draws(fitted: Fit, draws: int) -> Iterator[Finding]:
    """Resamples that had to be left out."""
    missing = draws - len(fitted.ensemble)
    if draws and missing > 0.02 * draws:
        message = f"{missing} of {draws} resamples did not settle and are left out: the intervals are too narrow."
        yield Finding("unsettled-draws", "warn", message)


def open_bounds(fitted: Fit) -> Iterator[Finding]:
    """Parameters that the data do not bound."""
    if len(fitted.ensemble) < 2:
        return
    unbounded: dict[str, list[str]] = {}
    for part in fitted.parts:
        of_law = f" of {part.law.name}" if fitted.members else ""
        for name, estimate in part.params.items():
            sides = [side for side, bound in (("below", estimate.low), ("above", estimate.high)) if bound is None]
            if sides:
                unbounded.setdefault(" or from ".join(sides), []).append(f"{name}{of_law}")
    for sides_open, names in unbounded.items():
        message = (
            f"The data do not bound {', '.join(names)} from {sides_open}: other constants make up for any value there, "
            "within the errors of the runs."
        )
        yield Finding("open-bound", "note", message)


def outside_own_draws(fitted: Fit) -> Iterator[Finding]:
    """Parameters whose stated value lies outside the interval of their own draws, which was stretched to hold it.

    Draws surround the efficient fit, which weighs rows by their scatter; the stated value minimises the objective that
    was asked for. Where no row is off and the law holds, the two agree within the interval.
    """
    for part in fitted.parts:
        away = moved_parameters(part, fitted.level)
        if away:
            of_law = f" of {part.law.name}" if fitted.members else ""
            message = (
                f"{', '.join(away)}{of_law} as stated, by {fitted.objective}, {'lies' if len(away) == 1 else 'lie'} "
                f"outside the {fitted.level:.0%} interval of the draws, which was stretched to hold "
                f"{'it' if len(away) == 1 else 'them'}: another objective gives other values, so look for runs that "
                "are off, and for a bend."
            )
            yield Finding("objective-matters", "note", message)


def moved_parameters(part: Part, level: float) -> list[str]:
    """The names of parameters whose stated value lies outside the interval of their own draws, given enough of them."""
    if len(part.ensemble.draws) < _FEWEST_DRAWS:
        return []
    low, high = interval(part.ensemble.draws, level)
    return [
        name
        for name, value, least, most in zip(part.law.parameter_names, part.theta, low, high, strict=True)
        if not least <= value <= most
    ]


def few_draws(draws: int) -> Iterator[Finding]:
    """Too few draws for percentiles."""
    if 0 < draws < 100:
        yield Finding("few-draws", "note", f"Percentiles of {draws} draws are rough: use 1,000 to rely on.")


def widths(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """Intervals of the curve from the draws beside those of least squares with independent errors, s·√h."""
    ratio = width_ratio(evidence, sound)
    if ratio is None or _TOO_NARROW <= ratio <= _TOO_WIDE:
        return
    if ratio < 1.0:
        message = (
            f"The intervals are {1.0 / ratio:.1f} times narrower than the scatter of the runs allows: the draws "
            f"({evidence.fit.ensemble.method}) do not know of it."
        )
    else:
        message = (
            f"The intervals are {ratio:.1f} times wider than independent errors would make them: rows share errors, or "
            "the law is determined so weakly that resamples find other laws."
        )
    yield Finding("interval-disagreement", "warn", message)


def width_ratio(evidence: Evidence, sound: LeastSquares) -> float | None:
    """Width of the draws' 90 % interval of the curve over that of least squares, the median over the rows used."""
    draws = evidence.fit.ensemble.draws
    if len(draws) < _FEWEST_DRAWS or sound.deviation <= 0.0 or sound.freedom < 3:
        return None
    rows = np.flatnonzero(sound.used)
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(int)]
    curves = _curves(evidence, draws[:_MOST_DRAWS], rows)
    low, high = interval(curves, 0.9)
    expected = _NORMAL_90 * sound.deviation * np.sqrt(sound.leverage[rows])
    found = float(np.median((high - low) / np.maximum(expected, 1e-300)))
    return found if np.isfinite(found) else None


def _curves(evidence: Evidence, draws: Array, rows: Array) -> Array:
    """The fitted quantity (B, rows) of every draw."""
    columns = {item.column: evidence.data[item.name][rows] for item in evidence.fit.law.inputs}
    return evidence.at_points(columns).predict(to_log(evidence.fit.law.parameters, draws))
