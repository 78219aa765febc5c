"""`isoflop backtest`: would a law have forecast the runs that are there already?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.forecasting.backtest import Verdict

SCHEMA = "isoflop.backtest/1"


@click.command("backtest")
@options.sources()
@click.option(
    "--hide",
    metavar="FACTOR",
    callback=options.factor,
    default="10x",
    show_default=True,
    help="Hide the runs within this factor of the largest compute.",
)
@options.fitting
@options.columns
@source_options
@options.level()
@options.seed()
@options.out(None, "the verdict")
@options.answering
def command(
    sources: tuple[str, ...],
    hide: float,
    law: str,
    objective: str,
    draws: int,
    cluster: str,
    intervals: str,
    x: tuple[str, ...],
    y: str | None,
    weights: str | None,
    reading: ReadingChoices,
    level: float,
    seed: int,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Hide the largest runs, forecast them, and score the forecasts.

    A law that fits the runs it has seen says nothing yet: what counts is how far off it is on larger ones, and whether
    its intervals contain them as often as they claim.

    \b
    Examples:
      isoflop backtest runs.csv
      isoflop backtest runs.csv --hide 4x --law chinchilla-tied
      isoflop backtest ladder/ --where "tokens > 1e6" --json
    """
    from isoflop.forecasting.backtest import backtest

    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        verdict = backtest(
            law,
            read_sources(sources, reading, y=y or "loss"),
            hide,
            objective=objective,
            draws=draws,
            level=level,
            cluster=cluster,
            intervals=intervals,
            weights=weights,
            x=x,
            y=y,
            seed=seed,
        )
        return deliver(verdict, delivery, lambda: _page(verdict))


def _page(verdict: Verdict) -> Iterator[RenderableType]:
    from isoflop.reporting.tables import outcome_table, verdict_lines

    yield outcome_table(verdict.outcomes)
    yield from verdict_lines(verdict)
