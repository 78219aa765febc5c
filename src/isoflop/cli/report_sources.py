"""What a report or a checklist is made of: a study, a saved fit, or tables that are fitted here."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoflop import records
from isoflop.errors import InputError

if TYPE_CHECKING:
    from isoflop.cli.reading_options import ReadingChoices
    from isoflop.reporting.inputs import ReportInputs


def report_of(sources: tuple[str, ...], law: str, draws: int, reading: ReadingChoices, seed: int) -> ReportInputs:
    """The inputs of a report on what the user named; all but `sources` are for tables, which are fitted."""
    inputs = _from_study_or_fit(sources)
    if inputs is not None:
        return inputs
    from isoflop.cli.reading_options import read_sources
    from isoflop.reporting.report import report_from_table

    runs = read_sources(sources, reading)
    typed = f"isoflop report {shlex.join(sources)}"
    return report_from_table(runs, law, draws=draws, seed=seed, commands=(typed,))


def _from_study_or_fit(sources: tuple[str, ...]) -> ReportInputs | None:
    """The report of a single study or saved fit; None where the sources are tables."""
    if len(sources) != 1:
        return None
    path = Path(sources[0])
    study_file = path / "study.toml" if path.is_dir() else path
    if study_file.suffix == ".toml" and study_file.is_file():
        from isoflop.studies.report import study_report
        from isoflop.studies.study_file import read_study

        return study_report(read_study(study_file), study_file.resolve().parent)
    record = _fit_record(path)
    if record is not None:
        from isoflop.fitting.fit import load_fit
        from isoflop.fitting.frontier_fit import is_frontier_record
        from isoflop.reporting.report import report_from_fit

        if is_frontier_record(record):
            raise InputError(f"{path} is a fit of the frontier alone, and a report is on a law: use isoflop fit first.")
        return report_from_fit(load_fit(path), commands=(f"isoflop report {shlex.quote(sources[0])}",))
    return None


def _fit_record(path: Path) -> dict[str, Any] | None:
    """The record of the saved fit at `path`, None where there is none."""
    from isoflop.fitting.fit import SCHEMA as FIT_SCHEMA

    if not path.is_file():
        return None
    try:
        return records.read_record(path, FIT_SCHEMA)
    except InputError:
        return None
