"""From a study file to an outcome: train the ladder, fit it, write the forecast down, train what was held out, compare.

Each step is a function of what is on disk, so a study that was stopped anywhere goes on there when it is run again:

    prepare ─▶ train ladder ─▶ fit ─▶ forecast (written once, with its time) ─▶ train held-out ─▶ compare ─▶ finish
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from isoflop.errors import MissingExtraError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.fitting.fit import Fit
from isoflop.lab.mirrors import check_mirrors
from isoflop.quantities import format_count, format_duration, format_flops
from isoflop.runs.directory import RunDirectory
from isoflop.runs.spec import TextSpec, check_devices
from isoflop.studies.analyses.analysis import Analysis
from isoflop.studies.analysing import PAGE_FILE, analyse_study, evidence_of, write_table
from isoflop.studies.cost import StudyCost, price_text, study_cost
from isoflop.studies.dispatch import train_runs
from isoflop.studies.engine import Engine
from isoflop.studies.engines import engine_for
from isoflop.studies.last_engine import Place, keep_engine
from isoflop.studies.left_out import left_out
from isoflop.studies.plan import plan_runs
from isoflop.studies.progress import Reporter
from isoflop.studies.record import write_study_record
from isoflop.studies.report import write_study_report
from isoflop.studies.result import (
    HeldOutResult,
    WrittenForecast,
    compare_held_out,
    fit_ladder,
    forecast_held_out,
)
from isoflop.studies.results_index import brief_results
from isoflop.studies.scheduling import account_of, in_order, limit_of, order_of
from isoflop.studies.status import RunCounts, count_runs
from isoflop.studies.study import FORECAST, PlannedRun, Role, Study
from isoflop.studies.study_file import read_study
from isoflop.studies.text import StudyText, prepare_text

_BATCHES = 4
"""Under a limit on cost a study is trained in about as many parts, and the estimate mended between them."""

# A text read more often than this teaches less each time; chinchilla's law does not know that.
_EPOCHS_WORTH_SAYING = 1.0


@dataclass(frozen=True)
class PreparedStudy:
    """A study on its text, ready to train: its directory, its runs, and what is left to pay for."""

    study: Study
    directory: Path
    text: StudyText
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
            f"{self.study.name}: a ladder of {len(ladder)} runs and {len(held_out)} held out, {flop} in all."
            if self.study.analysis == FORECAST
            else f"{self.study.name}: {len(ladder)} runs, {flop} in all.",
            f"Text: {self.text.note.rstrip('.')}; {format_count(self.text.spec.tokens)} training tokens.",
        ]
        cost = self.cost
        if cost.done == cost.runs:
            return "\n".join([*lines, "All runs are there; nothing is left to train."])
        there = f"{cost.done} of {cost.runs} runs are there; " if cost.done else ""
        processes = self.study.launch.devices.processes
        count = cost.slots * processes
        cores = f"{count} core" + ("s" if count > 1 else "") + (f", {processes} for each run" if processes > 1 else "")
        dollars = "" if cost.dollars is None else f" and {price_text(cost.dollars)}"
        # Seconds are estimated for one core a run until there are runs to measure.
        reckoned = ", reckoned as on one core each" if processes > 1 and not cost.done else ""
        time = f"about {format_duration(cost.seconds)}{dollars} on {cores}{reckoned}"
        lines.append(f"Cost: {there}{format_flops(cost.compute)} to go, {time}.")
        if cost.dollars is None:
            rental, seconds = cost.rental, 3600.0 * cost.rental.hours
            time = f"about {format_duration(seconds)}" if seconds >= 1.0 else "under a second"
            card = f"On one rented {rental.device}, at 30 % of its peak"
            lines.append(f"{card}: {time} and {price_text(rental.dollars)}.")
        return "\n".join([*lines, *(finding.message for finding in self.findings)])


@dataclass(frozen=True)
class StudyOutcome(Judged):
    """What a study came to; `report` is None where the chart library is not installed.

    A study with an analysis of its own has that instead of fit, forecast and held-out runs.
    """

    study: str
    directory: Path
    counts: RunCounts
    fit: Fit | None
    fit_path: Path | None
    forecast: WrittenForecast | None
    held_out: tuple[HeldOutResult, ...]
    report: Path | None
    analysis: Analysis | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is to be said about fit and forecast, or about the fits of the analysis."""
        carriers = (self.fit, self.forecast)
        told = (finding for carrier in carriers if carrier is not None for finding in carrier.findings)
        return by_weight((*told, *(self.analysis.warnings if self.analysis else ())))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `run --json`."""
        return {
            "schema": "isoflop.study/1",
            "study": self.study,
            "runs": self.counts.to_dict(),
            "fit": str(self.fit_path.resolve()) if self.fit_path else None,
            "forecast": str(self.forecast.path.resolve()) if self.forecast else None,
            "held_out": [row.to_dict() for row in self.held_out],
            "report": str(self.report.resolve()) if self.report else None,
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
            **({"analysis": self.analysis.to_dict()} if self.analysis else {}),
        }


def prepare_study(study_file: Path, slots: int = 1, *, max_cost: str | None = None) -> PreparedStudy:
    """Read the study, get its text, plan its runs and estimate what is left; `slots` runs train at once.

    `max_cost` replaces the limit on cost of the study file.
    """
    study = read_study(study_file)
    if max_cost is not None:
        study = replace(study, spending=replace(study.spending, limit=max_cost))
    limit_of(study.spending)
    if study.trainer is None and importlib.util.find_spec("torch") is None:
        raise MissingExtraError("torch", "lab", "training")
    strategy = study.launch.devices.strategy
    if strategy.startswith("deepspeed") and importlib.util.find_spec("deepspeed") is None:
        raise MissingExtraError("deepspeed", "deepspeed", f"devices.strategy={strategy!r}")
    check_mirrors(study.mirrors)
    directory = study_file.resolve().parent
    text = prepare_text(directory, study.text)
    planned = plan_runs(study, text.spec)
    for run in planned:
        check_devices(run.spec, study.launch.devices)
    cost = study_cost(directory, planned, slots, dollars_per_hour=study.spending.dollars_per_hour)
    findings = (*_repeated_text(planned, text.spec), *left_out([run.spec for run in planned]))
    return PreparedStudy(study, directory, text, planned, cost, findings)


def run_study(
    study_file: Path,
    *,
    engine: Engine | None = None,
    reporter: Reporter,
    retry_failed: bool = False,
    max_cost: str | None = None,
) -> StudyOutcome:
    """Run a study from where it stands to its outcome; cost is said before anything is trained.

    Args:
        study_file: its `study.toml`; everything is written beside it.
        engine: where to train; where the study file says unless given.
        reporter: told what happens.
        retry_failed: train again the runs that failed before.
        max_cost: the most it may cost in all, `$20`, `3 hours` of slots or `1e18 FLOP`; that of the file unless given.

    Raises:
        StudyInterrupted: a signal asked to stop; running it again goes on.
        Refusal: the ladder cannot carry the fit or the forecast, or the next runs would cost more than they may.
    """
    if engine is None:
        engine = engine_for(study_file)
    try:
        with reporter:
            return _run(study_file, engine, reporter, retry_failed, max_cost)
    finally:
        engine.close()


def _run(
    study_file: Path, engine: Engine, reporter: Reporter, retry_failed: bool, max_cost: str | None
) -> StudyOutcome:
    prepared = prepare_study(study_file, engine.slots, max_cost=max_cost)
    if retry_failed:
        reopen_failed(prepared)
        prepared = prepare_study(study_file, engine.slots, max_cost=max_cost)
    reporter.note(str(prepared))
    write_study_record(prepared.study, prepared.directory, prepared.text)
    keep_engine(prepared.directory, Place(engine.name, engine.slots))
    train_role(prepared, "ladder", engine, reporter)
    if prepared.study.analysis != FORECAST:
        return _analysed(prepared)
    return _forecast(prepared, engine, reporter)


def _forecast(prepared: PreparedStudy, engine: Engine, reporter: Reporter) -> StudyOutcome:
    """The outcome of a study that forecasts: fit, forecast, train what was held out, compare."""
    study, directory = prepared.study, prepared.directory
    ladder, held_out = prepared.of("ladder"), prepared.of("held-out")
    fit, fit_path = fit_ladder(directory, study.fit, ladder, study.seed)
    write_table(evidence_of(study, directory, ladder, prepared.text), directory)
    reporter.note(str(fit))
    if not held_out:
        return finish(prepared, fit, fit_path, None, ())
    forecast = forecast_held_out(directory, study.fit, fit, ladder, held_out)
    reporter.note(str(forecast))
    train_role(prepared, "held-out", engine, reporter)
    outcomes = compare_held_out(directory, forecast)
    for outcome in outcomes:
        reporter.note(str(outcome))
    return finish(prepared, fit, fit_path, forecast, outcomes)


def _analysed(prepared: PreparedStudy) -> StudyOutcome:
    """The outcome of a study with an analysis of its own."""
    analysis = analyse_study(prepared.study, prepared.directory, prepared.of("ladder"), prepared.text)
    counts = count_runs(prepared.directory, prepared.planned)
    page = prepared.directory / PAGE_FILE
    return StudyOutcome(prepared.study.name, prepared.directory, counts, None, None, None, (), page, analysis)


def train_role(prepared: PreparedStudy, role: Role, engine: Engine, reporter: Reporter) -> None:
    """Train what is not done of the runs of one role."""
    title = {"ladder": "Training the ladder", "held-out": "Training what was forecast"}[role]
    study, spending = prepared.study, prepared.study.spending
    train = partial(
        train_runs, prepared.directory, engine=engine, reporter=reporter, title=title, launch=study.launch,
        stack=study.stack, dollars_per_hour=spending.dollars_per_hour,
    )  # fmt: skip
    target = max(prepared.of("held-out"), key=lambda run: run.compute, default=None)
    ordered = in_order(prepared.of(role), order_of(spending), target)
    limit = limit_of(spending)
    while limit is not None:
        results = brief_results(prepared.directory)
        left = [run for run in ordered if run.spec.identifier not in results]
        if not left:
            return
        account = account_of(limit, prepared.planned, results)
        # One batch for each slot at a time: what it took corrects what the next is expected to cost.
        affordable = account.affordable(left)[: max(engine.slots, len(left) // _BATCHES)]
        if not affordable:
            raise account.refusal(left)
        train(affordable)
    train(ordered)


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


def _repeated_text(planned: Sequence[PlannedRun], text: TextSpec) -> tuple[Finding, ...]:
    most = max(run.spec.tokens for run in planned)
    epochs = most / text.tokens
    if epochs <= _EPOCHS_WORTH_SAYING:
        return ()
    message = (
        f"The largest run reads its text {epochs:.1f} times over: loss then falls more slowly than a law of fresh "
        "tokens says; give more text or fewer tokens."
    )
    return (Finding("repeated-text", "warn" if epochs > 2 else "note", message),)
