"""From a study file to an outcome: train the ladder, fit it, write the forecast down, train what was held out, compare.

Each step is a function of what is on disk, so a study that was stopped anywhere goes on there when it is run again:

    prepare ─▶ train ladder ─▶ fit ─▶ forecast (written once, with its time) ─▶ train held-out ─▶ compare ─▶ finish
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoflop.errors import MissingExtraError, UsageError
from isoflop.findings import Finding
from isoflop.fitting.fit import Fit
from isoflop.lab.corpus import Corpus
from isoflop.quantities import format_count, format_duration, format_flops
from isoflop.runs.directory import RunDirectory
from isoflop.studies.cost import StudyCost, study_cost
from isoflop.studies.dispatch import train_runs
from isoflop.studies.engine import Engine
from isoflop.studies.inline import InlineEngine
from isoflop.studies.processes import ProcessEngine
from isoflop.studies.progress import Reporter
from isoflop.studies.report import write_study_report
from isoflop.studies.result import (
    HeldOutResult,
    WrittenForecast,
    compare_held_out,
    fit_ladder,
    forecast_held_out,
)
from isoflop.studies.status import RunCounts, count_runs
from isoflop.studies.study import PlannedRun, Role, Study, plan_runs
from isoflop.studies.study_file import read_study
from isoflop.studies.text import prepare_study_text

ENGINES = ("local", "inline")

# A text read more often than this teaches less each time; chinchilla's law does not know that.
_EPOCHS_WORTH_SAYING = 1.0


@dataclass(frozen=True)
class PreparedStudy:
    """A study on its text, ready to train: its directory, its runs, and what is left to pay for."""

    study: Study
    directory: Path
    corpus: Corpus
    planned: tuple[PlannedRun, ...]
    cost: StudyCost
    findings: tuple[Finding, ...] = ()

    def of(self, role: Role) -> tuple[PlannedRun, ...]:
        """The runs of one role."""
        return tuple(run for run in self.planned if run.role == role)

    def __str__(self) -> str:
        """What will be done, and what it costs."""
        ladder, held_out = self.of("ladder"), self.of("held-out")
        flop = format_flops(sum(run.compute for run in self.planned))
        lines = [
            f"{self.study.name}: a ladder of {len(ladder)} runs and {len(held_out)} held out, {flop} in all.",
            f"Text: {self.corpus.note.rstrip('.')}; {format_count(self.corpus.spec.tokens)} training tokens.",
        ]
        cost = self.cost
        if cost.done == cost.runs:
            return "\n".join([*lines, "All runs are there; nothing is left to train."])
        there = f"{cost.done} of {cost.runs} runs are there; " if cost.done else ""
        cores = f"{cost.slots} core" + ("s" if cost.slots > 1 else "")
        lines.append(
            f"Cost: {there}{format_flops(cost.compute)} to go, about {format_duration(cost.seconds)} on {cores}."
        )
        return "\n".join([*lines, *(finding.message for finding in self.findings)])


@dataclass(frozen=True)
class StudyOutcome:
    """What a study came to; `report` is None where the chart library is not installed."""

    study: str
    directory: Path
    counts: RunCounts
    fit: Fit
    fit_path: Path
    forecast: WrittenForecast | None
    held_out: tuple[HeldOutResult, ...]
    report: Path | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `run --json`."""
        return {
            "schema": "isoflop.study/1",
            "study": self.study,
            "runs": self.counts.to_dict(),
            "fit": str(self.fit_path.resolve()),
            "forecast": str(self.forecast.path.resolve()) if self.forecast else None,
            "held_out": [row.to_dict() for row in self.held_out],
            "report": str(self.report.resolve()) if self.report else None,
            "warnings": [finding.to_dict() for finding in (self.forecast.findings if self.forecast else ())],
        }


def engine_for(name: str, study_directory: Path, slots: int | None = None) -> Engine:
    """The engine called `name`: `local` (worker processes) or `inline` (this process).

    Raises:
        UsageError: there is no engine of that name.
    """
    if name == "local":
        return ProcessEngine(study_directory, slots)
    if name == "inline":
        return InlineEngine(study_directory)
    raise UsageError(f"on={name!r} is not an engine: use {' or '.join(ENGINES)}.")


def prepare_study(study_file: Path, slots: int = 1) -> PreparedStudy:
    """Read the study, get its text, plan its runs and estimate what is left; `slots` runs train at once."""
    study = read_study(study_file)
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("torch", "lab", "training")
    directory = study_file.resolve().parent
    corpus = prepare_study_text(directory, study.text)
    planned = plan_runs(study, corpus.spec)
    cost = study_cost(directory, planned, slots)
    return PreparedStudy(study, directory, corpus, planned, cost, _repeated_text(planned, corpus))


def run_study(
    study_file: Path, *, engine: Engine | None = None, reporter: Reporter, retry_failed: bool = False
) -> StudyOutcome:
    """Run a study from where it stands to its outcome; cost is said before anything is trained.

    Args:
        study_file: its `study.toml`; everything is written beside it.
        engine: where to train; local worker processes unless given.
        reporter: told what happens.
        retry_failed: train again the runs that failed before.

    Raises:
        StudyInterrupted: a signal asked to stop; running it again goes on.
        Refusal: the ladder cannot carry the fit or the forecast.
    """
    engine = engine_for("local", study_file.resolve().parent) if engine is None else engine
    try:
        with reporter:
            return _run(study_file, engine, reporter, retry_failed)
    finally:
        engine.close()


def _run(study_file: Path, engine: Engine, reporter: Reporter, retry_failed: bool) -> StudyOutcome:
    prepared = prepare_study(study_file, engine.slots)
    if retry_failed:
        reopen_failed(prepared)
        prepared = prepare_study(study_file, engine.slots)
    directory, rule, ladder, held_out = (
        prepared.directory,
        prepared.study.fit,
        prepared.of("ladder"),
        prepared.of("held-out"),
    )
    reporter.note(str(prepared))
    train_role(prepared, "ladder", engine, reporter)
    fit, fit_path = fit_ladder(directory, rule, ladder, prepared.study.seed)
    reporter.note(str(fit))
    if not held_out:
        return finish(prepared, fit, fit_path, None, ())
    forecast = forecast_held_out(directory, rule, fit, ladder, held_out)
    reporter.note(str(forecast))
    train_role(prepared, "held-out", engine, reporter)
    outcomes = compare_held_out(directory, forecast)
    for outcome in outcomes:
        reporter.note(str(outcome))
    return finish(prepared, fit, fit_path, forecast, outcomes)


def train_role(prepared: PreparedStudy, role: Role, engine: Engine, reporter: Reporter) -> None:
    """Train what is not done of the runs of one role."""
    title = {"ladder": "Training the ladder", "held-out": "Training what was forecast"}[role]
    train_runs(prepared.directory, prepared.of(role), engine, reporter, title)


def reopen_failed(prepared: PreparedStudy) -> None:
    """Take back the results of planned runs that failed, so that they are trained again."""
    for run in prepared.planned:
        directory = RunDirectory(prepared.directory / "runs" / run.spec.identifier)
        result = directory.result()
        if result is not None and result.state == "failed":
            directory.reopen()


def finish(
    prepared: PreparedStudy,
    fit: Fit,
    fit_path: Path,
    forecast: WrittenForecast | None,
    held_out: tuple[HeldOutResult, ...],
) -> StudyOutcome:
    """Gather the outcome and write its report; without the chart library there is none."""
    counts = count_runs(prepared.directory, prepared.planned)
    try:
        report = write_study_report(prepared.study, prepared.directory)
    except MissingExtraError:
        report = None
    return StudyOutcome(prepared.study.name, prepared.directory, counts, fit, fit_path, forecast, held_out, report)


def _repeated_text(planned: Sequence[PlannedRun], corpus: Corpus) -> tuple[Finding, ...]:
    most = max(run.spec.tokens for run in planned)
    epochs = most / corpus.spec.tokens
    if epochs <= _EPOCHS_WORTH_SAYING:
        return ()
    message = (
        f"The largest run reads its text {epochs:.1f} times over: loss then falls more slowly than a law of fresh "
        "tokens says; give more text or fewer tokens."
    )
    return (Finding("repeated-text", "warn" if epochs > 2 else "note", message),)
