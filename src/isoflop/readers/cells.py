"""From cells to a run table: which column is what, what each cell stands for, and saying both aloud.

Every reader ends here: it hands over a `RawTable` of headers and cells as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding
from isoflop.quantities import PARAM_COUNTS, ParamCount
from isoflop.readers.derive import derive
from isoflop.readers.headers import HeaderReading, assign
from isoflop.readers.numbers import LONGEST_NUMBER, Decimal, all_numbers, plain_number, quantity
from isoflop.readers.raw import Cells, RawTable, Reading
from isoflop.runs.columns import column_named, recognise
from isoflop.runs.table import RunTable

ESSENTIAL = ("params", "params_total", "params_non_embedding", "params_active", "tokens", "compute", "loss")
"""Columns whose cells must be understood; any other column that is not all numbers is kept as text."""

_COLUMN_OF: dict[ParamCount, str] = {
    "total": "params_total",
    "non-embedding": "params_non_embedding",
    "active": "params_active",
}
Values = NDArray[np.float64] | NDArray[np.object_]


@dataclass(frozen=True)
class Said:
    """What the user says of a source: which header is which column, and what holds for every row."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str | float] = field(default_factory=dict)
    param_count: ParamCount | None = None


def interpret(raw: RawTable, said: Said = Said()) -> tuple[RunTable, tuple[Reading, ...]]:
    """The run table of `raw`, and how each of its columns was read.

    Raises:
        InputError: naming source, row, column and value of a cell that is not understood.
        UsageError: what is `said` does not fit the source.
    """
    _refuse_repeats(raw)
    taken = assign(raw.header, said.columns)
    columns: dict[str, Values] = {}
    readings: list[Reading] = []
    for header, cells in zip(raw.header, raw.columns, strict=True):
        name, values, reading = _read_column(raw, header, taken[header], cells)
        columns[name] = values
        readings.append(raw.origins.get(header, reading))
    table = RunTable.from_columns(
        columns, row=raw.lines, param_count=raw.param_count, source=[raw.source], excluded=raw.excluded
    )
    table = table.with_findings(*raw.findings, *_synonyms_said(readings))
    table = _with_constants(table, said.constants)
    table = _choose_params(table, raw.source, said.param_count or _constant_count(said.constants))
    return derive(table, {item.column.name: item.unit for item in taken.values() if item}), tuple(readings)


def _refuse_repeats(raw: RawTable) -> None:
    seen: set[str] = set()
    for header in raw.header:
        if header in seen:
            raise InputError(f"{raw.source}: two columns are called {header!r}: give each its own name.")
        seen.add(header)


def _read_column(raw: RawTable, header: str, taken: HeaderReading | None, cells: Cells) -> tuple[str, Values, Reading]:
    if taken is None:
        rival = recognise(header)
        why = f"another column is already {rival.name}" if rival else "not a name that is understood"
        name = f"{header} (as written)" if column_named(header) else header
        numbers = all_numbers(cells, raw.decimal)
        if numbers is None:
            return name, as_text(cells), Reading(header, name, why, "kept as text")
        return name, numbers, Reading(header, name, why, "read as numbers")
    column = taken.column
    if column.kind is None:
        return column.name, as_text(cells), Reading(header, column.name, taken.why, "kept as text")
    why = f"{taken.why}; {column.meaning}"
    if isinstance(cells, np.ndarray):
        values = cells if taken.scale == 1.0 else cells * taken.scale
        return column.name, values, Reading(header, column.name, why, _done(taken, "read as numbers"))
    try:
        values = _quantities(raw, header, taken, cells)
    except UsageError:
        reading = Reading(header, header, "its cells are not numbers", "kept as text")
        return header, as_text(cells), reading
    scaled = any(isinstance(cell, str) and plain_number(cell) is None for cell in cells)
    done = _done(taken, "units and suffixes resolved" if scaled else "read as numbers")
    return column.name, values, Reading(header, column.name, why, done)


def _done(taken: HeaderReading, done: str) -> str:
    return f"{done}, times {taken.scale:g}" if taken.scale != 1.0 else done


def _quantities(raw: RawTable, header: str, taken: HeaderReading, cells: Sequence[Any]) -> NDArray[np.float64]:
    """The cells as numbers; UsageError where one of a lesser column is none."""
    column, decimal = taken.column, raw.decimal
    assert column.kind is not None
    values = np.empty(len(cells))
    for index, cell in enumerate(cells):
        try:
            # A cell that carries its own suffix is not scaled by the unit of the header once more.
            plain = plain_number(cell) if decimal == "point" else None
            values[index] = quantity(cell, column.kind, decimal) if plain is None else plain
            if taken.scale != 1.0 and _is_bare(cell, decimal):
                values[index] *= taken.scale
        except UsageError:
            if column.name not in ESSENTIAL or (header != column.name and not _has_a_digit(cells)):
                raise
            raise InputError(_not_a_number(raw, header, column.name, int(raw.lines[index]), cell, decimal)) from None
    return values


def _has_a_digit(cells: Sequence[Any]) -> bool:
    """Whether any cell holds a digit; a column of words under another name for N is none of N."""
    return any(mark.isdigit() for cell in cells for mark in str(cell))


def _is_bare(cell: Any, decimal: Decimal) -> bool:
    return all_numbers([cell], decimal) is not None


def _not_a_number(raw: RawTable, header: str, column: str, line: int, cell: Any, decimal: Decimal) -> str:
    shown = repr(cell if len(str(cell)) <= LONGEST_NUMBER else f"{str(cell)[:LONGEST_NUMBER]}…")
    hint = "a decimal comma is not read" if decimal == "point" else "numbers here have decimal commas"
    return (
        f"{raw.source}, row {line}, column {header!r}: {shown} is not a number for {column} "
        f"(like 1.5, 2e9, 7B or 10,000,000; {hint}). Correct the cell or leave it empty."
    )


def as_text(cells: Cells) -> NDArray[np.object_]:
    """The cells as text; a cell that is not given is empty."""
    text = np.empty(len(cells), dtype=object)
    text[:] = ["" if cell is None or cell != cell else str(cell) for cell in cells]
    return text


def _synonyms_said(readings: list[Reading]) -> list[Finding]:
    renamed = [f"{item.column!r} as {item.taken_for}" for item in readings if item.column != item.taken_for]
    if not renamed:
        return []
    return [Finding("renamed-columns", "note", f"Columns read under other names: {', '.join(renamed)}.")]


def _with_constants(table: RunTable, constants: Mapping[str, str | float]) -> RunTable:
    """The table with the columns that the user says hold for every row."""
    added = {name: value for name, value in constants.items() if name != "param_count"}
    for name in added:
        if table.has(name):
            raise UsageError(
                f"--set {name}={added[name]}: the source has a column {name}; --map gives it another name."
            )
    if not added:
        return table
    shown = ", ".join(f"{name} = {value}" for name, value in added.items())
    columns = {name: np.full(len(table), value, dtype=object if isinstance(value, str) else np.float64)
               for name, value in added.items()}  # fmt: skip
    return table.with_columns(columns).with_findings(Finding("set", "note", f"As you say, in every row: {shown}."))


def _constant_count(constants: Mapping[str, str | float]) -> ParamCount | None:
    if "param_count" not in constants:
        return None
    for allowed in PARAM_COUNTS:
        if constants["param_count"] == allowed:
            return allowed
    raise UsageError(f"--set param_count={constants['param_count']} must be one of {', '.join(PARAM_COUNTS)}.")


def _choose_params(table: RunTable, source: str, wanted: ParamCount | None) -> RunTable:
    """Decide which column is `params` and what it counts."""
    counted = {count: name for count, name in _COLUMN_OF.items() if table.has(name) and table[name].dtype != object}
    if wanted is not None and wanted != "unspecified":
        return _labelled(table, source, wanted, counted)
    if table.has("params"):
        for count, name in counted.items():
            if np.array_equal(table["params"], table[name], equal_nan=table["params"].dtype != object):
                return table.counting(count)
        if table.param_count == "unspecified":
            message = "Whether `params` counts embeddings is not said in the data; --param-count says it."
            return table.with_findings(Finding("param-count-unspecified", "note", message))
        return table
    for count, name in counted.items():
        note = Finding("param-count-chosen", "note", f"`params` is {name}; --param-count chooses another count.")
        return table.with_columns({"params": table[name]}).counting(count).with_findings(note)
    return table


def _labelled(table: RunTable, source: str, wanted: ParamCount, counted: dict[ParamCount, str]) -> RunTable:
    if wanted in counted:
        return table.with_columns({"params": table[counted[wanted]]}).counting(wanted)
    if not table.has("params"):
        there = ", ".join(counted.values()) or "no column of parameters"
        raise InputError(f"{source}: param_count={wanted!r} is asked for, and there is {there}.")
    if table.param_count not in (wanted, "unspecified"):
        raise InputError(f"{source}: param_count={wanted!r} is asked for, and `params` counts {table.param_count}.")
    return table.counting(wanted)
