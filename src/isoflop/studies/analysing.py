"""From the logs of a study to what it comes to: the table, the analysis made of it, and both on disk.

tables/evaluations.csv    every held-out loss, from the logs of the runs
fits/NAME.json            the fits of the analysis, each verifiable by itself
fits/analysis.json        our numbers beside the published ones
reports/report.md         the same to read
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from isoflop import records
from isoflop.studies.analyses.analysis import Analysis, Evidence
from isoflop.studies.analyses.catalogue import find_analysis
from isoflop.studies.analyses.evaluations import evaluation_table
from isoflop.studies.analysis_page import Circumstances, markdown_page
from isoflop.studies.result import finished_runs
from isoflop.studies.study import PlannedRun, Study
from isoflop.studies.text import StudyText

TABLE_FILE, ANALYSIS_FILE, PAGE_FILE = "tables/evaluations.csv", "fits/analysis.json", "reports/report.md"


def evidence_of(study: Study, directory: Path, planned: Sequence[PlannedRun], text: StudyText) -> Evidence:
    """What the analysis of a study has before it, from the logs of its runs."""
    return Evidence(study, evaluation_table(directory, planned, study.fit.param_count), text.known)


def analyse(evidence: Evidence) -> Analysis:
    """What the study comes to: a function of its table.

    Raises:
        Refusal: the runs do not carry the question.
    """
    return find_analysis(evidence.study.analysis)(evidence)


def analyse_study(study: Study, directory: Path, planned: Sequence[PlannedRun], text: StudyText) -> Analysis:
    """Write the table, the analysis with its fits, and the page of a study whose runs are done."""
    evidence = evidence_of(study, directory, planned, text)
    write_table(evidence, directory)
    analysis = analyse(evidence)
    for name, fit in analysis.fits.items():
        (directory / "fits").mkdir(parents=True, exist_ok=True)
        fit.save(directory / "fits" / f"{name}.json")
    records.write_record(directory / ANALYSIS_FILE, analysis.to_dict())
    records.write_text(directory / PAGE_FILE, markdown_page(analysis, study, circumstances(directory, planned, text)))
    return analysis


def write_table(evidence: Evidence, directory: Path) -> None:
    """Write every evaluation as a CSV that any tool reads."""
    (directory / TABLE_FILE).parent.mkdir(parents=True, exist_ok=True)
    evidence.table.to_csv(directory / TABLE_FILE)


def circumstances(directory: Path, planned: Sequence[PlannedRun], text: StudyText) -> Circumstances:
    """Under which circumstances the runs of a study came about."""
    runs = finished_runs(directory, planned)
    last = max(runs, key=lambda run: run.finished)
    environment = last.environment
    return Circumstances(
        text=text.note,
        machine=", ".join(environment[key] for key in ("machine", "device") if key in environment),
        versions=", ".join(f"{key} {environment[key]}" for key in ("isoflop", "python", "torch") if key in environment),
        date=last.finished[:10] or datetime.now(UTC).date().isoformat(),
        runs=len(runs),
        flops=sum(run.compute for run in runs),
        cpu_seconds=sum(run.cpu_seconds for run in runs),
        states={state: sum(run.state == state for run in runs) for state in ("diverged", "failed")},
    )
