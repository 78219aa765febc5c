"""`isoflop diagnostics`: what warnings mean, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli import options
from isoflop.cli.output import print_json, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.codes import Code

SCHEMA = "isoflop.diagnostics/1"


@click.command("diagnostics")
@click.argument("code", metavar="[CODE]", required=False)
@options.as_json()
@options.debug()
def command(code: str | None, as_json: bool) -> None:
    r"""List the codes of warnings, or explain one and what to do about it.

    Every warning ends with its code. Refusals (exit code 1) forbid an answer unless --force is given, warnings weaken
    it, notes say what was done.

    \b
    Examples:
      isoflop diagnostics
      isoflop diagnostics narrow-range
    """
    from isoflop.codes import codes, find_code

    chosen = codes() if code is None else (find_code(code),)
    if as_json:
        print_json({"schema": SCHEMA, "codes": [_to_dict(item) for item in chosen]})
    elif code is None:
        show(_list(chosen))
    else:
        show(_explain(chosen[0]))


def _to_dict(code: Code) -> dict[str, Any]:
    return {
        "code": code.name,
        "diagnostic": code.diagnostic,
        "severities": list(code.severities),
        "meaning": code.meaning,
        "advice": code.advice,
    }


def _list(codes: tuple[Code, ...]) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from isoflop.codes import questions

    asked: int | None = 0
    for code in codes:
        if code.diagnostic != asked:
            asked = code.diagnostic
            yield Text(f"D{asked} {questions()[asked]}" if asked else "What was done", "bold")
        table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
        table.add_column(no_wrap=True, min_width=24)
        table.add_column(ratio=1)
        table.add_row(Text(code.name), Text(code.meaning))
        yield table


def _explain(code: Code) -> Iterator[RenderableType]:
    from rich.text import Text

    from isoflop.codes import questions

    yield Text.assemble((code.name, "bold"), f" ({' or '.join(code.severities)})")
    if code.diagnostic is not None:
        yield f"D{code.diagnostic} {questions()[code.diagnostic]}"
    yield f"Meaning: {code.meaning}"
    yield f"What to do: {code.advice}"
