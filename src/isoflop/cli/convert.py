"""`isoflop convert`: N, D and C of a table under another convention."""

from __future__ import annotations

from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, note, print_json, refusals_recorded, show
from isoflop.cli.read import SCHEMA, page_of, record_of
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options


@click.command("convert")
@options.sources()
@click.option(
    "--count",
    type=click.Choice(["total", "non-embedding", "with-head", "active"]),
    required=True,
    help="What N counts afterwards; with-head leaves out the input embedding only.",
)
@click.option(
    "--flops",
    metavar="RULE",
    default="6nd",
    show_default=True,
    help="How C follows: 6nd, given, or by architecture: kaplan, hoffmann, hoffmann-without-embeddings, matmul.",
)
@click.option("--keep-budgets", is_flag=True, help="Interpolate losses to the old budgets, which isoFLOP fits need.")
@options.to()
@source_options
@options.as_json()
@options.debug()
def command(
    sources: tuple[str, ...],
    count: str,
    flops: str,
    keep_budgets: bool,
    to: Path | None,
    reading: ReadingChoices,
    as_json: bool,
) -> int:
    r"""Count parameters and compute of a table by another convention.

    Kaplan left embeddings out of N, Chinchilla did not: the same runs give exponents that differ by 0.1 and more. What
    embeddings add follows from the columns vocab and width; C is 6 N D with the new N unless asked otherwise.

    \b
    Examples:
      isoflop convert runs.csv --count non-embedding --to kaplan.csv
      isoflop convert runs.csv --param-count non-embedding --set vocab=50257 --set embeddings=tied --count total
      isoflop convert slices.csv --count with-head --keep-budgets --to standard.csv
      isoflop convert results.csv --count total --flops hoffmann --json
    """
    from isoflop.readers.convert import Rule, convert
    from isoflop.readers.write import write_runs

    rule = Rule(count, flops, keep_budgets)  # type: ignore[arg-type]
    with refusals_recorded(SCHEMA, Delivery(as_json, force=False)):
        converted = convert(read_sources(sources, reading), rule)
    if to is not None:
        write_runs(converted, to)
        note(f"Written to {to}.")
    if as_json:
        print_json(record_of(converted, ()))
    else:
        show(page_of(converted, ()))
    return 0
