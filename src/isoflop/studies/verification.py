"""A study derived again: its plan from its file, its table from the logs, its fits and its analysis from the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from isoflop import records
from isoflop.errors import InputError
from isoflop.fitting.fit import SCHEMA as FIT_SCHEMA
from isoflop.fitting.verification import Claim, Verification, compare_records, verify_record
from isoflop.runs.directory import RunDirectory
from isoflop.studies.analyses.analysis import SCHEMA as ANALYSIS_SCHEMA
from isoflop.studies.analyses.analysis import Evidence
from isoflop.studies.analyses.evaluations import logged_evaluations
from isoflop.studies.analysing import ANALYSIS_FILE, TABLE_FILE, analyse, evidence_of
from isoflop.studies.plan import plan_runs
from isoflop.studies.record import RECORD_FILE, recorded_study
from isoflop.studies.record import SCHEMA as RECORD_SCHEMA
from isoflop.studies.result import ladder_table
from isoflop.studies.study import FORECAST, PlannedRun, Study
from isoflop.studies.study_file import read_study
from isoflop.studies.text import recorded_text


def verify_study(directory: Path) -> Verification:
    """Derive everything a study claims again, and compare.

    Versions of packages are not compared: another machine may have others, and the numbers must agree all the same.

    Raises:
        InputError: the directory holds no study that was run, or its text is damaged.
    """
    study = read_study(directory / "study.toml")
    record = records.read_record(directory / RECORD_FILE, RECORD_SCHEMA)
    text = recorded_text(directory, study.text, record["text"]["sha256"])
    ladder = tuple(run for run in plan_runs(study, text.spec) if run.role == "ladder")
    evidence = evidence_of(study, directory, ladder, text)
    claims = (
        _same("study.json: study", records.digest(record["study"]), records.digest(recorded_study(study, directory))),
        *_results(directory, ladder),
        _table(directory, evidence),
        *_analysis(directory, evidence),
        *_fits(directory, study, ladder),
    )
    return Verification(str(directory), study.analysis, claims, "study")


def _same(name: str, claimed: str, found: str, count: int = 1) -> Claim:
    return Claim(name, claimed, found, claimed == found, count, None)


def _results(directory: Path, planned: Sequence[PlannedRun]) -> Iterator[Claim]:
    """Every result against the log of its run; those that agree are counted in one claim."""
    agreeing = 0
    for run in planned:
        place = RunDirectory(directory / "runs" / run.spec.identifier)
        result = place.result()
        if result is None:
            raise InputError(f"{place.path} has no result: isoflop run {directory / 'study.toml'} first.")
        logged = [item for item in logged_evaluations(place) if not item.part and item.cooled]
        if result.state != "done" or not logged:
            continue
        if logged[-1].loss == result.loss:
            agreeing += 1
        else:
            yield _same(f"runs/{run.spec.identifier}: loss", repr(result.loss), repr(logged[-1].loss))
    yield _same("runs: losses in the logs", str(agreeing), str(agreeing), agreeing)


def _table(directory: Path, evidence: Evidence) -> Claim:
    place = directory / TABLE_FILE
    try:
        claimed = place.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{place} cannot be read ({error.strerror}): run the study to its end first.") from error
    found = evidence.table.csv_text()
    lines = claimed.splitlines()
    again = found.splitlines()
    if claimed == found:
        rows = f"{len(lines) - 1} rows"
        return _same(TABLE_FILE, rows, rows, len(lines) - 1)
    wrong = next((n for n, pair in enumerate(zip(lines, again, strict=False)) if len(set(pair)) > 1), None)
    if wrong is None:
        return _same(TABLE_FILE, f"{len(lines) - 1} rows", f"{len(again) - 1} rows")
    cells = zip(lines[0].split(","), lines[wrong].split(","), again[wrong].split(","), strict=False)
    column, one, other = next((it for it in cells if it[1] != it[2]), ("", lines[wrong], again[wrong]))
    return _same(f"{TABLE_FILE}, line {wrong + 1}, column {column}", one, other)


def _analysis(directory: Path, evidence: Evidence) -> Iterator[Claim]:
    """The analysis made again from the table, and that every fit it names is the file that is there."""
    if evidence.study.analysis == FORECAST:
        return
    again = analyse(evidence)
    claimed = records.read_record(directory / ANALYSIS_FILE, ANALYSIS_SCHEMA)
    yield from compare_records("analysis", claimed, records.jsonable(again.to_dict()))
    for name, fit in again.fits.items():
        record = records.read_record(directory / "fits" / f"{name}.json", FIT_SCHEMA)
        found = records.jsonable(fit.to_dict())
        yield from compare_records(f"fits/{name}.json", record, found)


def _fits(directory: Path, study: Study, ladder: Sequence[PlannedRun]) -> Iterator[Claim]:
    """The fit of a ladder: its rows against the runs, its numbers against its rows."""
    if study.analysis != FORECAST:
        return
    record: dict[str, Any] = records.read_record(directory / "fits" / "fit.json", FIT_SCHEMA)
    rows = records.jsonable(ladder_table(directory, study.fit, ladder).to_dict())
    yield from compare_records("fits/fit.json: rows", record["rows"]["columns"], rows["columns"])
    for claim in verify_record(record, "fits/fit.json").claims:
        yield replace(claim, name=f"fit.{claim.name}")
