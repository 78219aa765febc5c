"""`isoflop checklist`: what a paper has to report about a fit, filled in from the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, note, print_json, refusals_recorded, show
from isoflop.cli.reading_options import ReadingChoices, source_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.reporting.checklist import Checklist

SCHEMA = "isoflop.checklist/1"


@click.command("checklist")
@options.sources("(STUDY | FIT | SOURCE...)")
@options.law()
@options.draws()
@source_options
@options.seed()
@options.out(None, "the checklist as .md, .tex or .json")
@options.debug()
@options.as_json()
def command(
    sources: tuple[str, ...],
    law: str,
    draws: int,
    reading: ReadingChoices,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> int:
    r"""Fill in what a paper has to report about a fit.

    The questions follow the survey of Li et al. (2025) on how scaling laws are reported. Each is answered from the
    record, or unknown and yours to answer. --law, --draws, --where, --param-count and --seed are for tables
    only, which are fitted first.

    \b
    Examples:
      isoflop checklist fit.json
      isoflop checklist fit.json --out appendix.tex
      isoflop checklist runs.csv --law chinchilla --json
    """
    from isoflop.cli.report_sources import report_of
    from isoflop.reporting.checklist import checklist_of

    with refusals_recorded(SCHEMA, Delivery(as_json, force=False)):
        checklist = checklist_of(report_of(sources, law, draws, reading, seed))
    if out is not None:
        checklist.save(out)
        note(f"Written to {out}.")
    if as_json:
        print_json(checklist.to_dict())
    elif out is None:
        show(_page(checklist))
    return 0


def _page(checklist: Checklist) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    from isoflop.reporting.checklist import summary

    for name, items in checklist.sections.items():
        yield Text(name, "bold")
        for item in items:
            answer = Text(item.answer, "" if item.known else "yellow")
            yield Padding(Text.assemble((item.question, "dim"), " ", answer), (0, 0, 0, 2))
    yield summary(checklist)
