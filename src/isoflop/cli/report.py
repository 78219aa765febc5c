"""`isoflop report`: what a fit, a study or a table has to say, in one HTML file that needs no network."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop import records
from isoflop.cli import options
from isoflop.cli.output import Delivery, note, print_json, refusals_recorded, show
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options
from isoflop.errors import InputError, Refusal

if TYPE_CHECKING:
    from isoflop.reporting.inputs import ReportInputs

SCHEMA = "isoflop.written-report/1"


@click.command("report")
@options.sources("(STUDY | FIT | SOURCE...)")
@options.law()
@options.draws()
@source_options
@options.seed()
@options.out("report.html", "the report")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also save forecast and outcome as .svg or .png.",
)
@options.answering
def command(
    sources: tuple[str, ...],
    law: str,
    draws: int,
    reading: ReadingChoices,
    seed: int,
    out: Path,
    picture: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Write a report that explains a fit or a study in one HTML file.

    It shows the law with its intervals, the runs around it, the back-test, the forecasts, what weakens them, and how
    to cite it. In a table, rows whose column held_out is 1 are forecast instead of fitted; --law, --draws, --where,
    --param-count and --seed are for tables only.

    \b
    Examples:
      isoflop report fit.json
      isoflop report isoflop-demo --out demo.html
      isoflop report runs.csv --law chinchilla
    """
    from isoflop.reporting.report import report_from_table, save_picture, write_report

    # Only what happens to runs is recorded as JSON: the report itself is written to --out.
    with refusals_recorded(SCHEMA, Delivery(as_json, force)):
        inputs = _from_study_or_fit(sources)
        if inputs is None:
            runs = read_sources(sources, reading)
            typed = f"isoflop report {shlex.join(sources)}"
            inputs = report_from_table(runs, law, draws=draws, seed=seed, commands=(typed,))
        place = write_report(out, inputs)
        if picture is not None:
            save_picture(picture, inputs)
    refused = inputs.fit.refused
    if as_json:
        print_json({"schema": SCHEMA, "report": str(place.resolve()), "title": inputs.title, "refused": refused,
                    "warnings": [finding.to_dict() for finding in inputs.fit.findings]})  # fmt: skip
    else:
        show([f"Written to {place}: open it in a browser."])
    if refused and not force:
        note("These data do not carry an answer, and the report says why; --force ends with exit code 0 all the same.")
        return Refusal.exit_code
    return 0


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
