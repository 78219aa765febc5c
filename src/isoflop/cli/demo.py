"""`isoflop demo`: the quickstart study, from a bare directory to a forecast that was put to the test."""

from __future__ import annotations

from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, note
from isoflop.cli.run import run_to_outcome


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="isoflop-demo",
    show_default=True,
    help="Where everything goes; run it again there and it goes on.",
)
@options.text()
@options.size()
@click.option("--seed", type=click.IntRange(0, 2**53), help="Decides everything random; 0 unless given.")
@options.answering
def command(out: Path, text: str | None, size: str, seed: int | None, as_json: bool, force: bool) -> int:
    r"""Train a ladder of small models, forecast a larger one, train it, compare.

    The forecast is written to disk with its time before the larger run starts, so that nothing can be fitted to the
    outcome afterwards. Needs no GPU and no account.

    \b
    Examples:
      isoflop demo
      isoflop demo --text my-notes/ --out my-notes-demo --seed 1
    """
    from isoflop.studies.begin import begin_study

    place = begin_study(out, "quickstart", size=size, text=text, seed=seed)
    note(
        "isoflop trains a ladder of small language models, fits a scaling law to it, forecasts a larger run it has not "
        f"seen, then trains that run and compares. Everything goes to {out}."
    )
    return run_to_outcome(place, None, Delivery(as_json, force))
