"""`isoflop verify`: a saved fit or a report in, every one of its numbers derived again out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import print_json, show
from isoflop.errors import Refusal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.fitting.verification import Claim, Verification


@click.command("verify")
@click.argument("path", metavar="FILE|STUDY", type=click.Path(path_type=Path))
@options.as_json()
@options.debug()
def command(path: Path, as_json: bool) -> int:
    r"""Derive every number of a saved fit, a report or a whole study again from what it rests on.

    The rows in the file are fitted again with the settings and the seed in the file; parameters, certificate,
    intervals, draws and digests must come out as they are written. For a report, the forecasts and the back-test are
    made again too, and the page is rendered anew: it must be the file. For a study, its plan is made again from its
    file, its text is checked by digest, its table is derived again from the logs of its runs, and its fits and its
    analysis from the table. Exit code 0 if all agrees, 1 if something does not.

    \b
    Examples:
      isoflop verify fit.json
      isoflop verify fit.json --json
      isoflop verify report.html
      isoflop verify isoflop-demo/
    """
    from isoflop.reporting.verification import verify
    from isoflop.studies.verification import verify_study

    is_study = path.is_dir() or path.name == "study.toml"
    result = verify_study(path if path.is_dir() else path.parent) if is_study else verify(path)
    if as_json:
        print_json(result.to_dict())
    else:
        show(_page(result))
    return Refusal.exit_code if result.refused else 0


def _page(result: Verification) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from isoflop.reporting.tables import findings_lines

    title = Text(f"{result.path}: claims of the {result.kind} ({result.law}) and what its rows give")
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for name in ("claim", "claimed", "found"):
        table.add_column(name, overflow="fold")
    table.add_column("agrees", no_wrap=True)
    for claim in result.claims:
        if _telling(claim):
            verdict = Text("yes", style="green") if claim.agrees else Text("NO", style="bold red")
            table.add_row(Text(claim.name), Text(claim.claimed), Text(claim.found), verdict)
    yield table
    yield from findings_lines(result.findings)
    if not result.refused:
        values = sum(claim.count for claim in result.claims)
        differences = [claim.difference for claim in result.claims if claim.difference is not None]
        largest = max(differences, default=0.0)
        exactness = "to the last bit" if largest == 0.0 else f"within {largest:.0e} of their size"
        yield f"All {values} values in {len(result.claims)} claims agree {exactness}."


_OF_A_STUDY = ("study.json", "runs:", "tables/", "analysis.verdict")


def _telling(claim: Claim) -> bool:
    """Whether a claim deserves a line: what disagrees always, and of the rest what is a result."""
    results = ("params.", "objective.value", "status", "certificate.", "frontier.", "data.sha256", "data.runs", "bias.")
    shown = (*results, "ensemble.draws", "rows.residuals", "page", *_OF_A_STUDY)
    measured = claim.name.startswith("analysis.measured") and claim.name.endswith(".value")
    outcome = measured or (claim.name.startswith("held_out") and ".run." not in claim.name)
    return not claim.agrees or outcome or claim.name.removeprefix("fit.").startswith(shown)
