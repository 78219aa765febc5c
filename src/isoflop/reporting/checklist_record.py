"""What a fit, and the report made of it, have on record: the only place where the checklist looks into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.certificate import Certificate
from isoflop.fitting.fit import Contestant, Fit, Part
from isoflop.forecasting.backtest import Verdict
from isoflop.forecasting.calibration import Calibration
from isoflop.laws.frontier import has_frontier
from isoflop.reporting.inputs import Facts, HeldOut, ReportInputs
from isoflop.runs.spec import RunSpec
from isoflop.runs.table import RunTable

Answer = tuple[str, str] | None
"""What is known and where it stands; None where the record says nothing."""


@dataclass(frozen=True)
class Record:
    """All that is on record: of the law, of the fit, of its runs and of how they were made.

    `parts` are the laws that make up the fit, the weightiest first; `contest` lists those that competed where the law
    was chosen. `specs` are the specifications of runs that isoflop trained itself; `misfit` is the median and the
    largest distance of a run from the law, relative where the fit is on log-loss.
    """

    parts: tuple[Part, ...]
    contest: tuple[Contestant, ...]
    output: str
    inputs: tuple[tuple[str, str], ...]
    references: tuple[str, ...]
    domain: str
    has_frontier: bool
    objective: str
    on_log: bool
    weights: str | None
    starts: str
    status: str
    certificate: Certificate
    method: str
    draws: int
    level: float
    groups: int
    seed: int
    misfit: tuple[float, float]
    runs: RunTable
    specs: tuple[RunSpec, ...]
    findings: tuple[Finding, ...]
    facts: Facts
    verdict: Verdict | None
    calibration: Calibration
    held_out: tuple[HeldOut, ...]


def record_of(inputs: ReportInputs, calibration: Calibration) -> Record:
    """The record behind a report."""
    fit = inputs.fit
    distance = np.abs(fit.residuals)
    return Record(
        parts=tuple(sorted(fit.parts, key=lambda part: -part.weight)),
        contest=fit.contest,
        output=fit.law.output,
        inputs=tuple((item.column, item.meaning) for item in fit.law.inputs),
        references=fit.law.references,
        domain=fit.law.domain,
        has_frontier=has_frontier(fit.law),
        objective=str(fit.objective),
        on_log=fit.objective.on == "log-loss",
        weights=fit.weights,
        starts=fit.starts,
        status=fit.status.sentence,
        certificate=fit.certificate,
        method=fit.ensemble.method,
        draws=len(fit.ensemble),
        level=fit.level,
        groups=_groups(fit),
        seed=fit.seed,
        misfit=(float(np.median(distance)), float(np.max(distance))),
        runs=fit.runs,
        specs=tuple(run.spec for run in inputs.runs),
        findings=fit.findings,
        facts=inputs.facts,
        verdict=inputs.verdict,
        calibration=calibration,
        held_out=inputs.held_out,
    )


def _groups(fit: Fit) -> int:
    return int(fit.clusters.max()) + 1 if len(fit.clusters) else 0
