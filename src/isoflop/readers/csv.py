"""CSV and TSV: comma, semicolon or tab, quoted cells, byte-order marks; every error names row and column."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from isoflop.errors import InputError
from isoflop.readers.cells import RawTable
from isoflop.readers.text import read_text

DELIMITERS = (",", ";", "\t")


def read_csv(path: Path) -> RawTable:
    """The cells of the CSV or TSV file at `path`, by the delimiter that splits its header most.

    Raises:
        InputError: the file is empty, has no header or no rows, or a row has more or fewer cells than the header.
    """
    return parse_csv(read_text(path), str(path))


def parse_csv(text: str, source: str) -> RawTable:
    """The cells of CSV `text`; `source` is named in errors."""
    lines, records = _records(text, source)
    if not records:
        raise InputError(f"{source} is empty: give a header such as params,tokens,loss and one row per run.")
    header, *rows = records
    names = tuple(name.strip() for name in header)
    _check_header(names, source)
    for line, row in zip(lines[1:], rows, strict=True):
        if len(row) != len(names):
            raise InputError(
                f"{source}, row {line}: it has {len(row)} cells where the header has {len(names)}; "
                'put numbers with commas in quotes ("10,000,000").'
            )
    if not rows:
        raise InputError(f"{source} has a header and no rows: add one row per run.")
    return RawTable(source, names, tuple(tuple(row) for row in rows), tuple(lines[1:]))


def _records(text: str, source: str) -> tuple[list[int], list[list[str]]]:
    first = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[int] = []
    records: list[list[str]] = []
    started = 1
    try:
        for record in reader:
            # A record of a quoted cell with line ends is named by its first line.
            if any(cell.strip() for cell in record):
                lines.append(started)
                records.append(record)
            started = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{source}, row {started}: this is not a row of a CSV file ({error}).") from None
    return lines, records


def _check_header(names: tuple[str, ...], source: str) -> None:
    if all(_is_number(name) for name in names):
        raise InputError(
            f"{source}: the first row is all numbers; put the names of the columns there, such as params,tokens,loss."
        )
    for position, name in enumerate(names, start=1):
        if not name:
            raise InputError(f"{source}: column {position} has no name; give it one in the first row.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
