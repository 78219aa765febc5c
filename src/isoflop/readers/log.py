"""RunLog: one training run as a tracker or a log holds it; and how the pieces of a restarted run become one.

A run that was restarted is in several pieces: several files, or one file in which steps go back. A later piece
replaces what earlier ones logged from its first step on, since it went on from there; within a piece the value
written last counts. What was replaced is reported.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.quantities import ParamCount
from isoflop.readers.metrics import Meaning

LARGEST = 10**300
"""Settings beyond it are no quantity that anyone meant, and do not fit a float."""

Ending = str
"""How the tool says a run ended: `finished`, `failed`, `running`, or empty where it does not say."""


@dataclass(frozen=True, eq=False)
class Series:
    """One metric of a run: `values` after `steps`, which rise."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.steps.size)

    @property
    def last(self) -> float:
        """The value at the highest step."""
        return float(self.values[-1])

    @property
    def last_step(self) -> float:
        """The highest step."""
        return float(self.steps[-1])


@dataclass(frozen=True)
class Overlap:
    """What a restart replaced: `points` values from step `start` to step `end`."""

    points: int
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class RunLog:
    """One run as it was logged.

    `facts` are standard columns that the format itself gives (its steps, its batch in tokens), `config` what the
    user gave the tracker, `summary` final values without a series, `evals` benchmark results by `eval:` column.
    `meanings` says what metrics measure where the format knows; elsewhere their names tell.
    """

    run: str
    source: str
    series: Mapping[str, Series]
    facts: Mapping[str, float | str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, float] = field(default_factory=dict)
    evals: Mapping[str, float] = field(default_factory=dict)
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    ending: Ending = ""
    param_count: ParamCount = "unspecified"
    overlap: Overlap | None = None
    notes: tuple[str, ...] = ()


class Recorder:
    """Values as they come, in the order they were written; `series` makes one rising series of each metric."""

    def __init__(self) -> None:
        self._pieces: list[dict[str, tuple[array[float], array[float]]]] = [{}]

    def begin_piece(self) -> None:
        """What follows was written by a later process, to another file perhaps."""
        if self._pieces[-1]:
            self._pieces.append({})

    def add(self, step: float, metric: str, value: float) -> None:
        """One value; a metric whose steps go back begins a piece by itself."""
        steps, values = self._of(metric)
        if steps and step < steps[-1]:
            self.begin_piece()
            steps, values = self._of(metric)
        steps.append(step)
        values.append(value)

    def add_unordered(self, step: float, metric: str, value: float) -> None:
        """One value from a store that keeps no order of writing: steps that go back say nothing."""
        steps, values = self._of(metric)
        steps.append(step)
        values.append(value)

    def __bool__(self) -> bool:
        return any(self._pieces)

    def _of(self, metric: str) -> tuple[array[float], array[float]]:
        return self._pieces[-1].setdefault(metric, (array("d"), array("d")))

    def stitched(self) -> tuple[dict[str, Series], Overlap | None]:
        """One series for each metric, and what later pieces replaced."""
        whole: dict[str, Series] = {}
        overlaps: list[Overlap] = []
        for piece in self._pieces:
            later = {metric: _sorted(steps, values) for metric, (steps, values) in piece.items()}
            shared = [metric for metric in later if metric in whole]
            if shared:
                cut = min(float(later[metric].steps[0]) for metric in shared)
                whole, replaced = _before(whole, cut)
                overlaps += replaced
            for metric, series in later.items():
                whole[metric] = _joined(whole[metric], series) if metric in whole else series
        return whole, _together(overlaps)


def _sorted(steps: array[float], values: array[float]) -> Series:
    order = np.array(steps)
    numbers = np.array(values)
    if order.size > 1 and not np.all(np.diff(order) > 0):
        by_step = np.argsort(order, kind="stable")
        order, numbers = order[by_step], numbers[by_step]
        is_last = np.append(np.diff(order) > 0, True)
        order, numbers = order[is_last], numbers[is_last]
    return Series(order, numbers)


def _before(whole: dict[str, Series], cut: float) -> tuple[dict[str, Series], list[Overlap]]:
    """The series before step `cut`, and what that leaves out."""
    kept: dict[str, Series] = {}
    gone: list[Overlap] = []
    for metric, series in whole.items():
        place = int(np.searchsorted(series.steps, cut, side="left"))
        if place < len(series):
            gone.append(Overlap(len(series) - place, float(series.steps[place]), series.last_step))
        if place:
            kept[metric] = Series(series.steps[:place], series.values[:place])
    return kept, gone


def _joined(earlier: Series, later: Series) -> Series:
    # Where pieces share no metric with an overlap, an earlier one may still reach beyond the start of a later one.
    steps = np.concatenate([earlier.steps, later.steps])
    return _sorted(array("d", steps), array("d", np.concatenate([earlier.values, later.values])))


def _together(overlaps: list[Overlap]) -> Overlap | None:
    if not overlaps:
        return None
    return Overlap(
        sum(item.points for item in overlaps), min(item.start for item in overlaps), max(item.end for item in overlaps)
    )


def summed(series: Series) -> Series:
    """Tokens so far from the tokens of each step; steps between those logged are taken to be like the next one."""
    before = -1.0 if series.steps[0] == 0 else 0.0
    return Series(series.steps, np.cumsum(series.values * np.diff(series.steps, prepend=before)))


def number_of(value: Any) -> float | None:
    """A logged value as a number, or None when it is none; trackers write NaN and infinities as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str) and value.strip().lower() in ("nan", "inf", "-inf", "infinity", "-infinity", "+inf"):
        return float(value)
    return None


def flattened(config: Mapping[str, Any], prefix: str = "", depth: int = 8) -> dict[str, Any]:
    """The scalars of a nested configuration under names such as `model.width`; lists and deeper levels are left out."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            if depth:
                flat.update(flattened(value, f"{prefix}{key}.", depth - 1))
        elif isinstance(value, int) and abs(value) > LARGEST:
            continue
        elif isinstance(value, (str, int, float)) or value is None:
            flat[f"{prefix}{key}"] = value
    return flat
