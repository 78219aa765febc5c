"""Rows with a slip of units: a value a thousand, a million or a billion times too large or too small.

Rows off the curve, and rows with an input far from all others, are tried with each quantity corrected by such a factor.
A correction counts if it brings the row among the others and onto their curve, which is fitted without it, while the
value as it is given lies outside their range, or is on no level of a grid that the corrected one is on. A run that is
really a thousand times larger does not pass: its loss is not that of a small one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.laws.graph import Array
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import lines

_POWERS = (3, -3, 6, -6, 9, -9)
_NEAR = 3.0  # standard deviations within which a corrected row is on the curve
_TOLD_APART = 3.0  # standard deviations between the curve at the given and at the corrected value
_SAME_LEVEL = 0.01  # relative distance of values that are one level of a grid
_BEYOND = math.log(3.0)  # how far outside the other rows a corrected value may lie
_FAR = math.log(20.0)  # how far outside a value lies that is looked at although its row is on the curve


@dataclass(frozen=True)
class Slip:
    """A correction of a row: divide `column` by 10^`power`, which gives a value of logarithm `value`.

    `nearest` is the distance of the corrected value from the nearest other row, `outside` whether the given one lies
    outside the range of the others.
    """

    column: str
    power: int
    value: float
    nearest: float
    outside: bool


def slips(evidence: Evidence, sound: LeastSquares) -> dict[int, Slip]:
    """By place, the rows that a slip of units explains, with the simplest correction."""
    found = {}
    for place in sorted({*np.flatnonzero(~sound.used).tolist(), *_far_off(evidence)}):
        without = sound
        if sound.used[place]:
            rest = sound.used.copy()
            rest[place] = False
            refit = evidence.refit(sound.theta, rest)
            if refit is None or refit.freedom < 2:
                continue
            without = refit
        tried = [*_inputs(evidence, place), *_outputs(evidence, place)]
        good = _explaining(evidence, without, place, tried)
        if good:
            found[place] = min(good, key=lambda slip: (slip.nearest > _SAME_LEVEL, abs(slip.power)))
    return found


def unit_slips(evidence: Evidence, found: dict[int, Slip]) -> Iterator[Finding]:
    """One refusal for every row with a slip."""
    runs = evidence.fit.runs
    for place, slip in found.items():
        value = format_number(float(_given(evidence, slip.column)[place]))
        times = f"10^{abs(slip.power)} times too {'large' if slip.power > 0 else 'small'}"
        message = (
            f"Row {runs.row[place]}: {slip.column} is {value}, {times} by the law of the other rows: correct the unit."
        )
        yield Finding("unit-slip", "refuse", message, lines(runs, [place]))


def _far_off(evidence: Evidence) -> list[int]:
    """Places of rows with an input far below or above that of every other row."""
    found = []
    for values in evidence.log_inputs.values():
        order = np.argsort(values)
        if len(order) > 2:
            found += [int(order[0])] * bool(values[order[1]] - values[order[0]] > _FAR)
            found += [int(order[-1])] * bool(values[order[-1]] - values[order[-2]] > _FAR)
    return found


def _given(evidence: Evidence, column: str) -> Array:
    """The values that a column has, or that were derived for it."""
    letters = {item.column: item.name for item in evidence.fit.law.inputs}
    return evidence.data[letters[column]] if column in letters else evidence.fit.runs.numbers(column)


def _inputs(evidence: Evidence, place: int) -> Iterator[Slip]:
    for column, values in evidence.log_inputs.items():
        yield from _corrections(column, values, place)


def _outputs(evidence: Evidence, place: int) -> Iterator[Slip]:
    """Corrections of what is predicted, where it is positive."""
    if evidence.on_log:
        yield from _corrections(evidence.fit.law.output, evidence.problem.target, place)


def _corrections(column: str, values: Array, place: int) -> Iterator[Slip]:
    """Those that would put the row among the others."""
    others, given = np.delete(values, place), float(values[place])
    low, high = float(others.min()), float(others.max())
    for power in _POWERS:
        value = given - power * math.log(10.0)
        if low - _BEYOND <= value <= high + _BEYOND:
            nearest = float(np.min(np.abs(others - value)))
            yield Slip(column, power, value, nearest, not low - _SAME_LEVEL <= given <= high + _SAME_LEVEL)


def _explaining(evidence: Evidence, without: LeastSquares, place: int, tried: list[Slip]) -> list[Slip]:
    """The corrections that put the row on the curve `without` it, where the given value would not be."""
    if not tried:
        return []
    law = evidence.fit.law
    points = {item.column: np.repeat(evidence.data[item.name][place], len(tried) + 1) for item in law.inputs}
    target = np.repeat(evidence.problem.target[place], len(tried) + 1)
    for number, slip in enumerate(tried):
        if slip.column in points:
            points[slip.column][number] = math.exp(slip.value)
        else:
            target[number] = slip.value
    linear = evidence.at_points(points).linearise(evidence.coordinates(without.theta), second=False)
    error = target - linear.value[0]
    spread = max(without.deviation, 1e-12) * np.sqrt(1.0 + without.leverage_of(linear.jacobian[0].T))
    on_curve = np.abs(error) <= _NEAR * spread
    told_apart = np.abs(error - error[-1]) > _TOLD_APART * spread
    return [
        slip
        for slip, near, apart in zip(tried, on_curve.tolist(), told_apart.tolist(), strict=False)
        if near and apart and (slip.outside or slip.nearest <= _SAME_LEVEL)
    ]
