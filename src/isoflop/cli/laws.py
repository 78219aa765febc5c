"""`isoflop laws`: what can be fitted, and what each law means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import print_json, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.laws.law import Law


@click.command("laws")
@click.argument("name", metavar="[NAME]", required=False)
@options.as_json()
@options.debug()
def command(name: str | None, as_json: bool) -> None:
    r"""List the laws that can be fitted, or explain one.

    A law is a formula for loss: what its parameters mean and where it is known to hold decides whether a forecast
    from it is worth anything.

    \b
    Examples:
      isoflop laws
      isoflop laws chinchilla
      isoflop laws published
    """
    from isoflop.laws.catalogue import LAWS, find
    from isoflop.laws.description import describe

    if name == "published":
        from isoflop.laws.published import published

        if as_json:
            print_json({"schema": "isoflop.published/1", "published": [item.to_dict() for item in published()]})
        else:
            show(_all_published())
        return
    laws = LAWS if name is None else (find(name),)
    if as_json:
        print_json({"schema": "isoflop.laws/1", "laws": [describe(law) for law in laws]})
    elif name is None:
        show(_list(laws))
    else:
        show(_explain(laws[0]))


def _list(laws: tuple[Law, ...]) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    table.add_column("name", no_wrap=True, min_width=max(len(law.name) for law in laws))
    table.add_column("what it says", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("formula", no_wrap=True, overflow="ellipsis", ratio=2)
    for law in laws:
        table.add_row(law.name, Text(law.title), Text(f"{law.output} = {law.formula}"))
    yield table
    yield "All about one of them: isoflop laws chinchilla. Constants of the literature: isoflop laws published"


def _all_published() -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from isoflop.laws.published import published
    from isoflop.quantities import format_number

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for heading in ("name", "law", "values", "source"):
        table.add_column(heading, no_wrap=heading == "name", overflow="fold")
    for item in published():
        values = ", ".join(f"{name} {format_number(value, 6)}" for name, value in item.values.items())
        table.add_row(item.name, item.law.name if item.law else "–", Text(values), Text(item.source))
    yield table
    yield "Forecast from one that names a law: isoflop forecast published:NAME --params 70B --tokens 1.4T"


def _explain(law: Law) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    yield Text(law.title, style="bold")
    # A formula in one piece can be copied; a wrapped one cannot.
    yield Text(f"\n  {law.output} = {law.formula}\n", no_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for item in law.inputs:
        table.add_row(item.name, item.meaning, item.unit)
    for parameter in law.parameters:
        table.add_row(parameter.name, parameter.meaning, parameter.unit)
    yield table
    yield from _published(law)
    yield f"\nWhere it holds: {law.domain}."
    yield f"References: {', '.join(law.references)}."
    yield f"Fit it: isoflop fit runs.csv --law {law.name}"


def _published(law: Law) -> Iterator[RenderableType]:
    """The constants of the literature, one set a row, with what each was fitted to."""
    from rich.table import Table
    from rich.text import Text

    from isoflop.laws.published import published_for
    from isoflop.quantities import format_number

    sets = published_for(law)
    if not sets:
        return
    yield "\nPublished constants, in the units above; comparable where data, tokenizer and parameter count agree:\n"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("name", *law.parameter_names, "status"):
        table.add_column(heading, no_wrap=True, overflow="ignore")
    for item in sets:
        values = (format_number(value, 6) for value in item.theta)
        table.add_row(item.name, *values, item.status)
    yield table
    for item in sets:
        counts = "" if item.param_count == "unspecified" else f"N counts {item.param_count} parameters"
        about = "; ".join(filter(None, (item.source, item.dataset, item.tokenizer, counts, item.note)))
        yield Text(f"  {item.name}: {about}")
