"""`isoflop report`: what a fit, a study or a table has to say, in one HTML file that needs no network."""

from __future__ import annotations

from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, note, print_json, refusals_recorded, show
from isoflop.cli.reading_options import ReadingChoices, source_options
from isoflop.errors import Refusal

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
    from isoflop.cli.report_sources import report_of
    from isoflop.reporting.report import save_picture, write_report

    # Only what happens to runs is recorded as JSON: the report itself is written to --out.
    with refusals_recorded(SCHEMA, Delivery(as_json, force)):
        inputs = report_of(sources, law, draws, reading, seed)
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
