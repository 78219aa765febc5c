"""How sources are read: which rows, what N counts, and what holds where a source does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from isoflop.cli.output import console
from isoflop.errors import UsageError
from isoflop.quantities import PARAM_COUNTS

if TYPE_CHECKING:
    from isoflop.readers.read import Progress
    from isoflop.runs.table import RunTable

Command = TypeVar("Command", bound=Callable[..., Any])

NAMES = ("where", "param_count", "rows", "columns", "constants", "mapping", "format", "decimal")


@dataclass(frozen=True)
class ReadingChoices:
    """What the options say; `options` are the keyword arguments of `read_runs`."""

    where: str | None
    param_count: str | None
    rows: str | None
    columns: dict[str, str]
    constants: dict[str, str]
    mapping: Path | None
    format: str | None
    decimal: str | None

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of `read_runs`."""
        return {name: getattr(self, name) for name in NAMES}

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options as they would be typed again."""
        said: list[str] = []
        for name, value in self.options.items():
            option = {"columns": "--map", "constants": "--set"}.get(name, f"--{name.replace('_', '-')}")
            pairs = [f"{key}={text}" for key, text in value.items()] if isinstance(value, dict) else [value]
            said += [part for text in pairs if text is not None for part in (option, str(text))]
        return tuple(said)


def source_options(function: Command) -> Command:
    """The options; the command receives them as one argument, `reading`."""

    @wraps(function)
    def command(*args: Any, **given: Any) -> Any:
        columns, constants = given.pop("columns"), given.pop("constants")
        choices = ReadingChoices(
            columns=_pairs("--map", "HEADER=COLUMN", columns),
            constants=_pairs("--set", "COLUMN=VALUE", constants),
            **{name: given.pop(name) for name in NAMES if name not in ("columns", "constants")},
        )
        return function(*args, reading=choices, **given)

    wrapped: Any = command
    for option in (
        click.option(
            "--decimal", type=click.Choice(["point", "comma"]), help="How numbers are written, if that is open."
        ),
        click.option("--format", metavar="NAME", help="Read only logs of this format, such as wandb or tensorboard."),
        click.option(
            "--mapping",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A TOML file that names columns, constants and patterns of log lines.",
        ),
        click.option(
            "--set", "constants", metavar="COLUMN=VALUE", multiple=True, help="What holds for every row: context=2048."
        ),
        click.option(
            "--map", "columns", metavar="HEADER=COLUMN", multiple=True, help="Take a header or a metric for a column."
        ),
        click.option(
            "--rows",
            type=click.Choice(["finals", "last", "checkpoints"]),
            help="One row a finished run (the default for logs), a run wherever it stopped, or a checkpoint.",
        ),
        click.option(
            "--param-count", type=click.Choice(PARAM_COUNTS[:-1]), help="What N counts, where the table does not say."
        ),
        click.option("--where", metavar="EXPR", help="Keep the rows that fulfil it, such as 'params > 1e7'."),
    ):
        wrapped = option(wrapped)
    result: Command = wrapped
    return result


def read_sources(sources: tuple[str, ...], reading: ReadingChoices, *, y: str = "loss") -> RunTable:
    """The run table of `sources`, with a bar on the terminal for what takes long."""
    from isoflop.readers.read import read_runs

    with progress_shown() as progress:
        return read_runs(sources, y=y, progress=progress, **reading.options)


def _pairs(option: str, form: str, texts: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        # A header may hold an equals sign, a column may not; a value may.
        name, _, value = text.rpartition("=") if option == "--map" else text.partition("=")
        if not name.strip() or not value.strip():
            raise UsageError(f"{option} {text!r} is not understood: write {option} {form}.")
        pairs[name.strip()] = value.strip()
    return pairs


@contextmanager
def progress_shown() -> Iterator[Progress | None]:
    """A bar on the terminal for what takes long to read; nothing where no terminal is."""
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    page = console(stderr=True)
    if not page.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=page, transient=True, refresh_per_second=4) as bar:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(f"Reading {what}", total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield report
