"""`isoflop fit`: runs in, a law with intervals and a certificate out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options
from isoflop.quantities import format_count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.fitting.fit import Fit

SCHEMA = "isoflop.fit/1"


@click.command("fit")
@options.sources()
@options.fitting
@options.columns
@click.option(
    "--starts",
    type=click.Choice(["default", "projected", "hoffmann4500"]),
    default="default",
    show_default=True,
    help="Where the solver starts; hoffmann4500 is the grid of the Chinchilla paper.",
)
@source_options
@options.level()
@options.seed()
@options.out(None, "the fit with its runs and draws, for forecast and report,")
@options.answering
def command(
    sources: tuple[str, ...],
    law: str,
    objective: str,
    draws: int,
    cluster: str,
    intervals: str,
    x: tuple[str, ...],
    weights: str | None,
    y: str | None,
    starts: str,
    reading: ReadingChoices,
    level: float,
    seed: int,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Fit a scaling law to runs, with intervals and a certificate.

    A fitted exponent without an interval and without proof of the optimum is a number, not a measurement: this gives
    all three, and says what in the data weakens them. Constants that are known weakly are drawn: how much worse the
    fit gets as they move.

    \b
    Examples:
      isoflop fit runs.csv --out fit.json
      isoflop fit runs.csv --law kaplan-n --where "tokens > 1e9"
      isoflop fit runs.csv --law "E + A/N^a + B/D^b + G/(N^g*D^d)"
      isoflop fit vision.csv --law power-floor --x samples_seen --y error
      isoflop fit ladder/ --objective lad --level 0.95 --json
    """
    from isoflop.fitting.estimation import fit

    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        fitted = fit(
            law,
            read_sources(sources, reading, y=y or "loss"),
            objective=objective,
            draws=draws,
            level=level,
            cluster=cluster,
            intervals=intervals,
            starts=starts,
            weights=weights,
            x=x,
            y=y,
            seed=seed,
        )
        return deliver(fitted, delivery, lambda: _page(fitted, out), brief=fitted.to_dict(full=False))


def _page(fitted: Fit, out: Path | None) -> Iterator[RenderableType]:
    from isoflop.cli.pages import fit_page

    yield from fit_page(fitted)
    place = shlex.quote(str(out or "fit.json"))
    command = f"isoflop forecast {place} {_larger_run(fitted)}"
    yield f"Next: {command}" if out else f"Next: keep the fit with --out fit.json, then {command}"
    yield f"For a paper: isoflop checklist {place} fills in what has to be reported."


def _larger_run(fitted: Fit) -> str:
    """Options that ask for a run twice as large as the largest in every input of the law."""
    from isoflop.fitting.binding import inputs_of

    largest = inputs_of(fitted.law, fitted.runs)
    return " ".join(
        _asking(item.column, format_count(2 * float(largest[item.name].max())).replace(" ", ""))
        for item in fitted.law.inputs
    )


def _asking(column: str, value: str) -> str:
    return f"--{column} {value}" if column in ("params", "tokens", "compute") else f"--at {column}={value}"
