"""The laws of a stacked fit as text, for the terminal and the report."""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.fitting.fit import Fit
from isoflop.reporting.numbers import percent
from isoflop.reporting.words import part_with_numbers


@dataclass(frozen=True)
class MemberRow:
    """A law of a stack as text; `error` is on larger runs it had not seen."""

    name: str
    weight: str
    error: str
    formula: str


def member_rows(fit: Fit) -> tuple[MemberRow, ...]:
    """The laws of a stack, the weightiest first; none for a single law."""
    errors = {item.law: item.error for item in fit.contest}
    rows = []
    for part in sorted(fit.parts if fit.members else (), key=lambda part: -part.weight):
        error = errors.get(part.law.name)
        shown = "–" if error is None else percent(error)
        rows.append(MemberRow(part.law.name, f"{part.weight:.0%}", shown, part_with_numbers(part)))
    return tuple(rows)
