"""`isoflop read`: how a table is understood, column by column, and the same rows under standard names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, note, print_json, refusals_recorded, show
from isoflop.cli.reading_options import ReadingChoices, progress_shown, source_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.readers.raw import Reading
    from isoflop.runs.table import RunTable

SCHEMA = "isoflop.runs/1"
ROWS_SHOWN = 8


@click.command("read")
@options.sources()
@click.option("--explain", is_flag=True, help="Say what each column was taken for and what was done to its cells.")
@options.to()
@source_options
@options.as_json()
@options.debug()
def command(
    sources: tuple[str, ...],
    explain: bool,
    to: Path | None,
    reading: ReadingChoices,
    as_json: bool,
) -> int:
    r"""Show how tables, logs or a study are read, and write them as one run table.

    Reads CSV, JSON, Parquet; W&B, TensorBoard, MLflow and trackio as they lie on disk; the logs of common training
    programs; results of lm-eval. A column taken for something it is not spoils every fit after it: look here first.

    \b
    Examples:
      isoflop read runs.csv --explain
      isoflop read wandb/ --to runs.csv
      isoflop read output/ --rows checkpoints --to curves.parquet
      isoflop read logs/ --set context=2048 --set batch_unit=sequences
      isoflop read sweep.csv --map "eval/c4/loss=loss" --where "loss < 4"
      isoflop read wandb:my-team/my-project --to runs.csv
    """
    from isoflop.readers.read import read_and_explain
    from isoflop.readers.write import write_runs

    with refusals_recorded(SCHEMA, Delivery(as_json, force=False)), progress_shown() as progress:
        table, readings = read_and_explain(sources, progress=progress, **reading.options)
    if to is not None:
        write_runs(table, to)
        note(f"Written to {to}.")
    explained = readings if explain else ()
    if as_json:
        print_json(record_of(table, explained))
    else:
        show(page_of(table, explained))
    return 0


def record_of(table: RunTable, readings: tuple[Reading, ...]) -> dict[str, Any]:
    """The JSON object of a run table, with how its columns were read where that is asked for."""
    record = table.to_dict()
    warnings = record.pop("findings")
    readings_told = {"readings": [reading.to_dict() for reading in readings]} if readings else {}
    return {"schema": SCHEMA, "runs": len(table), **record, **readings_told, "warnings": warnings}


def page_of(table: RunTable, readings: tuple[Reading, ...]) -> Iterator[RenderableType]:
    """A run table for people: how its columns were read, its first rows, and what is to be said about it."""
    from isoflop.reporting.tables import findings_lines

    if readings:
        yield _readings_table(readings)
    yield _rows_table(table)
    hidden = len(table) - ROWS_SHOWN
    yield f"{table}; params counts {table.param_count}." + (f" {hidden} rows are not shown." if hidden > 0 else "")
    yield from findings_lines(table.findings)


def _readings_table(readings: tuple[Reading, ...]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    page = Table("column", "taken for", "why", "what was done", header_style="bold")
    for reading in readings:
        page.add_row(*(Text(cell) for cell in (reading.column, reading.taken_for, reading.why, reading.done)))
    return page


def _rows_table(table: RunTable) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from isoflop.quantities import format_number

    essential = ("run", "params", "tokens", "compute", "loss")
    names = [name for name in essential if table.has(name)] or list(table.columns)[:5]
    page = Table("row", header_style="bold")
    for name in names:
        page.add_column(Text(name))
    for index in range(min(len(table), ROWS_SHOWN)):
        cells = [table[name].tolist()[index] for name in names]
        texts = [cell if isinstance(cell, str) else format_number(cell, 6) for cell in cells]
        page.add_row(str(int(table.row[index])), *(Text(text) for text in texts))
    return page
