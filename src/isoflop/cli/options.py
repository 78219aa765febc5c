"""The options and arguments that several commands share, each meaning the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from isoflop.errors import UsageError
from isoflop.quantities import Kind, parse_quantity

INTERVALS = (
    "auto",
    "cluster-bootstrap",
    "pairs-bootstrap",
    "parametric-bootstrap",
    "bca",
    "wild-bootstrap",
    "wald-t",
    "profile-likelihood",
)
"""The methods of `isoflop.fitting.uncertainty`, which is not imported for the sake of a help text."""

Command = TypeVar("Command", bound=Callable[..., Any])


Reader = Callable[[click.Context, click.Parameter, Any], Any]


def quantity(kind: Kind) -> Reader:
    """The callback of an option that takes quantities as people write them (`7B`, `6e23 FLOP`), once or repeatedly."""

    def read(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[float, ...]:
        return tuple(parse_quantity(text, kind, parameter.opts[0]) for text in texts)

    return read


def factor(context: click.Context, parameter: click.Parameter, text: str) -> float:
    """The callback of an option that takes a factor: `10x`, `10×` or `10`."""
    try:
        return parse_quantity(text.strip().rstrip("x×"), "number", parameter.opts[0])
    except UsageError:
        raise UsageError(f"{parameter.opts[0]}={text!r} is not a factor: write 10x or 4.") from None


def sources(metavar: str = "SOURCE...") -> Callable[[Command], Command]:
    """SOURCE…: tables of runs and study directories."""
    return click.argument("sources", metavar=metavar, nargs=-1, required=True)


def answering(function: Command) -> Command:
    """`--json`, `--force` and `--debug`: how the answer is given."""
    for option in (
        debug(),
        click.option("--force", is_flag=True, help="Answer even where the data refuse it; the answer is marked."),
        as_json(),
    ):
        function = option(function)
    return function


def as_json() -> Callable[[Command], Command]:
    """`--json`: one JSON object on stdout instead of a page for people."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object; notes go to stderr.")


def debug() -> Callable[[Command], Command]:
    """`--debug`: read by `main`, which then lets tracebacks through."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")


def seed() -> Callable[[Command], Command]:
    """`--seed`: everything random follows from it."""
    return click.option(
        "--seed", type=click.IntRange(0, 2**53), default=0, show_default=True, help="Same seed, same answer."
    )


def level(default: float | None = 0.9) -> Callable[[Command], Command]:
    """`--level`: the nominal coverage of intervals; with `default=None` it is that of the fit."""
    return click.option(
        "--level",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=default,
        show_default=default is not None,
        help="Coverage that intervals aim at" + ("; that of the fit unless given." if default is None else "."),
    )


def law() -> Callable[[Command], Command]:
    """`--law`: what is fitted."""
    return click.option(
        "--law",
        metavar="auto|NAME|FORMULA",
        default="auto",
        show_default=True,
        help="One of `isoflop laws`, or a formula: names that are columns (or N, D, C) are inputs. auto lets laws "
        "compete in forecasting the larger runs from the smaller, and combines the better ones.",
    )


def columns(function: Command) -> Command:
    """`--x`, `--y` and `--weights`: which columns are read."""
    for option in (
        click.option("--weights", metavar="COL", help="Column that says how much each row counts."),
        click.option("--y", metavar="COL", help="Column the law predicts, if not the loss."),
        click.option("--x", metavar="COL", multiple=True, help="Column an input of the law is read from; in order."),
    ):
        function = option(function)
    return function


def draws() -> Callable[[Command], Command]:
    """`--draws`: how many refits the intervals rest on."""
    return click.option(
        "--draws",
        type=click.IntRange(0, 1_000_000),
        default=1000,
        show_default=True,
        help="Refits that the intervals rest on.",
    )


def intervals(default: str | None = None) -> Callable[[Command], Command]:
    """`--intervals`: how the draws come about."""
    return click.option(
        "--intervals",
        type=click.Choice(INTERVALS),
        metavar="METHOD",
        default=default,
        show_default=default is not None,
        help=f"How the draws come about: auto suits the study, or {', '.join(INTERVALS[1:])}.",
    )


def cluster() -> Callable[[Command], Command]:
    """`--cluster`: which rows are resampled together."""
    return click.option(
        "--cluster",
        metavar="COLUMN|none",
        default="auto",
        show_default=True,
        help="Rows that vary together; auto groups checkpoints of a run, else equal sizes.",
    )


def fitting(function: Command) -> Command:
    """`--law`, `--objective`, `--draws`, `--intervals` and `--cluster`: how a law is fitted."""
    for option in (
        intervals("auto"),
        cluster(),
        draws(),
        click.option(
            "--objective",
            metavar="NAME",
            default="huber:1e-3",
            show_default=True,
            help="What is minimised: huber:δ, lad or ls, on log-loss; @value takes the loss itself.",
        ),
        law(),
    ):
        function = option(function)
    return function


def out(default: str | None, what: str) -> Callable[[Command], Command]:
    """`--out`: where to write `what`."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        default=default,
        show_default=default is not None,
        help=f"Write {what} here.",
    )


def to() -> Callable[[Command], Command]:
    """`--to`: the run table itself as a file."""
    return click.option(
        "--to", type=click.Path(path_type=Path, dir_okay=False), help="Write runs.csv, .jsonl or .parquet."
    )


def size() -> Callable[[Command], Command]:
    """`--size`: how much a recipe costs."""
    return click.option(
        "--size",
        type=click.Choice(["smoke", "small", "gpu"]),
        default="small",
        show_default=True,
        help="What it costs: seconds, minutes on two cores, or hours on an accelerator.",
    )


def text() -> Callable[[Command], Command]:
    """`--text`: what the models of a study read."""
    return click.option(
        "--text",
        metavar="DIR|NAME",
        help="A folder of text files, or python-stdlib (the default), standard-ebooks, synthetic.",
    )
