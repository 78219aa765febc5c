"""Every code that a finding can carry: what it means and what to do, kept in `codes.toml` beside this file.

The rules that raise findings write the sentence of the case; this says what the code means wherever it is met.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any

from isoflop.errors import UsageError
from isoflop.findings import Severity


@dataclass(frozen=True)
class Code:
    """A code: its meaning, what to do, the severities it can have (the usual one first).

    `diagnostic` is the number of the question that it answers among those asked of every study, None for codes that
    only say what was done.
    """

    name: str
    severities: tuple[Severity, ...]
    meaning: str
    advice: str
    diagnostic: int | None = None


def find_code(name: str) -> Code:
    """The code called `name`.

    Raises:
        UsageError: there is none of that name; the message names those that are spelled alike.

    Example:
        >>> find_code("unit-slip").severities
        ('refuse',)
    """
    found = next((code for code in codes() if code.name == name), None)
    if found is not None:
        return found
    alike = get_close_matches(name, [code.name for code in codes()], 3)
    meant = f"did you mean {' or '.join(alike)}? " if alike else ""
    raise UsageError(f"code {name!r} is unknown: {meant}`isoflop diagnostics` lists the {len(codes())} there are.")


@cache
def codes() -> tuple[Code, ...]:
    """All codes, in the order of their diagnostics."""
    return tuple(
        Code(name, tuple(entry["severities"]), entry["meaning"], entry["advice"], entry.get("diagnostic"))
        for name, entry in _file().items()
        if name != "diagnostics"
    )


@cache
def questions() -> Mapping[int, str]:
    """What is asked of every study, by the number of the diagnostic."""
    return {int(number): question for number, question in _file()["diagnostics"].items()}


@cache
def _file() -> dict[str, dict[str, Any]]:
    text = resources.files("isoflop").joinpath("codes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
