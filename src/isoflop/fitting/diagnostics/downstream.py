"""Metrics with a level of chance, such as accuracy, say little until models rise above it: D23."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.evidence import Evidence
from isoflop.fitting.diagnostics.ranks import rank_correlation
from isoflop.laws.graph import Array, Index, Mask
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import has_numbers, levels, lines, naming

_SCORE = re.compile(r"^eval[:/]|accuracy$|(^|[_/])acc(_norm)?$|score$", re.IGNORECASE)
_AVERAGE = re.compile(r"average|avg|mean|macro|overall|aggregate|suite|core|accuracy$", re.IGNORECASE)
_ABOVE, _LEAST_ABOVE = 4.0, 0.015  # standard deviations, and points, by which a score is above chance
_AT_CHANCE = 1.0 / 3.0  # share of the runs
_FEWEST_SCALES = 3
_FALL, _LEAST_FALL = 6.0, 0.02
_WEAK = 0.5  # rank correlation of score and scale


@dataclass(frozen=True)
class Scores:
    """A score (n,) along scale (n,), rising; `noise` is how much neighbours differ by chance."""

    values: Array
    scale: Array
    noise: float
    chance: float | None

    @property
    def above(self) -> Mask:
        """Which runs are above chance; all where it is not known."""
        if self.chance is None:
            return np.ones(len(self.values), dtype=bool)
        return self.values > self.chance + max(_ABOVE * self.noise, _LEAST_ABOVE)


def downstream(evidence: Evidence) -> Iterator[Finding]:
    """All findings about a score; none for a loss."""
    scores = _scores(evidence)
    if scores is None:
        return
    yield from _at_chance(evidence, scores)
    yield from _not_rising(evidence, scores)
    output = evidence.fit.law.output
    if not _AVERAGE.search(output):
        message = f"{output} is one task: single tasks jump about more than averages over many, which forecast better."
        yield Finding("single-task", "note", message)


def _scores(evidence: Evidence) -> Scores | None:
    fit = evidence.fit
    if not _SCORE.search(fit.law.output) or len(fit.runs) < 4:
        return None
    values = np.asarray(fit.runs.numbers(fit.law.output), dtype=float)
    inputs = list(evidence.log_inputs.items())
    if len(inputs) == 1 and inputs[0][0].endswith("loss"):
        scale = -inputs[0][1]
    elif evidence.log_compute is not None:
        scale = evidence.log_compute
    else:
        return None
    return Scores(values, scale, _noise(values, scale), _chance(evidence))


def _noise(values: Array, scale: Array) -> float:
    """Standard deviation of the errors of values, from what each departs from the line through its neighbours."""
    order = np.argsort(scale, kind="stable")
    place, ordered = scale[order], values[order]
    gaps = np.maximum(place[2:] - place[:-2], 1e-12)
    share = (place[1:-1] - place[:-2]) / gaps
    departure = ordered[1:-1] - (1.0 - share) * ordered[:-2] - share * ordered[2:]
    expected = np.sqrt(1.0 + share**2 + (1.0 - share) ** 2)
    return float(np.median(np.abs(departure) / expected)) / 0.6745


def _chance(evidence: Evidence) -> float | None:
    """The level of chance: what the table says, else the floor of the fitted link."""
    fit = evidence.fit
    if has_numbers(fit.runs, "chance"):
        return float(np.median(fit.runs["chance"]))
    theta: dict[str, float] = dict(zip(fit.law.parameter_names, fit.theta.tolist(), strict=True))
    if fit.law.name == "link-logistic":
        return theta["low"]
    return theta["a"] + theta["b"] if fit.law.name == "link-two-step" else None


def _at_chance(evidence: Evidence, scores: Scores) -> Iterator[Finding]:
    low = ~scores.above
    output, runs = evidence.fit.law.output, evidence.fit.runs
    if scores.chance is None:
        return
    chance = format_number(scores.chance)
    if low.sum() > _AT_CHANCE * len(low):
        message = (
            f"{int(low.sum())} of {len(low)} runs have a {output} no better than chance ({chance}): they say nothing "
            "about how it rises."
        )
        yield Finding("at-chance", "warn", message, lines(runs, low))
    count = len(np.unique(_scales(evidence, scores)[scores.above]))
    if count < _FEWEST_SCALES:
        message = f"{output} is above chance ({chance}) at {count} scales: {_FEWEST_SCALES} are needed to see it rise."
        yield Finding("few-above-chance", "warn", message)


def _scales(evidence: Evidence, scores: Scores) -> Index:
    """Which scale each run is of: its model size where that is known, else its place along the ladder."""
    runs = evidence.fit.runs
    if has_numbers(runs, "params"):
        return levels(runs["params"])
    return levels(np.exp(scores.scale - scores.scale.min()))


def _not_rising(evidence: Evidence, scores: Scores) -> Iterator[Finding]:
    output = evidence.fit.law.output
    correlation = rank_correlation(scores.scale, scores.values)
    order = np.argsort(scores.scale, kind="stable")
    values = scores.values[order]
    fall = np.maximum.accumulate(values) - values
    worst = int(np.argmax(fall))
    if correlation < _WEAK and scores.above.any():
        message = (
            f"{output} does not rise with scale (rank correlation {correlation:.2f}): no law of scale describes it."
        )
        yield Finding("non-monotone", "warn", message)
    elif fall[worst] > max(_FALL * scores.noise, _LEAST_FALL):
        rows = lines(evidence.fit.runs, [order[worst]])
        message = (
            f"{output} falls by {format_number(float(fall[worst]), 2)} towards {naming(rows)} although scale grows: a "
            "law that only rises cannot describe it."
        )
        yield Finding("non-monotone", "warn", message, rows)
