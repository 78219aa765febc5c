"""The report of a study: its fit, its runs, and each forecast beside what came, read from the study's directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from isoflop.errors import InputError
from isoflop.fitting.fit import load_fit
from isoflop.forecasting.backtest import Outcome
from isoflop.lab.source import BYTES
from isoflop.reporting.inputs import Facts, HeldOut, ReportInputs
from isoflop.reporting.report import report_from_fit, write_report
from isoflop.runs.run import Run
from isoflop.studies.plan import plan_runs
from isoflop.studies.progress import run_label
from isoflop.studies.result import WrittenForecast, compare_held_out, finished_runs, written_forecast
from isoflop.studies.study import FORECAST, PlannedRun, Study
from isoflop.studies.text import text_if_there


def write_study_report(study: Study, directory: Path) -> Path:
    """Write `reports/report.html` of a study into its directory and return where it is.

    Raises:
        MissingExtraError: the chart library is not installed.
    """
    return write_report(directory / "reports" / "report.html", study_report(study, directory))


def study_report(study: Study, directory: Path) -> ReportInputs:
    """All that the report of a study shows, as far as the study is.

    Raises:
        InputError: the ladder has not been fitted yet.
    """
    if study.analysis != FORECAST:
        raise InputError(
            f"study {study.name} has an analysis of its own: read {directory / 'reports' / 'report.md'}, or report on "
            f"one of the fits in {directory / 'fits'}."
        )
    fit_path = directory / "fits" / "fit.json"
    text = text_if_there(directory, study.text)
    if text is None or not fit_path.exists():
        raise InputError(f"{directory} holds no fit yet: isoflop run {directory / 'study.toml'} first.")
    planned = plan_runs(study, text.spec)
    ladder = tuple(run for run in planned if run.role == "ladder")
    held_out = tuple(run for run in planned if run.role == "held-out")
    forecast = written_forecast(directory, study.fit, ladder, held_out) if held_out else None
    runs = finished_runs(directory, planned)
    inputs = report_from_fit(
        load_fit(fit_path),
        title=f"{study.name}: {len(ladder)} runs" + (f", {len(held_out)} held out" if held_out else ""),
        facts=_facts(study, text.note, runs),
        commands=(f"isoflop run {directory / 'study.toml'}",),
    )
    if forecast is None:
        return replace(inputs, runs=runs)
    new = tuple(finding for finding in forecast.findings if finding not in inputs.fit.findings)
    return replace(inputs, runs=runs, held_out=_held_out(directory, forecast, held_out, runs), findings=new)


def _held_out(
    directory: Path, forecast: WrittenForecast, planned: tuple[PlannedRun, ...], runs: tuple[Run, ...]
) -> tuple[HeldOut, ...]:
    """The held-out runs that gave a loss; a forecast made after an outcome does not count as written before it."""
    labels = {run.spec.identifier: run_label(run.spec) for run in planned}
    finished = {run.spec.identifier: run for run in runs}
    compute = {row.identifier: row.compute for row in forecast.rows}
    late = any(finding.code == "forecast-after-outcome" for finding in forecast.findings)
    return tuple(
        HeldOut(
            outcome=Outcome(0, row.params, row.tokens, compute[row.identifier], row.actual, row.forecast),
            name=labels[row.identifier],
            run=finished[row.identifier],
            forecast_written="" if late else forecast.written,
        )
        for row in compare_held_out(directory, forecast)
        if row.actual is not None
    )


def _facts(study: Study, note: str, runs: tuple[Run, ...]) -> Facts:
    last = max(runs, key=lambda run: run.finished, default=None)
    if last is None:
        return Facts(seed=study.seed)
    environment = last.environment
    source = last.spec.text.source
    recorded = {"isoflop": "isoflop", "Python": "python", "torch": "torch", "numpy": "numpy"}
    versions = {name: environment[key] for name, key in recorded.items() if key in environment}
    return Facts(
        text=source,
        text_note=note,
        unit="byte" if last.spec.text.tokenizer == BYTES else "token",
        machine=", ".join(environment[name] for name in ("machine", "device") if name in environment),
        date=last.finished[:10],
        versions=versions,
        seed=study.seed,
        flops=sum(run.compute for run in runs),
        seconds=sum(run.seconds for run in runs),
    )
