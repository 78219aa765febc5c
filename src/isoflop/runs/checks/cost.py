"""Compute beside 6·N·D: rows where the three cannot belong together, and what the whole column seems to count."""

from __future__ import annotations

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.findings import Finding
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import Array, has_numbers, lines, naming
from isoflop.runs.checks.robust import robust_line
from isoflop.runs.table import RunTable

COMPUTE_TOLERANCE = 0.1
"""C/(6·N·D) of a row may differ by this share from that of runs of its size."""

_SCATTERS = 8.0  # times the usual scatter of that ratio, where it scatters by itself
_SLIPS = (3.0, 6.0, 9.0)  # powers of ten that separate units
_SLIP_WIDTH = 0.3  # decades: the ratio of a slip is a thousand times that of its neighbours, give or take two
_PLAUSIBLE = (0.3, 5.0)  # attention and embeddings can make C five times 6·N·D where N leaves them out
_COLUMNS = ("params", "tokens", "compute")


def compute_against_six_nd(table: RunTable) -> list[Finding]:
    """What C/(6·N·D) shows: slips of units and mismatches by row, and a note where all of it is off."""
    if len(table) < 3 or not has_numbers(table, *_COLUMNS):
        return []
    values = np.stack([table[name] for name in _COLUMNS])
    if not bool(np.all(np.isfinite(values) & (values > 0.0))):
        return []
    size, data, flop = values
    ratio = np.log(flop / (FLOP_PER_PARAMETER_AND_TOKEN * size * data))
    departure = ratio - robust_line(np.log(size), ratio)
    scatter = 1.4826 * float(np.median(np.abs(departure)))
    off = np.abs(departure) > max(np.log1p(COMPUTE_TOLERANCE), _SCATTERS * scatter)
    decades = departure / np.log(10.0)
    slip = off & (np.min(np.abs(np.abs(decades)[:, None] - _SLIPS), axis=1) < _SLIP_WIDTH)
    findings = [_slip(table, int(place), float(decades[place])) for place in np.flatnonzero(slip)]
    rest = off & ~slip
    if rest.any():
        findings.append(_mismatch(table, np.exp(ratio), np.flatnonzero(rest).tolist(), departure))
    return [*findings, *_convention(np.exp(ratio[~off]))]


def _slip(table: RunTable, place: int, decades: float) -> Finding:
    """The column that is a thousand (million, …) times off: the one whose correction brings it among the others."""
    power = int(np.round(abs(decades) / 3.0) * 3)
    # compute too large, or params or tokens too small, raise the ratio.
    sign = 1 if decades > 0 else -1
    wrong = {"params": -sign, "tokens": -sign, "compute": sign}
    strangeness = {name: _strangeness(table[name], place, 10.0 ** (-way * power)) for name, way in wrong.items()}
    least = min(strangeness.values())
    suspects = [name for name in _COLUMNS if strangeness[name] <= least + 1e-9]
    named = " or ".join(suspects)
    value = float(table[suspects[0]][place])
    direction = "large" if wrong[suspects[0]] > 0 else "small"
    message = (
        f"Row {table.row[place]}: {named} is 10^{power} times too {direction} ({format_number(value)}), since compute "
        "is about 6 x params x tokens in the other rows: correct the unit."
    )
    return Finding("unit-slip", "refuse", message, lines(table, [place]))


def _strangeness(values: Array, place: int, factor: float) -> float:
    """How far the corrected value is from the nearest other one, less how far the given value is, in decades."""
    others = np.log10(np.delete(values, place))
    given, corrected = np.log10(values[place]), np.log10(values[place] * factor)
    return float(np.min(np.abs(others - corrected)) - np.min(np.abs(others - given)))


def _mismatch(table: RunTable, ratio: Array, places: list[int], departure: Array) -> Finding:
    rows = lines(table, places)
    first = places[0]
    usual = ratio[first] / np.exp(departure[first])
    message = (
        f"compute divided by 6 x params x tokens is {format_number(ratio[first])} in row {table.row[first]} and about "
        f"{format_number(usual)} in runs of its size: check compute, params and tokens in {naming(rows)}."
    )
    return Finding("compute-mismatch", "warn", message, rows)


def _convention(ratio: Array) -> list[Finding]:
    """What is said of the column as a whole."""
    if not len(ratio):
        return []
    low, high, middle = float(ratio.min()), float(ratio.max()), float(np.median(ratio))
    span = f"{format_number(low)}" if high < 1.02 * low else f"{format_number(low)} to {format_number(high)}"
    if not _PLAUSIBLE[0] <= middle <= _PLAUSIBLE[1]:
        message = f"compute is {span} times 6 x params x tokens in all rows: one of the three is in another unit."
        return [Finding("compute-mismatch", "warn", message)]
    if max(abs(low - 1.0), abs(high - 1.0)) <= COMPUTE_TOLERANCE:
        return []
    message = (
        f"compute is {span} times 6 x params x tokens, so it counts other operations; optimal sizes are given for "
        "6 x params x tokens."
    )
    return [Finding("compute-convention", "note", message)]
