"""Every rule about a fit, in the order in which a reader would ask; `examine` runs them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.diagnostics import clusters, design, downstream, intervals, noise, optimum, outliers, shape, units
from isoflop.fitting.diagnostics.closest import closest
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.diagnostics.repetition import repeated_data
from isoflop.fitting.diagnostics.search import sound_rows
from isoflop.fitting.fit import Fit
from isoflop.laws.graph import Array
from isoflop.runs.checks.examination import examine_table

_OF_A_LAW = frozenset(
    {
        "flat", "degenerate", "ill-conditioned", "few-starts-agree", "at-bound", "misplaced-floor", "wrong-sign",
        "bend", "drift", "lack-of-fit", "backtest-miss", "influential-run", "uneven-scatter", "interval-disagreement",
    }
)  # fmt: skip
"""Codes of what is said of one law, and need not hold of another."""


def examine(fitted: Fit, draws: int) -> tuple[Finding, ...]:
    """Every finding about this fit; `draws` is how many resamples were asked for."""
    evidence = Evidence(closest(fitted))
    sound = sound_rows(evidence)
    said = (*_of_the_fit(evidence, sound), *(() if sound is None else _of_the_residuals(evidence, sound)))
    if fitted.members:
        said = tuple(_said_of(finding, evidence.fit.law.name) for finding in said)
    return (*examine_table(fitted.runs, fitted.law.output), *said, *_of_the_draws(fitted, draws))


def _said_of(finding: Finding, law: str) -> Finding:
    """The finding with the name of the law that it is about."""
    if finding.code not in _OF_A_LAW:
        return finding
    message = f"{finding.message} This is of {law}, which of the laws that share the forecast is closest to these runs."
    return replace(finding, message=message)


def _of_the_fit(evidence: Evidence, sound: LeastSquares | None) -> Iterator[Finding]:
    """What the optimum and the design show."""
    yield from optimum.not_an_optimum(evidence)
    yield from optimum.few_starts(evidence)
    yield from optimum.at_bounds(evidence)
    yield from optimum.misplaced_floor(evidence)
    yield from optimum.wrong_direction(evidence)
    yield from design.few_runs(evidence)
    yield from design.few_levels(evidence)
    yield from design.narrow_range(evidence)
    yield from design.collinear(evidence)
    yield from design.small_differences(evidence, sound)
    yield from clusters.grouped_rows(evidence, sound)
    yield from noise.no_replicates(evidence, sound)
    yield from repeated_data(evidence)
    yield from downstream.downstream(evidence)


def _of_the_draws(fitted: Fit, draws: int) -> Iterator[Finding]:
    """What the draws show, those of every law that shares the forecast."""
    yield from intervals.unsettled_draws(fitted, draws)
    yield from intervals.open_bounds(fitted)
    yield from intervals.outside_own_draws(fitted)
    yield from intervals.few_draws(draws)


def _of_the_residuals(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """What the residuals show; rows off the curve are named first and have no say in the rest."""
    slips = units.slips(evidence, sound)
    yield from units.unit_slips(evidence, slips)
    missed = tuple(shape.missed_largest(evidence, sound))
    yield from missed
    named = {row for finding in missed for row in finding.rows}
    yield from outliers.outliers(evidence, sound, frozenset(slips), frozenset(named))
    if evidence.fit.status in (FitStatus.NOT_STATIONARY, FitStatus.FLAT):
        return
    yield from outliers.influential(evidence, sound)
    missing = shape.missing_terms(evidence, sound)
    nothing = np.empty((int(sound.used.sum()), 0))
    yield from noise.uneven_scatter(evidence, sound, np.hstack([nothing, *missing.values()]))
    yield from _misfit(evidence, sound, missing)
    if sound.used.all():
        yield from intervals.widths(evidence, sound)


def _misfit(evidence: Evidence, sound: LeastSquares, missing: dict[str, Array]) -> Iterator[Finding]:
    """The most telling of the ways in which a law does not fit: each of the others would say the same again."""
    found = tuple(shape.bend(evidence, sound, missing))
    for rule in (shape.drift, noise.lack_of_fit, noise.patterns):
        found = found or tuple(rule(evidence, sound))
    yield from found
