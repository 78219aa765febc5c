"""RawTable: cells as they were written, column by column; what every reader of tables hands over."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.quantities import ParamCount
from isoflop.readers.numbers import Decimal, plain_number, with_point
from isoflop.runs.table import Exclusion

Cells = NDArray[np.float64] | Sequence[Any]
"""One column: an array where every cell is a plain number (NaN = not given), else the cells as they were written."""

MOST_CELLS = 200_000_000
"""Cells of a table; what is larger is no table of runs, and would not fit the memory of a laptop."""


@dataclass(frozen=True)
class Reading:
    """How one column was read: its header, what it was taken for, why, and what was done to its cells."""

    column: str
    taken_for: str
    why: str
    done: str

    def to_dict(self) -> dict[str, str]:
        """The JSON object of this reading."""
        return {"column": self.column, "taken_for": self.taken_for, "why": self.why, "done": self.done}


@dataclass(frozen=True, eq=False)
class RawTable:
    """Cells as they were written.

    `source` says where, `lines` gives the line of each row, `decimal` how numbers are written, `param_count` what is
    known of N. `origins` explains columns whose reader knows more than their header says; `excluded` and `findings`
    are what the reader left out and noticed.
    """

    source: str
    header: tuple[str, ...]
    columns: tuple[Cells, ...]
    lines: NDArray[np.int64]
    decimal: Decimal = "point"
    param_count: ParamCount = "unspecified"
    origins: Mapping[str, Reading] = field(default_factory=dict)
    excluded: tuple[Exclusion, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return int(self.lines.size)


def raw_table(source: str, header: Sequence[str], rows: Sequence[Sequence[Any]], lines: Sequence[int]) -> RawTable:
    """The raw table of a few rows held in memory."""
    columns: list[Cells] = [list(cells) for cells in zip(*rows, strict=True)] if rows else [[] for _ in header]
    return RawTable(source, tuple(header), tuple(columns), np.array(lines, dtype=np.int64))


@contextmanager
def collection_paused() -> Iterator[None]:
    """Python's search for cycles, off for a while: among millions of cells it finds none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Gathering:
    """Rows of text gathered into columns piece by piece: numbers as numbers, so that a long table fits in memory.

    A column in `text` keeps its cells. A column whose later cells prove to be text after earlier ones were taken for
    numbers is named in `spoilt`: the file is read again with it in `text`, so that no cell changes its spelling.
    """

    def __init__(self, source: str, header: Sequence[str], text: frozenset[int], decimal: Decimal = "point") -> None:
        self.spoilt: set[int] = set()
        self._source, self._header, self._decimal = source, tuple(header), decimal
        self._numbers: list[list[NDArray[np.float64]]] = [[] for _ in header]
        self._cells: dict[int, list[Any]] = {place: [] for place in text}
        self._lines = array("q")
        self._same: dict[str, str] = {}

    def add(self, rows: Sequence[Sequence[str]], lines: Sequence[int]) -> None:
        """Take some more rows, and the line of each.

        Raises:
            InputError: there are more cells than a table of runs has.
        """
        if (len(self._lines) + len(rows)) * len(self._header) > MOST_CELLS:
            raise InputError(
                f"{self._source} has more than {MOST_CELLS:,} cells: keep one row per run with --rows finals, or leave "
                "columns out."
            )
        self._lines.extend(lines)
        for place, cells in enumerate(zip(*rows, strict=True)):
            if place in self._cells:
                self._cells[place].extend([self._same.setdefault(cell, cell) for cell in cells])
                continue
            numbers = _numbers(cells, self._decimal)
            if numbers is not None:
                self._numbers[place].append(numbers)
                continue
            earlier = [value for piece in self._numbers[place] for value in piece.tolist()]
            if earlier:
                self.spoilt.add(place)
            self._cells[place] = [*earlier, *cells]
            self._numbers[place] = []

    def columns(self) -> tuple[Cells, ...]:
        """The columns gathered, which are handed over: they are not held here any longer."""
        return tuple(
            self._cells.pop(place) if place in self._cells else _whole(pieces) if pieces else []
            for place, pieces in enumerate(self._numbers)
        )

    def lines(self) -> NDArray[np.int64]:
        """The line of each row."""
        return np.array(self._lines, dtype=np.int64)


def _whole(pieces: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The pieces as one array that nobody may change, so that tables can share it."""
    whole = np.concatenate(pieces)
    pieces.clear()
    whole.setflags(write=False)
    return whole


def _numbers(cells: Sequence[str], decimal: Decimal) -> NDArray[np.float64] | None:
    """The cells as plain numbers, or None where one is not."""
    if decimal == "comma":
        cells = [with_point(cell) for cell in cells]
    if "_" in "".join(cells):  # Python reads 1_0 as ten; in a table it is a name
        return None
    try:
        return np.array(list(map(float, cells)))
    except ValueError:
        pass
    numbers = np.empty(len(cells))
    for index, cell in enumerate(cells):
        number = plain_number(cell)
        if number is None:
            return None
        numbers[index] = number
    return numbers
