"""CSV and its relatives: any delimiter, quoted cells, decimal commas, byte-order marks; errors name row and column.

A file is read in pieces, so that its size is bounded by the disk, not by the memory.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.readers.dialect import NAMES, WHITESPACE, decimal_of, delimiter_of
from isoflop.readers.numbers import Decimal, plain_number
from isoflop.readers.raw import Gathering, RawTable, collection_paused
from isoflop.readers.text import Progress, one_line, open_lines
from isoflop.runs.columns import recognise

ROWS_IN_A_PIECE = 20_000
SAMPLE_LINES = 50
"""Lines that are looked at to tell what separates cells."""

_EXCEL_HINT = re.compile(r"sep=(.)\s*", re.IGNORECASE)

Rows = tuple[list[list[str]], Sequence[int]]
"""Some rows, and the line of each."""


@dataclass(frozen=True)
class CsvOptions:
    """How a CSV file is read.

    `decimal` is what the user says of numbers, `finals` keeps the last row of each run only, `as_text` keeps every cell
    as it is written, and `progress` is told what is done.
    """

    decimal: Decimal | None = None
    finals: bool = False
    as_text: bool = False
    progress: Progress | None = None


@dataclass(frozen=True)
class _Opening:
    """What the first lines say: the delimiter, the line the header stands on, and what is to be said about them."""

    delimiter: str
    skipped: int
    notes: tuple[str, ...]


def read_csv(path: Path, options: CsvOptions = CsvOptions()) -> RawTable:
    """The cells of the CSV file at `path`.

    Raises:
        InputError: the file is empty, has no header or no rows, or a row has more or fewer cells than the header.
        Refusal: whether a comma is a decimal point cannot be told, and matters.
    """
    text: frozenset[int] = frozenset()
    while True:
        with open_lines(path) as lines:
            with collection_paused():
                table, spoilt = _parse(lines.watched(options.progress), str(path), options, text)
            if not spoilt:
                return _said(table, lines.encoding.note)
        text |= spoilt


def parse_csv(text: str, source: str, options: CsvOptions = CsvOptions()) -> RawTable:
    """The cells of CSV `text`, whose lines end in line feeds; `source` is named in errors."""
    table, spoilt = _parse(iter([text.split("\n")]), source, options, frozenset())
    return _parse(iter([text.split("\n")]), source, options, spoilt)[0] if spoilt else table


def _said(table: RawTable, *sentences: str) -> RawTable:
    notes = tuple(Finding("dialect", "note", f"{table.source}: {sentence}") for sentence in sentences if sentence)
    return replace(table, findings=(*table.findings, *notes))


def _parse(
    pieces: Iterator[list[str]], source: str, options: CsvOptions, text: frozenset[int]
) -> tuple[RawTable, frozenset[int]]:
    first_lines = next(pieces, [])
    opening = _opening(first_lines[:SAMPLE_LINES])
    records = (rows for rows in _records(itertools.chain([first_lines], pieces), opening, source) if rows[0])
    first = next(records, None)
    if first is None:
        raise InputError(f"{source} is empty: give a header such as params,tokens,loss and one row per run.")
    header, lines = first[0][0], first[1]
    if header[0].startswith("#"):
        header[0] = header[0].lstrip("# ")
    names = tuple(cell.strip() for cell in header)
    _check_header(names, source)
    rest = itertools.chain([(first[0][1:], lines[1:])], records)
    table, spoilt = _gather(_checked(rest, len(names), source), names, source, options, text)
    if not len(table):
        raise InputError(f"{source} has a header and no rows: add one row per run.")
    index = "" if names[0] else "The first column has no name and is taken for row numbers."
    comma = "Numbers are read with decimal commas." if table.decimal == "comma" else ""
    return _said(_without_nameless(table, source), *opening.notes, index, comma), spoilt


def _opening(head: Sequence[str]) -> _Opening:
    notes: list[str] = []
    skipped = 0
    hint = _EXCEL_HINT.fullmatch(head[0].lstrip("\ufeff")) if head else None
    if hint:
        return _Opening(hint[1], 1, ("The first line says what separates cells.",))
    texts = [line for line in head if line.strip()]
    comments = list(itertools.takewhile(lambda line: line.lstrip().startswith("#"), texts))
    if comments and len(comments) < len(texts):
        skipped = head.index(comments[-1]) + 1
        following = texts[len(comments)]
        mark = delimiter_of([comments[-1].lstrip()[1:], following])
        names, cells = comments[-1].strip().split(mark), following.strip().split(mark)
        if len(names) == len(cells) > 1:
            skipped -= 1  # numpy.savetxt writes the names of columns behind a #
            notes.append("The names of the columns stand behind a #.")
        else:
            notes.append(f"{len(comments)} lines of comment are left out.")
    delimiter = delimiter_of([line.lstrip("# ") if index == 0 else line for index, line in enumerate(head[skipped:])])
    if delimiter != ",":
        notes.append(f"Cells are separated by {NAMES.get(delimiter, delimiter)}.")
    return _Opening(delimiter, skipped, tuple(notes))


def _records(pieces: Iterator[list[str]], opening: _Opening, source: str) -> Iterator[Rows]:
    """The rows that are not blank, some thousand at a time, each with the line it begins on."""
    number = 0
    for piece in pieces:
        start = max(0, opening.skipped - number)
        lines, first = piece[start:], number + start + 1
        number += len(piece)
        if opening.delimiter == WHITESPACE:
            yield _not_blank([line.lstrip("# ").split() for line in lines], range(first, first + len(lines)))
        elif any('"' in line for line in lines):
            # A quoted cell may reach over lines, and over pieces: from here on rows are read one by one.
            yield from _one_by_one(
                itertools.chain(lines, itertools.chain.from_iterable(pieces)), first, opening, source
            )
            return
        else:
            yield _not_blank(_split(lines, first, opening.delimiter, source), range(first, first + len(lines)))


def _not_blank(rows: list[list[str]], lines: Sequence[int]) -> Rows:
    if all(rows) and all(map("".join, rows)):
        return rows, lines
    kept = [(row, line) for row, line in zip(rows, lines, strict=True) if any(map(str.strip, row))]
    return [row for row, _ in kept], [line for _, line in kept]


def _split(lines: list[str], first: int, delimiter: str, source: str) -> list[list[str]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        return list(reader)
    except csv.Error as error:
        raise InputError(_not_csv(source, first + reader.line_num - 1, error)) from None


def _one_by_one(lines: Iterable[str], first: int, opening: _Opening, source: str) -> Iterator[Rows]:
    reader = csv.reader((line + "\n" for line in lines), delimiter=opening.delimiter, strict=True)
    started = first
    rows: list[list[str]] = []
    starts: list[int] = []
    try:
        for record in reader:
            # A record of a quoted cell with line ends is named by its first line.
            if any(map(str.strip, record)):
                rows.append(record)
                starts.append(started)
                if len(rows) == ROWS_IN_A_PIECE:
                    yield rows, starts
                    rows, starts = [], []
            started = first + reader.line_num
    except csv.Error as error:
        raise InputError(_not_csv(source, started, error)) from None
    if rows:
        yield rows, starts


def _not_csv(source: str, line: int, error: csv.Error) -> str:
    return f"{source}, row {line}: this is not a row of a CSV file ({one_line(error)})."


def _check_header(names: tuple[str, ...], source: str) -> None:
    if any(names) and all(plain_number(name) is not None for name in names if name):
        raise InputError(
            f"{source}: the first row is all numbers; put the names of the columns there, such as params,tokens,loss."
        )
    for name in names:
        if name and names.count(name) > 1:
            places = " and ".join(str(place) for place, other in enumerate(names, start=1) if other == name)
            raise InputError(f"{source}, row 1: columns {places} are both called {name!r}: give each its own name.")


def _checked(records: Iterator[Rows], width: int, source: str) -> Iterator[Rows]:
    for rows, lines in records:
        if rows and set(map(len, rows)) != {width}:
            line, row = next((line, row) for line, row in zip(lines, rows, strict=True) if len(row) != width)
            raise InputError(
                f"{source}, row {line}: it has {len(row)} cells where the header has {width}; "
                'put numbers with commas in quotes ("10,000,000").'
            )
        if rows:
            yield rows, lines


def _gather(
    records: Iterator[Rows], names: tuple[str, ...], source: str, options: CsvOptions, text: frozenset[int]
) -> tuple[RawTable, frozenset[int]]:
    """The columns of the rows, and those that have to be read again as text."""
    head = next(records, ([], []))
    decimal = decimal_of(names, head[0][:ROWS_IN_A_PIECE], head[1][:ROWS_IN_A_PIECE], source, options.decimal)
    as_text = {place for place, name in enumerate(names) if (column := recognise(name)) and column.kind is None}
    if options.as_text:
        as_text = set(range(len(names)))
    gathering = Gathering(source, names, frozenset(as_text) | text, decimal)
    last = _LastOfEachRun.of(names) if options.finals else None
    for rows, lines in itertools.chain([head], records):
        if last is None:
            gathering.add(rows, lines)
        else:
            last.add(rows, lines)
    if last is not None:
        gathering.add(last.rows(), last.lines())
    table = RawTable(source, names, gathering.columns(), gathering.lines(), decimal)
    if last is not None:
        table = _said(table, f"The last row of each of {len(table)} runs is kept, of {last.seen} rows.")
    return table, frozenset(gathering.spoilt) - text


class _LastOfEachRun:
    """The row of the highest step of each run; of equal steps, the one written last."""

    def __init__(self, run: int, step: int) -> None:
        self.seen = 0
        self._run, self._step = run, step
        self._last: dict[str, tuple[float, int, list[str]]] = {}

    @classmethod
    def of(cls, names: Sequence[str]) -> _LastOfEachRun | None:
        """For a table with these columns; None where it has no run, or nothing that says how far a row is."""
        places = {column.name: place for place, name in enumerate(names) if (column := recognise(name))}
        progress = next((places[name] for name in ("step", "tokens", "samples_seen") if name in places), None)
        return cls(places["run"], progress) if "run" in places and progress is not None else None

    def add(self, rows: Sequence[list[str]], lines: Sequence[int]) -> None:
        self.seen += len(rows)
        for row, line in zip(rows, lines, strict=True):
            run, step = row[self._run], plain_number(row[self._step])
            progress = float(line) if step is None or step != step else step
            if run not in self._last or progress >= self._last[run][0]:
                self._last[run] = (progress, line, row)

    def rows(self) -> list[list[str]]:
        return [row for _, _, row in self._last.values()]

    def lines(self) -> list[int]:
        return [line for _, line, _ in self._last.values()]


def _without_nameless(table: RawTable, source: str) -> RawTable:
    """The table without columns that have no name: the row numbers that pandas writes, and empty ones."""
    kept = []
    for place, (name, cells) in enumerate(zip(table.header, table.columns, strict=True)):
        if name:
            kept.append(place)
        elif not (_numbers_rows(cells) if place == 0 else _is_empty(cells)):
            raise InputError(f"{source}: column {place + 1} has no name; give it one in the first row.")
    header = tuple(table.header[place] for place in kept)
    return replace(table, header=header, columns=tuple(table.columns[place] for place in kept))


def _numbers_rows(cells: object) -> bool:
    if not isinstance(cells, np.ndarray) or not np.all(cells == np.floor(cells)):
        return False
    return np.unique(cells).size == cells.size


def _is_empty(cells: object) -> bool:
    if isinstance(cells, np.ndarray):
        return bool(np.isnan(cells).all())
    return isinstance(cells, list) and not any(str(cell).strip() for cell in cells)
