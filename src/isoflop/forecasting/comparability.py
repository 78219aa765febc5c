"""Whether the runs of two recipes can be compared at all: what their losses are losses of, and where they meet.

Losses per token compare only over the same tokens of the same held-out text, so recipes that differ in tokenizer or
evaluation set are refused; recipes trained on different data are refused until it is said that they were evaluated on
the same. Recipes whose compute does not overlap are compared by the law's curvature alone, which is no measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.forecasting.twins import Ladders, near
from isoflop.quantities import format_flops, format_number
from isoflop.runs.columns import standard_name

TREND_DECADES = 0.5
"""Recipes that meet over less than this many decades of compute say nothing about a trend."""
TREND_RUNS = 3
"""Nor do fewer computes than this of either recipe where they meet."""
_NARROW = 0.3  # decades: recipes that meet over less than a factor of two

# what makes losses incomparable → names of columns that tell it, as `standard_name` spells them
_SCALES = {
    "tokenizer": ("tokenizer", "tokeniser", "tokenizerhash", "vocab", "vocabsize", "vocabulary", "vocabularysize"),
    "unit of loss": ("lossunit", "lossunits", "unit", "units"),
    "parameter count": ("paramcount", "parametercount"),
}
_EVALUATION = (
    "evalset", "evaldataset", "evaldata", "evalsplit", "evaluation", "evaluationset", "evaluationdata", "valset",
    "valdata", "valdataset", "validationset", "validationdata", "validationdataset", "heldouttext", "testset",
)  # fmt: skip
_DATA = ("dataset", "data", "corpus", "text", "trainset", "traindata", "trainingset", "trainingdata", "trainingdataset")


@dataclass(frozen=True)
class Meeting:
    """The compute over which two recipes both have runs; `decades` is negative where they do not meet."""

    low: float
    high: float
    baseline_runs: int
    family_runs: int

    @property
    def decades(self) -> float:
        """How far it reaches."""
        return float(np.log10(self.high / self.low))

    @property
    def middle(self) -> float:
        """The middle of it; of the gap between the recipes where they do not meet."""
        return float(np.sqrt(self.low * self.high))

    @property
    def tells_trend(self) -> bool:
        """Whether the recipes meet over enough compute, with enough runs, to see the multiplier change."""
        return self.decades >= TREND_DECADES and min(self.baseline_runs, self.family_runs) >= TREND_RUNS


def meeting_of(ladders: Ladders) -> Meeting:
    """Where the recipes meet; a distinct compute counts as one run."""
    sides = [ladders.compute[~ladders.other], ladders.compute[ladders.other]]
    low, high = max(side.min() for side in sides), min(side.max() for side in sides)
    margin = 1.0 + 1e-9
    counts = [_distinct(side[(side >= low / margin) & (side <= high * margin)]) for side in sides]
    return Meeting(float(low), float(high), *counts)


def comparability(ladders: Ladders, names: tuple[str, str], same_evaluation: bool) -> tuple[Finding, ...]:
    """What speaks against comparing the recipes called `names`, baseline first."""
    return (*_scales(ladders, names), *_evaluations(ladders, names, same_evaluation))


def meeting_findings(meeting: Meeting, names: tuple[str, str]) -> Iterator[Finding]:
    """What the reach of the compute that both recipes have means for the answer."""
    baseline, family = names
    if meeting.decades < 0.0:
        yield Finding(
            "no-overlap",
            "refuse",
            f"The runs of {baseline} and {family} do not overlap in compute: they are {1.0 / 10**meeting.decades:.3g}× "
            "apart, so the law's curvature alone would tell them apart; train both at the same compute.",
        )
        return
    if meeting.decades < _NARROW and not meeting.tells_trend:
        yield Finding(
            "little-overlap",
            "warn",
            f"{baseline} and {family} share only {10**meeting.decades:.3g}× of compute ({format_flops(meeting.low)} to "
            f"{format_flops(meeting.high)}): the multiplier holds there, and how it changes is not known.",
        )
    elif not meeting.tells_trend:
        yield Finding(
            "no-trend",
            "note",
            f"{baseline} and {family} share {10**meeting.decades:.3g}× of compute with {meeting.baseline_runs} and "
            f"{meeting.family_runs} distinct budgets: too few to say how the multiplier changes with compute, so it is "
            "taken as constant.",
        )


def cost_finding(cost: float, names: tuple[str, str]) -> Iterator[Finding]:
    """Runs of equal size and data that cost more in one recipe; `cost` is that of the family over the baseline."""
    if abs(np.log(cost)) > 0.02:
        baseline, family = names
        yield Finding(
            "cost-differs",
            "note",
            f"By the column compute, a run of {family} takes {format_number(cost, 3)}× that of a run of {baseline} of "
            "the same size and data: the multiplier counts it.",
        )


def _distinct(compute: np.ndarray) -> int:
    return len(np.unique(near(compute))) if len(compute) else 0


def _scales(ladders: Ladders, names: tuple[str, str]) -> Iterator[Finding]:
    for what, spellings in _SCALES.items():
        for column, (first, second) in _told(ladders, spellings):
            if first != second or len(first) > 1:
                yield Finding(
                    "different-scale",
                    "refuse",
                    f"{_difference(names, column, first, second)}: losses of another {what} are on another scale and "
                    "do not compare.",
                )


def _evaluations(ladders: Ladders, names: tuple[str, str], same_evaluation: bool) -> Iterator[Finding]:
    evaluations, data = list(_told(ladders, _EVALUATION)), list(_told(ladders, _DATA))
    for column, (first, second) in evaluations:
        if first != second or len(first) > 1:
            yield Finding(
                "different-evaluation",
                "refuse",
                f"{_difference(names, column, first, second)}: losses on different text do not compare.",
            )
    if same_evaluation or evaluations:
        return
    for column, (first, second) in data:
        if first != second:
            yield Finding(
                "different-data",
                "refuse",
                f"{_difference(names, column, first, second)}, and nothing says that both were evaluated on the same "
                "text: say so with --same-evaluation, or in a column eval_set.",
            )
        elif len(first) > 1:
            yield Finding(
                "mixed-data",
                "warn",
                f"Column {column!r} holds {_listed(first)} in both recipes: losses of different data do not follow one "
                "law; keep one of them with --where.",
            )
    if not any(first != second for _, (first, second) in data):
        yield Finding(
            "evaluation-assumed",
            "note",
            "Nothing in the table says on what text the losses were measured: it is taken to be the same, with the "
            "same tokenizer.",
        )


def _told(ladders: Ladders, spellings: tuple[str, ...]) -> Iterator[tuple[str, tuple[set[str], set[str]]]]:
    """Each column of one of those names that tells something of both recipes, with what it tells of either."""
    for column, values in ladders.runs.columns.items():
        if standard_name(column) in spellings:
            first, second = (
                {f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in side if cell == cell and cell != ""}
                for side in (values[~ladders.other].tolist(), values[ladders.other].tolist())
            )
            if first and second:
                yield column, (first, second)


def _difference(names: tuple[str, str], column: str, first: set[str], second: set[str]) -> str:
    if first == second:
        return f"{names[0]} and {names[1]} both mix values of column {column!r} ({_listed(first)})"
    return f"{names[0]} and {names[1]} differ in column {column!r} ({_listed(first)} against {_listed(second)})"


def _listed(values: set[str], most: int = 3) -> str:
    shown = sorted(values)
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
