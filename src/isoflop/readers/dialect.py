"""How a table of text is written: what separates its cells, and whether a comma is a decimal point or a thousands mark.

Both are told from the cells, never from the name of the file or the language of the machine; what the cells leave
open where it matters is asked.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from isoflop.errors import InputError, Refusal
from isoflop.readers.numbers import MISSING, Decimal
from isoflop.runs.columns import recognise

DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = " "
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", WHITESPACE: "spaces"}

_NUMERIC = re.compile(r"\s*[+-]?[\d.,'_\s]*\d[\d.,'_\s]*(?:[eE][+-]?\d+)?\s*[A-Za-z/% -]{0,12}\s*")
_END = r"(?:[eE][+-]?\d+)?\s*[A-Za-z/ -]*\s*"
_COMMA = re.compile(
    r"\s*[+-]?(?:0,\d+|\d{4,},\d+|\d+,(?:\d{1,2}|\d{4,})|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,})" + _END
)
_POINT = re.compile(
    r"\s*[+-]?(?:0?\.\d+|\d{4,}\.\d+|\d+\.(?:\d{1,2}|\d{4,})|\d{1,3}(?:,\d{3})+\.\d+|\d{1,3}(?:,\d{3}){2,})" + _END
)
_EITHER = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}" + _END)

_FRACTION = re.compile(r"\s*[+-]?\d{1,3}[,.]\d{1,2}\s*")


@dataclass(frozen=True)
class Evidence:
    """A cell that decides, or leaves open, what a comma is: where it stands and what it says."""

    line: int
    column: str
    cell: str


def delimiter_of(lines: Sequence[str]) -> str:
    """What separates the cells of the table that begins with `lines`: the mark that splits its rows most and alike."""
    texts = [line for line in lines if line.strip()]
    if not texts:
        return ","
    best, score = ",", (False, 1)
    for mark in DELIMITERS:
        counts = [len(row) for row in _rows(texts, mark)]
        columns = counts[0] if counts else 1
        if columns > 1:
            alike = all(count == columns for count in counts)
            if (alike, columns) > score or score[1] == 1:
                best, score = mark, (alike, columns)
    if score[1] > 1:
        return best
    counts = [len(text.split()) for text in texts]
    # Words alone are a sentence; a table has a number in its rows.
    has_numbers = len(texts) > 1 and any(_NUMERIC.fullmatch(cell) for cell in texts[1].split())
    return WHITESPACE if counts[0] > 1 and len(set(counts)) == 1 and has_numbers else ","


def _rows(texts: Sequence[str], mark: str) -> list[list[str]]:
    # The last line of a sample may be the first of a quoted cell, and says nothing.
    try:
        rows = [row for row in csv.reader(texts, delimiter=mark) if row]
    except csv.Error:
        return []
    return rows[:-1] if len(rows) > 2 else rows


def decimal_of(
    header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int], source: str, given: Decimal | None
) -> Decimal:
    """What separates the fraction of the numbers in `rows`, unless it is `given`.

    Raises:
        InputError: some cells say comma and others point.
        Refusal: a cell such as 1,234 has two readings and nothing decides between them.
    """
    if given is not None:
        return given
    commas, points, either = _evidence(header, rows, lines)
    if commas and points:
        one, other = commas[0], points[0]
        raise InputError(
            f"{source}: row {one.line}, column {one.column!r} has a decimal comma ({one.cell!r}), and row "
            f"{other.line}, column {other.column!r} a decimal point ({other.cell!r}): write all numbers alike."
        )
    if commas or points or not either:
        return "comma" if commas else "point"
    open_cell = either[0]
    raise Refusal(
        f"{source}, row {open_cell.line}, column {open_cell.column!r}: {open_cell.cell!r} is "
        f"{open_cell.cell.replace(',', '.')} with a decimal comma and {open_cell.cell.replace(',', '')} with a comma "
        "between thousands, and no cell says which: say --decimal comma or --decimal point."
    )


def _evidence(
    header: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int]
) -> tuple[list[Evidence], list[Evidence], list[Evidence]]:
    commas: list[Evidence] = []
    points: list[Evidence] = []
    either: list[Evidence] = []
    for name, cells in zip(header, zip(*rows, strict=False), strict=False):
        if not _is_numeric(cells):
            continue
        column = recognise(name)
        is_loss = column is not None and column.name == "loss"
        is_count = column is not None and column.kind in ("count", "tokens", "compute")
        for line, cell in zip(lines, cells, strict=False):
            if "," not in cell and "." not in cell:
                continue
            if is_count and _FRACTION.fullmatch(cell):
                continue  # 1,5 tokens are a slip in any language
            # No untrained model over any vocabulary has a loss of a thousand: there 3,105 is 3.105.
            if _COMMA.fullmatch(cell) or (is_loss and _EITHER.fullmatch(cell)):
                commas.append(Evidence(line, name, cell))
            elif _POINT.fullmatch(cell):
                points.append(Evidence(line, name, cell))
            elif _EITHER.fullmatch(cell):
                either.append(Evidence(line, name, cell))
    return commas, points, either


def _is_numeric(cells: Iterable[str]) -> bool:
    return all(len(cell) <= 64 and (_NUMERIC.fullmatch(cell) or cell.strip().lower() in MISSING) for cell in cells)
