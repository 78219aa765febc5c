"""`isoflop envelope`: learning curves in, the growth of the optimal model and data out (approach 1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options

SCHEMA = "isoflop.fit/1"


@click.command("envelope")
@options.sources()
@click.option(
    "--smoothing",
    metavar="ROWS",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Rows of the Gaussian window over each curve, a fifth of the curve at most; 0 for none.",
)
@click.option(
    "--values",
    type=click.IntRange(10, 1_000_000),
    default=1500,
    show_default=True,
    help="At how many computes the best run is sought.",
)
@options.draws()
@source_options
@options.level()
@options.seed()
@options.out(None, "the fit with its rows and draws, for forecast, plan and verify,")
@options.answering
def command(
    sources: tuple[str, ...],
    smoothing: int,
    values: int,
    draws: int,
    reading: ReadingChoices,
    level: float,
    seed: int,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Find the best model along the envelope of learning curves, and how it grows (Chinchilla approach 1).

    The table has one row per checkpoint: run, params, tokens, loss. A winner counts only where a smaller and a larger
    model were trained to the same compute. What the method errs by on these very curves is measured and printed.

    \b
    Examples:
      isoflop envelope curves.csv --out fit.json
      isoflop envelope curves.csv --smoothing 0 --where "tokens > 1e9" --json
    """
    from isoflop.cli.frontier_page import frontier_page
    from isoflop.fitting.envelope import fit_envelope

    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        fitted = fit_envelope(
            read_sources(sources, replace(reading, rows=reading.rows or "checkpoints")),
            smoothing=smoothing,
            values=values,
            draws=draws,
            level=level,
            seed=seed,
        )
        return deliver(fitted, delivery, lambda: frontier_page(fitted, out), brief=fitted.to_dict(full=False))
