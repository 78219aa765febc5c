"""Reporter: how a study shows what it is doing, to a person at a terminal or to a log."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from isoflop.quantities import format_count, format_duration, format_flops
from isoflop.runs.spec import RunSpec
from isoflop.studies.cost import price_text

RunState = Literal["waiting", "running", "done", "diverged", "failed"]

SECONDS_BETWEEN_LINES = 20.0


@dataclass(frozen=True)
class RunProgress:
    """How far one run is: the fraction trained, and the latest loss (held-out loss once it is done)."""

    identifier: str
    label: str
    state: RunState
    fraction: float
    loss: float | None


@dataclass(frozen=True)
class StudyProgress:
    """How far a set of runs is, and what it is estimated to take until all are done: seconds, FLOP, and dollars.

    `remaining_dollars` is None where the study gives no price of an hour.
    """

    title: str
    runs: tuple[RunProgress, ...]
    remaining_seconds: float
    remaining_compute: float
    remaining_dollars: float | None = None

    @property
    def ended(self) -> tuple[RunProgress, ...]:
        """The runs that have a result."""
        return tuple(run for run in self.runs if run.state in ("done", "diverged", "failed"))


class Reporter(ABC):
    """Told what happens; used as a context around a whole study."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Say one sentence."""

    @abstractmethod
    def update(self, progress: StudyProgress) -> None:
        """Show where the runs are now; called several times a second."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, leaving the terminal as it was."""


class QuietReporter(Reporter):
    """Says nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def update(self, progress: StudyProgress) -> None:
        """Show nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class PlainReporter(Reporter):
    """A line for every run that ends, and one about every twenty seconds: for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()
        self._title = ""
        self._last_line = time.monotonic()

    def note(self, text: str) -> None:
        """Print the sentence."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def update(self, progress: StudyProgress) -> None:
        """Print what is new."""
        ended = progress.ended
        if progress.title != self._title:
            # What was done before this session is counted, not told run by run.
            self._title, self._told = progress.title, {run.identifier for run in ended}
            self.note(f"{progress.title}: {len(ended)} of {len(progress.runs)} runs are there.")
        for run in ended:
            if run.identifier not in self._told:
                self._told.add(run.identifier)
                self.note(f"  [{len(self._told)}/{len(progress.runs)}] {run.label}: {_result(run)}")
                self._last_line = time.monotonic()
        if time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self.note(f"  {_summary(progress)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class LiveReporter(Reporter):
    """A table of the runs with bars, redrawn in place; for a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._title = ""

    def note(self, text: str) -> None:
        """Print the sentence; a table that was being redrawn is left standing above it."""
        self._close()
        self._console.print(text, markup=False, highlight=False)

    def update(self, progress: StudyProgress) -> None:
        """Redraw the table; a new title leaves the old table standing and begins another."""
        if self._live is None or progress.title != self._title:
            self._close()
            self._title = progress.title
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(_drawn(progress, self._console.height - 4), refresh=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def reporter_for(console: Console) -> Reporter:
    """The live reporter on a terminal, the plain one elsewhere."""
    return LiveReporter(console) if console.is_terminal else PlainReporter(console)


def run_label(spec: RunSpec) -> str:
    """A run in the words of its ladder.

    Example: `width 48 × 2 layers, 4M tokens`.
    """
    return f"width {spec.shape.width} × {spec.shape.layers} layers, {format_count(spec.tokens)} tokens"


def _drawn(progress: StudyProgress, height: int) -> RenderableType:
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(min_width=34, no_wrap=True)
    table.add_column(width=24)
    table.add_column(no_wrap=True)
    shown = _most_telling(progress.runs, max(4, height))
    for run in shown:
        bar = ProgressBar(total=1.0, completed=run.fraction, width=24)
        table.add_row(run.label, bar, Text(_result(run), style="dim" if run.state == "waiting" else ""))
    hidden = len(progress.runs) - len(shown)
    more = [Text(f"  and {hidden} more", style="dim")] if hidden else []
    return Group(Text(progress.title, style="bold"), table, *more, Text(_summary(progress)))


def _most_telling(runs: Sequence[RunProgress], room: int) -> list[RunProgress]:
    """As many runs as there is room for: those at work, then those that ended badly, then the rest, in their order."""
    if len(runs) <= room:
        return list(runs)
    weight = {"running": 0, "failed": 1, "diverged": 1, "waiting": 2, "done": 3}
    chosen = set(sorted(range(len(runs)), key=lambda place: weight[runs[place].state])[:room])
    return [run for place, run in enumerate(runs) if place in chosen]


def _result(run: RunProgress) -> str:
    match run.state:
        case "waiting":
            return "waiting"
        case "running":
            return f"{run.fraction:4.0%}" + (f"  training loss {run.loss:.3f}" if run.loss is not None else "")
        case "done":
            return f"held-out loss {run.loss:.4f}" if run.loss is not None else "done"
    return run.state


def _summary(progress: StudyProgress) -> str:
    running = sum(run.state == "running" for run in progress.runs)
    text = f"{len(progress.ended)} of {len(progress.runs)} runs done, {running} training"
    if len(progress.ended) == len(progress.runs):
        return text
    dollars = progress.remaining_dollars
    cost = format_flops(progress.remaining_compute) if dollars is None else price_text(dollars)
    return f"{text}, about {format_duration(progress.remaining_seconds)} and {cost} to go"
