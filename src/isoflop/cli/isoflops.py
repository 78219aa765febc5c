"""`isoflop isoflops`: slices of equal compute in, the growth of the optimal model and data out (approach 2)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options

if TYPE_CHECKING:
    from isoflop.fitting.minima import Curve

SCHEMA = "isoflop.fit/1"


@click.command("isoflops")
@options.sources()
@click.option(
    "--curve",
    type=click.Choice(["parabola", "cubic"]),
    default="parabola",
    show_default=True,
    help="The curve of loss in log N through the runs of a budget.",
)
@click.option(
    "--budget",
    metavar="COLUMN",
    default="auto",
    show_default=True,
    help="The column that states the budget; auto finds one by name, else groups runs of equal compute.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0.0, 0.5),
    default=0.1,
    show_default=True,
    help="Computes that differ by less than this share are one budget.",
)
@click.option(
    "--window",
    metavar="FACTOR",
    type=click.FloatRange(1.0, min_open=True),
    help="Use only runs within this factor of the optimal size, such as 4; all unless given.",
)
@options.draws()
@source_options
@options.level()
@options.seed()
@options.out(None, "the fit with its runs and draws, for forecast, plan and verify,")
@options.answering
def command(
    sources: tuple[str, ...],
    curve: str,
    budget: str,
    tolerance: float,
    window: float | None,
    draws: int,
    reading: ReadingChoices,
    level: float,
    seed: int,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Find the best model size at each compute budget, and how it grows (Chinchilla approach 2).

    Budgets whose minimum is not bracketed by runs on both sides are left out, each with its reason. What the curve
    errs by on this very grid is measured on noise-free data and printed.

    \b
    Examples:
      isoflop isoflops runs.csv --out fit.json
      isoflop isoflops runs.csv --curve cubic --window 4
      isoflop isoflops runs.csv --budget flops_budget --where "vocab == 32000" --json
    """
    from isoflop.cli.frontier_page import frontier_page
    from isoflop.fitting.isoflops import fit_isoflops

    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        fitted = fit_isoflops(
            read_sources(sources, reading),
            curve=cast("Curve", curve),
            budget=budget,
            tolerance=tolerance,
            window=math.inf if window is None else window,
            draws=draws,
            level=level,
            seed=seed,
        )
        return deliver(fitted, delivery, lambda: frontier_page(fitted, out), brief=fitted.to_dict(full=False))
