"""Learning curves, where a table holds several looks at a run: jumps near the end, and runs cut off while falling.

Legend: a curve is the rows of one run in the order of its tokens (or steps); t tokens, L loss.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoflop.findings import Finding
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import has_numbers, lines, naming
from isoflop.runs.table import RunTable

_FEWEST_LOOKS = 10
_LATE = 0.05  # share of the looks that are the end of a run
_JUMP = 0.03  # of the loss: a spike that is not read as noise, however smooth the curve
_NOISES = 8.0  # and how many standard deviations above the line through the looks before
_LOOKED_AT = 8
_STEEP = 0.6  # -dlog L/dlog t; power laws with exponents near 0.4 end below 0.3, also while a schedule decays

Index = NDArray[np.int64]


def late_spikes(table: RunTable) -> dict[int, str]:
    """Places of rows within the last 5 % of a run whose loss jumps above what came before, with the reason."""
    found = {}
    for curve in _curves(table):
        place, loss = np.log(table[_progress(table)][curve]), np.log(table["loss"][curve])
        tail = max(1, round(_LATE * len(curve)))
        before = slice(-tail - _LOOKED_AT, -tail)
        line = np.polyfit(place[before] - place[-1], loss[before], 1)
        scatter = float(np.std(loss[before] - np.polyval(line, place[before] - place[-1])))
        expected = np.polyval(line, place[-tail:] - place[-1])
        for number in np.flatnonzero(loss[-tail:] > expected + max(_JUMP, _NOISES * scatter)).tolist():
            index = int(curve[len(curve) - tail + number])
            jump = f"{format_number(float(np.exp(loss[-tail - 1])))} to {format_number(float(table['loss'][index]))}"
            found[index] = f"its loss jumps from {jump} at the end of its run"
    return found


def still_falling(table: RunTable) -> list[Finding]:
    """Runs whose loss falls about as fast as their tokens rise when they end."""
    ends = []
    for curve in _curves(table):
        last = curve[-max(4, len(curve) // 7) :]
        place, loss = np.log(table[_progress(table)][last]), np.log(table["loss"][last])
        slope = float(np.polyfit(place, loss, 1)[0]) if np.ptp(place) > 0.0 else 0.0
        if slope < -_STEEP:
            ends.append((int(curve[-1]), slope))
    if not ends:
        return []
    rows = lines(table, [place for place, _ in ends])
    steepest = min(slope for _, slope in ends)
    message = (
        f"The loss still falls as {_progress(table)} to the power {steepest:.1f} where the run of {naming(rows)} ends: "
        "it was cut off early, and its last loss says little about its size."
    )
    return [Finding("still-falling", "warn", message, rows)]


def _progress(table: RunTable) -> str:
    return "tokens" if has_numbers(table, "tokens") else "step"


def _curves(table: RunTable) -> list[Index]:
    """Places of the rows of every run that is looked at often, in order."""
    order = _progress(table)
    if not (table.has("run") and has_numbers(table, "loss", order)):
        return []
    values = table[order]
    good = np.isfinite(values) & (values > 0.0) & (table["loss"] > 0.0)
    groups: dict[object, list[int]] = {}
    for place, name in enumerate(table["run"].tolist()):
        if good[place]:
            groups.setdefault(name, []).append(place)
    often = [np.array(places) for places in groups.values() if len(places) >= _FEWEST_LOOKS]
    curves = [places[np.argsort(values[places], kind="stable")] for places in often]
    return [curve for curve in curves if values[curve[0]] < values[curve[-1]]]
