"""The two trials of the diagnostics: planted faults must be named, clean studies must be left alone.

A reduced size runs in `make test`, the full one in `make check-statistics`, which writes docs/reference/diagnostics.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.forecasting.prediction import forecast
from isoflop.laws.law import Law
from tests.diagnostics.clean_studies import LAW, clean_study
from tests.diagnostics.planted import designs, forecasts, optima, recipes, rows, scores, shapes, slices
from tests.diagnostics.planted.kind import Kind, fitted, score

KINDS: tuple[Kind, ...] = tuple(
    sorted(
        (
            *optima.KINDS, *designs.KINDS, *forecasts.KINDS, *shapes.KINDS, *slices.KINDS, *recipes.KINDS,
            *rows.KINDS, *scores.KINDS,
        ),
        key=lambda kind: kind.diagnostic,
    )
)  # fmt: skip

LEAST_FLAGGED, LEAST_ROWS, MOST_ALARMS = 0.95, 0.98, 0.05

_FORECAST = 2.0  # times size and data of the run of the largest compute


@dataclass(frozen=True)
class Tally:
    """How often a kind of fault was planted, named by its code, and (of `asked`) by exactly its rows."""

    planted: int
    flagged: int
    asked: int
    right_rows: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.planted + other.planted,
            self.flagged + other.flagged,
            self.asked + other.asked,
            self.right_rows + other.right_rows,
        )


def tally(kind: Kind, seeds: Iterable[int]) -> Tally:
    """Plant a kind with each seed."""
    found = [score(kind, seed) for seed in seeds]
    rows_judged = [item.right_rows for item in found if item.right_rows is not None]
    return Tally(len(found), sum(item.flagged for item in found), len(rows_judged), sum(rows_judged))


def kinds_of(diagnostic: int) -> Sequence[Kind]:
    """All kinds of one diagnostic."""
    return [kind for kind in KINDS if kind.diagnostic == diagnostic]


def seeds_each(diagnostic: int, planted: int) -> range:
    """So many seeds for every kind of a diagnostic that at least `planted` faults are planted."""
    return range(math.ceil(planted / len(kinds_of(diagnostic))))


def alarms(seed: int, draws: int, law: Law | str = LAW) -> tuple[Finding, ...]:
    """Warnings and refusals about a clean study: its table, its fit, and a forecast at four times its compute."""
    found = fitted(clean_study(seed), law=law, draws=draws, seed=seed)
    said = found.findings
    if len(found.ensemble) > 1:
        top = int(np.argmax(found.runs["params"] * found.runs["tokens"]))
        point = {name: _FORECAST * float(found.runs[name][top]) for name in ("params", "tokens")}
        said = forecast(found, **point).findings
    return tuple(finding for finding in said if finding.severity != "note")
