"""How an answer leaves: one JSON object on stdout, a file, or a page for people; and when it is withheld."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from isoflop import records
from isoflop.errors import Refusal
from isoflop.findings import Finding

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PAGE_WIDTH = 110
"""Characters in a line where no terminal says how many it has."""


class Answer(Protocol):
    """A result of a computation: what it says of itself, and whether it stands."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What gives cause for doubt."""

    @property
    def refused(self) -> bool:
        """Whether a finding forbids using it."""

    def to_dict(self) -> dict[str, Any]:
        """Its versioned JSON object."""


@dataclass(frozen=True)
class Delivery:
    """How the user wants an answer: as JSON or not, whatever the data refuse or not, written to `out` or not."""

    as_json: bool
    force: bool
    out: Path | None = None


def deliver(
    answer: Answer,
    delivery: Delivery,
    page: Callable[[], Iterable[RenderableType]],
    *,
    brief: dict[str, Any] | None = None,
) -> int:
    """Write and print `answer`, and say how that ends as an exit code.

    `page` makes what people see; `brief` is the JSON object for stdout where it is not the whole one. A refused
    answer that is not forced is written and printed as JSON, and on a page only its reason is.
    """
    withheld = answer.refused and not delivery.force
    mark = {"forced": True} if answer.refused and delivery.force else {}
    if delivery.out is not None:
        records.write_record(delivery.out, {**answer.to_dict(), **mark})
    if delivery.as_json:
        print_json({**(answer.to_dict() if brief is None else brief), **mark})
    elif withheld:
        show(_reason(answer.findings))
    else:
        show(page())
    if delivery.out is not None:
        note(f"Written to {delivery.out}.")
    return Refusal.exit_code if withheld else 0


@contextmanager
def refusals_recorded(schema: str, delivery: Delivery) -> Iterator[None]:
    """Within it, a Refusal is also written and printed as the object of `schema` that the command promises."""
    try:
        yield
    except Refusal as refusal:
        finding = Finding("refused", "refuse", str(refusal))
        record = {"schema": schema, "refused": True, "warnings": [finding.to_dict()]}
        if delivery.out is not None:
            records.write_record(delivery.out, record)
        if delivery.as_json:
            print_json(record)
        raise


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    click.echo(records.to_json(record, indent=1))


def note(text: str) -> None:
    """A sentence on stderr: beside the answer, never in it."""
    click.echo(text, err=True)


def console(*, stderr: bool = False) -> Console:
    """The terminal, or a page of fixed width where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else PAGE_WIDTH, highlight=False, emoji=False)


def show(parts: Iterable[RenderableType]) -> None:
    """Print the parts of a page, one under the other; a text that is not to be wrapped stays in one piece."""
    from rich.text import Text

    page = console()
    for part in parts:
        whole = isinstance(part, Text) and part.no_wrap is True
        page.print(part, markup=False, crop=False, soft_wrap=whole)


def _reason(findings: tuple[Finding, ...]) -> list[RenderableType]:
    from isoflop.reporting.tables import findings_lines

    return [*findings_lines(findings), "No answer is given from these data; --force gives it all the same, marked."]
