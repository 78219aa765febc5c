"""Whether the law bends where the data do not, and whether it would have forecast its own largest runs: D14, D15.

Three tests, each by least squares and none by resampling:

1. A bend: do curvatures or breaks along size and data, or an interaction of the two, explain residuals? F tests of
   what of them is not within the law's own reach, for each input and for all. An exponent that changes along D moves
   the fitted log-loss z by (∂z/∂log D)·f(log D), so curvature and break are weighed by the law's own slope: with that
   weight the two have 98 % of what a fit misses of a smooth break, and 1 to 40 % without. What they say at ten times
   the compute is the consequence.
2. A drift: do the exponents change when the smallest runs are left out? Their difference has the variance
   Var(without) - Var(with), since least squares on all runs is the better estimate (Hausman 1978).
3. A back-test: the law without the runs of the largest compute, against those runs (Chow 1960).

Reference: chow1960, hausman1978
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from isoflop.findings import Finding, Severity
from isoflop.fitting.diagnostics.clusters import dilution_of
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.diagnostics.noise import ALARM
from isoflop.fitting.diagnostics.reach import ahead
from isoflop.fitting.diagnostics.tails import fisher_tail, student_half_width, student_tail
from isoflop.laws.graph import Array, Mask
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import levels, lines

_FREEDOM_OF_BREAKS = 12  # fewer degrees of freedom cannot spare two more
_UNSEEN = 0.02  # share of an added term that the law's own derivatives must leave over
_ALIKE = 1e-6  # smallest singular value of added terms relative to the largest
_STEP = 1e-4  # relative, of an input
_ONE_BEND = 5e-3
"""Probability below which one bend, or the interaction, speaks alone, shared among them. Ten times that of other tests:
a bend costs a forecast most, and nothing else tells of a weak one."""

_DECADE = np.log(10.0)
_STEPS = 2  # largest computes that are hidden
_ONE_STEP = 0.1  # relative distance of computes that are one step
_MISSED, _BADLY_MISSED = 2.0, 4.0  # half-widths of the interval
_LEVEL = 0.9


def bend(evidence: Evidence, sound: LeastSquares, missing: dict[str, Array]) -> Iterator[Finding]:
    """Curvature or interaction of inputs that the law lacks, from its `missing_terms`."""
    if not missing:
        return
    residuals = sound.residuals[sound.used]
    rest = max(sound.squares - _explained(np.hstack(list(missing.values())), residuals)[0], 1e-300)
    strongest = max(missing, key=lambda name: _explained(missing[name], residuals)[0])
    shift = _shift_ahead(evidence, sound, strongest)
    ahead_of = ""
    if shift is not None:
        way = "higher" if shift > 0.0 else "lower"
        ahead_of = f"; with it a forecast at ten times the largest compute would be about {abs(shift):.1%} {way}"
    less = 1.0 - np.sqrt(rest / sound.squares)
    message = f"The law lacks {strongest}: such terms make the residuals {less:.0%} smaller{ahead_of}."
    yield Finding("bend", "warn", message)


def missing_terms(evidence: Evidence, sound: LeastSquares) -> dict[str, Array]:
    """Terms (rows used, q) that explain residuals as far as the law cannot make up for them, by name; else none."""
    own = sound.jacobian[sound.used] @ sound.root
    terms = _added_terms(evidence, sound, evidence.data)
    left = {name: _beyond(own, values[sound.used]) for name, values in terms.items()}
    left = {name: values for name, values in left.items() if values.shape[1]}
    if not left:
        return {}
    residuals, dilution = sound.residuals[sound.used], dilution_of(evidence, sound)

    def chance(values: Array) -> float:
        explained, count = _explained(values, residuals)
        if sound.freedom <= count + 2:
            return 1.0
        rest = max(sound.squares - explained, 1e-300)
        ratio = explained / count / (rest / (sound.freedom - count)) / dilution.factor
        return fisher_tail(ratio, count, max(dilution.freedom - count, 1))

    least = min(chance(values) for values in left.values()) * len(left)
    return left if least <= _ONE_BEND or chance(np.hstack(list(left.values()))) <= ALARM else {}


def _explained(terms: Array, residuals: Array) -> tuple[float, int]:
    """How much of the sum of squared residuals (rows used) the terms (rows used, q) explain, in how many directions."""
    directions, sizes, _ = np.linalg.svd(terms / np.linalg.norm(terms, axis=0), full_matrices=False)
    basis = directions[:, sizes > _ALIKE * sizes[0]]
    return float(np.sum((basis.T @ residuals) ** 2)), int(basis.shape[1])


def drift(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """Exponents that change when the smallest decade of compute is left out."""
    along = evidence.log_compute
    law = evidence.fit.law
    if along is None:
        return
    kept = sound.used & (along > along.min() + min(_DECADE, 0.4 * float(np.ptp(along))))
    upper = evidence.refit(sound.theta, kept) if kept.sum() >= len(sound.theta) + 4 else None
    if upper is None:
        return
    change = upper.theta - sound.theta
    dilution = dilution_of(evidence, sound)
    # One scatter for both, that of the runs kept: it is free of what the law misses below.
    spread = np.sum(upper.root**2, axis=1) - np.sum(sound.root**2, axis=1)
    spread *= upper.deviation**2 * dilution.factor
    exponents = [place for place, item in enumerate(law.parameters) if item.scale == "linear" and spread[place] > 0.0]
    moved = [(float(abs(change[place]) / np.sqrt(spread[place])), place) for place in exponents]
    size, place = max(moved, default=(0.0, 0))
    freedom = min(upper.freedom, dilution.freedom)
    if not moved or student_tail(size, max(freedom, 1)) * len(moved) > ALARM:
        return
    message = (
        f"Without the runs of the smallest compute {law.parameter_names[place]} changes from "
        f"{format_number(sound.theta[place])} to {format_number(upper.theta[place])}, {size:.1f} standard errors: the "
        "law is not one power over this range."
    )
    yield Finding("drift", "warn", message)


def missed_largest(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """A fit to the smaller runs whose forecast of the runs of the two largest computes was off."""
    hidden = largest_steps(evidence.log_compute, sound)
    below = None if hidden is None else evidence.refit(sound.theta, sound.used & ~hidden)
    if hidden is None or below is None or below.freedom < 2:
        return
    error = below.residuals[hidden]
    count = len(error)
    reach = below.jacobian[hidden] @ below.root
    covariance = np.eye(count) + reach @ reach.T
    dilution = dilution_of(evidence, sound)
    variance = max(below.deviation**2 * dilution.factor, 1e-300)
    chow = float(error @ np.linalg.solve(covariance, error)) / count / variance
    freedom = min(below.freedom, dilution.freedom)
    mean = float(error.mean())
    ratio = abs(mean) / (student_half_width(_LEVEL, freedom) * float(np.sqrt(variance * covariance.sum())) / count)
    if ratio <= _MISSED or fisher_tail(chow, count, freedom) > ALARM:
        return
    off = f"{abs(np.expm1(mean)):.1%}" if evidence.on_log else format_number(abs(mean))
    message = (
        f"Fitted without the {count} runs of the largest compute, the law forecasts them {off} too "
        f"{'low' if mean > 0.0 else 'high'}, {ratio:.1f} times the half-width of its interval."
    )
    severity: Severity = "refuse" if ratio > _BADLY_MISSED else "warn"
    yield Finding("backtest-miss", severity, message, lines(evidence.fit.runs, hidden))


def largest_steps(along: Array | None, sound: LeastSquares) -> Mask | None:
    """The rows of the two largest computes, on the curve or off it; None where too few others would be left."""
    if along is None:
        return None
    steps = levels(np.exp(along - along.max()), _ONE_STEP)
    hidden = np.asarray(steps >= np.unique(steps)[-_STEPS:][0])
    # A single row that is off says something about itself, not about the law.
    if (~sound.used & hidden).sum() == 1:
        hidden &= sound.used
    left = int((sound.used & ~hidden).sum())
    return hidden if left >= len(sound.theta) + 4 and hidden.sum() >= 2 and 2 * left >= len(steps) else None


def _added_terms(evidence: Evidence, sound: LeastSquares, data: Mapping[str, Array]) -> dict[str, Array]:
    """Functions (m, q) of the inputs of m points, by what they are called: a bend along each, and interactions."""
    seen = evidence.log_inputs
    letters = {item.column: item.name for item in evidence.fit.law.inputs}
    logs = {column: np.log(data[letters[column]]) for column in seen}
    called = {"params": "size", "tokens": "data"}
    terms = {}
    for index, column in enumerate(logs):
        centred, middle = logs[column] - seen[column].mean(), 0.5 * float(seen[column].min() + seen[column].max())
        slope = _slope_along(evidence, sound, data, letters[column])
        shapes = [centred**2, np.maximum(logs[column] - middle, 0.0)]
        name = called.get(column, column)
        few = sound.freedom < _FREEDOM_OF_BREAKS
        terms[f"a bend along {name}"] = np.stack([slope * values for values in shapes[: 1 if few else 2]], axis=1)
        for other in list(logs)[index + 1 :]:
            # Public ladders have it nearly all: their terms are coupled, as in (A/N^alpha + B/D^beta)^gamma.
            both = f"an interaction of {name} and {called.get(other, other)}, as between terms that are coupled"
            terms[both] = (centred * (logs[other] - seen[other].mean()))[:, None]
    return terms


def _slope_along(evidence: Evidence, sound: LeastSquares, data: Mapping[str, Array], letter: str) -> Array:
    """By how much the fitted quantity changes with the logarithm of an input, at m points, by central differences."""
    columns = {item.name: item.column for item in evidence.fit.law.inputs}
    coordinates, sides = evidence.coordinates(sound.theta), []
    for factor in (1.0 + _STEP, 1.0 - _STEP):
        moved = {columns[name]: values * (factor if name == letter else 1.0) for name, values in data.items()}
        sides.append(evidence.at_points(moved).predict(coordinates)[0])
    return np.asarray(np.nan_to_num((sides[0] - sides[1]) / (2.0 * _STEP)))


def _beyond(own: Array, terms: Array) -> Array:
    """What of terms (rows used, q) is not within the directions `own` of the law, without those it can make up for."""
    left = terms - own @ (own.T @ terms)
    size = np.linalg.norm(terms - terms.mean(axis=0), axis=0)
    return np.asarray(left[:, (size > 0.0) & (np.linalg.norm(left, axis=0) > _UNSEEN * size)])


def _shift_ahead(evidence: Evidence, sound: LeastSquares, name: str) -> float | None:
    """By how much the added terms would change a forecast at ten times the compute, relative to the output."""
    point = ahead(evidence, sound.theta)
    if point is None or not evidence.on_log or len(evidence.log_inputs) < len(evidence.fit.law.inputs):
        return None
    term = _added_terms(evidence, sound, evidence.data)[name][sound.used]
    there = _added_terms(evidence, sound, {item.name: point[item.column] for item in evidence.fit.law.inputs})[name][0]
    own = sound.jacobian[sound.used] @ sound.root
    inside = own.T @ term
    weights = np.linalg.lstsq(term - own @ inside, sound.residuals[sound.used], rcond=_ALIKE)[0]
    slopes = evidence.slopes_at(sound.theta, point)[0] @ sound.root
    shift = float(np.expm1(float(weights @ (there - slopes @ inside))))
    return shift if np.isfinite(shift) else None
