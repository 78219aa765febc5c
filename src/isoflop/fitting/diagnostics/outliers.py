"""Rows that stand out: off the curve through the others, or alone responsible for the forecast."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.diagnostics.reach import slopes_ahead
from isoflop.laws.graph import Array
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import lines, naming

_FEW_OFF, _SHARE_OFF = 3, 0.1  # rows off the curve; where there are more, it is the law that is off
_MOVED = 3.0
"""Standard errors of the forecast that one row may move it by. The first setting was 1; of 300 clean studies of 12 to
60 runs 15 % have a row that does, 1 % one that moves it by 2, and one has 2.8 (2026-11)."""


def outliers(
    evidence: Evidence, sound: LeastSquares, explained: frozenset[int], named: frozenset[int]
) -> Iterator[Finding]:
    """One finding about all rows off the curve but those at the places `explained` and on the lines `named`."""
    lines_of = evidence.fit.runs.row.tolist()
    off = [
        place
        for place in np.flatnonzero(~sound.used).tolist()
        if place not in explained and lines_of[place] not in named
    ]
    if not off:
        return
    if len(off) > max(_FEW_OFF, _SHARE_OFF * len(lines_of)):
        yield _too_many(evidence, off)
        return
    off.sort(key=lambda place: -abs(sound.deleted[place]))
    runs, output = evidence.fit.runs, evidence.fit.law.output
    worst = off[0]
    value = float(runs[output][worst])
    side = "above" if sound.residuals[worst] > 0.0 else "below"
    expected = format_number(_expected(evidence, sound, worst), 4)
    rows = lines(runs, sorted(off))
    others = f" ({len(off)} rows are off, this one most)" if len(off) > 1 else ""
    message = (
        f"Row {runs.row[worst]}: {output} {format_number(value, 4)} is {abs(sound.deleted[worst]):.0f} standard "
        f"deviations {side} the {expected} of the curve through the other rows{others}: check the run, or leave it out "
        "with --where."
    )
    yield Finding("outlier", "warn", message, rows)


def _too_many(evidence: Evidence, off: list[int]) -> Finding:
    """More rows off the curve than runs go wrong."""
    rows = lines(evidence.fit.runs, off)
    message = (
        f"{len(off)} of {len(evidence.fit.runs)} rows lie off the curve through the others ({naming(rows)}): too many "
        "for runs gone wrong, so the law does not describe them all."
    )
    return Finding("lack-of-fit", "warn", message, rows)


def influential(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """Rows without which the forecast at ten times the compute would be another one."""
    slopes = slopes_ahead(evidence, sound.theta)
    if slopes is None or sound.freedom < 2:
        return
    moved = forecast_moves(sound, slopes)
    far = np.abs(moved) > _MOVED
    if not far.any():
        return
    places = np.flatnonzero(far)
    worst = int(places[np.argmax(np.abs(moved[places]))])
    rows = lines(evidence.fit.runs, places)
    message = (
        f"Without row {evidence.fit.runs.row[worst]} the forecast at ten times the largest compute would be "
        f"{'lower' if moved[worst] > 0.0 else 'higher'} by {abs(moved[worst]):.1f} standard errors: "
        f"it rests on {naming(rows)}, so repeat such a run."
    )
    yield Finding("influential-run", "warn", message, rows)


def forecast_moves(sound: LeastSquares, slopes: Array) -> Array:
    """By how many of its standard errors each row (n,) moves a forecast with derivatives `slopes` (k,)."""
    ahead = slopes @ sound.root
    left = np.maximum(1.0 - sound.leverage, 1e-9)
    without = (sound.squares - sound.residuals**2 / left) / max(sound.freedom - 1, 1)
    moves = (sound.jacobian @ sound.root @ ahead) * sound.residuals / left
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = moves / np.sqrt(np.maximum(without, 1e-300) * float(ahead @ ahead))
    return np.where(sound.used, np.nan_to_num(scaled), 0.0)


def _expected(evidence: Evidence, sound: LeastSquares, place: int) -> float:
    """What the curve says of a row."""
    weight = 1.0 if evidence.problem.weights is None else float(np.sqrt(evidence.problem.weights[place]))
    value = float(evidence.problem.target[place] - sound.residuals[place] / weight)
    return float(np.exp(value)) if evidence.on_log else value
