"""From cells to a run table: which column is what, what each cell stands for, and saying both aloud.

Every reader of files ends here: it hands over a `RawTable` of headers and cells as they were written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding
from isoflop.quantities import ParamCount, parse_quantity
from isoflop.runs.columns import Column, column_named, recognise, standard_name
from isoflop.runs.table import RunTable

ESSENTIAL = ("params", "params_total", "params_non_embedding", "params_active", "tokens", "compute", "loss")
"""Columns whose cells must be understood; any other column that is not all numbers is kept as text."""

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "--", "?"})
"""Texts that say that a value was not given, without case."""

_COLUMN_OF: dict[ParamCount, str] = {
    "total": "params_total",
    "non-embedding": "params_non_embedding",
    "active": "params_active",
}


@dataclass(frozen=True)
class RawTable:
    """Cells as they were written: `source` says where, `lines` the line of each row, `param_count` what is known."""

    source: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    lines: tuple[int, ...]
    param_count: ParamCount = "unspecified"


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


def interpret(raw: RawTable, param_count: ParamCount | None = None) -> tuple[RunTable, tuple[Reading, ...]]:
    """The run table of `raw`, and how each of its columns was read.

    `param_count` says what N counts, and chooses between columns where several are there.

    Raises:
        InputError: naming source, row, column and value of a cell that is not understood.
    """
    _refuse_repeats(raw)
    taken = _assign(raw.header)
    columns: dict[str, list[Any]] = {}
    readings: list[Reading] = []
    for position, header in enumerate(raw.header):
        cells = [row[position] for row in raw.rows]
        name, values, reading = _read_column(raw, header, taken[header], cells)
        if values is not None:
            columns[name] = values
        readings.append(reading)
    table = RunTable.from_columns(columns, row=raw.lines, param_count=raw.param_count, source=[raw.source])
    table = table.with_findings(*_synonyms_said(readings))
    table = _choose_params(table, raw.source, param_count)
    return _derive(table), tuple(readings)


def _refuse_repeats(raw: RawTable) -> None:
    for header in raw.header:
        if raw.header.count(header) > 1:
            raise InputError(f"{raw.source}: two columns are called {header!r}: give each its own name.")


def _assign(header: tuple[str, ...]) -> dict[str, Column | None]:
    """The column each header stands for; where several claim one, the standard name and then list order win."""
    claims: dict[str, list[str]] = {}
    for name in header:
        column = recognise(name)
        if column is not None:
            claims.setdefault(column.name, []).append(name)
    taken: dict[str, Column | None] = dict.fromkeys(header)
    for standard, names in claims.items():
        column = column_named(standard)
        assert column is not None
        order = [standard_name(spelling) for spelling in (column.name, *column.synonyms)]
        ranks = {name: (name != standard, order.index(standard_name(name))) for name in names}
        winner = min(names, key=ranks.__getitem__)
        taken[winner] = column
    return taken


def _read_column(
    raw: RawTable, header: str, column: Column | None, cells: list[Any]
) -> tuple[str, list[Any] | None, Reading]:
    if column is None:
        rival = recognise(header)
        why = f"another column is already {rival.name}" if rival else "not a name that is understood"
        numbers = _all_numbers(cells)
        done = "read as numbers" if numbers is not None else "kept as text"
        return header, _as_text(cells) if numbers is None else numbers, Reading(header, header, why, done)
    why = "standard name" if header == column.name else f"another name for {column.name}"
    if column.kind is None:
        return column.name, _as_text(cells), Reading(header, column.name, why, "kept as text")
    values: list[float] = []
    for line, cell in zip(raw.lines, cells, strict=True):
        try:
            values.append(_number(cell, column))
        except UsageError:
            if column.name not in ESSENTIAL:
                reading = Reading(header, header, "not all of its cells are numbers", "kept as text")
                return header, _as_text(cells), reading
            raise InputError(
                f"{raw.source}, row {line}, column {header!r}: {cell!r} is not a number for {column.name} "
                "(like 1.5, 2e9, 7B or 10,000,000; a decimal comma is not read). Correct the cell or leave it empty."
            ) from None
    scaled = any(isinstance(cell, str) and _plain_number(cell) is None for cell in cells)
    done = "units and suffixes resolved" if scaled else "read as numbers"
    return column.name, values, Reading(header, column.name, f"{why}; {column.meaning}", done)


def _number(cell: Any, column: Column) -> float:
    plain = _plain_number(cell)
    if plain is not None:
        return plain
    if isinstance(cell, str) and column.kind is not None:
        return parse_quantity(cell, column.kind, signed=True)
    raise UsageError(f"{cell!r} is not a number.")


def _plain_number(cell: Any) -> float | None:
    """The number a cell is without reading units: NaN for a missing one, None when it is something else."""
    # The missing marks of frame libraries have these type names and compare with nothing.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return float("nan")
    if isinstance(cell, bytes) or (isinstance(cell, str) and "_" in cell):
        return None
    if isinstance(cell, str) and cell.strip().lower() in MISSING:
        return float("nan")
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _all_numbers(cells: list[Any]) -> list[float] | None:
    numbers = [_plain_number(cell) for cell in cells]
    found = [number for number in numbers if number is not None]
    return found if len(found) == len(cells) and any(number == number for number in found) else None


def _as_text(cells: list[Any]) -> list[Any]:
    return ["" if cell is None or cell != cell else str(cell) for cell in cells]


def _synonyms_said(readings: list[Reading]) -> list[Finding]:
    renamed = [f"{item.column!r} as {item.taken_for}" for item in readings if item.column != item.taken_for]
    if not renamed:
        return []
    return [Finding("renamed-columns", "note", f"Columns read under other names: {', '.join(renamed)}.")]


def _choose_params(table: RunTable, source: str, wanted: ParamCount | None) -> RunTable:
    """Decide which column is `params` and what it counts."""
    counted = {count: name for count, name in _COLUMN_OF.items() if table.has(name)}
    if wanted is not None and wanted != "unspecified":
        return _labelled(table, source, wanted, counted)
    if table.has("params"):
        for count, name in counted.items():
            if table["params"].tolist() == table[name].tolist():
                return _counting(table, count)
        if table.param_count == "unspecified":
            message = "Whether `params` counts embeddings is not said in the data; --param-count says it."
            return table.with_findings(Finding("param-count-unspecified", "note", message))
        return table
    for count, name in counted.items():
        note = Finding("param-count-chosen", "note", f"`params` is {name}; --param-count chooses another count.")
        return _counting(table.with_columns({"params": table[name]}), count).with_findings(note)
    return table


def _labelled(table: RunTable, source: str, wanted: ParamCount, counted: dict[ParamCount, str]) -> RunTable:
    if wanted in counted:
        return _counting(table.with_columns({"params": table[counted[wanted]]}), wanted)
    if not table.has("params"):
        there = ", ".join(counted.values()) or "no column of parameters"
        raise InputError(f"{source}: param_count={wanted!r} is asked for, and there is {there}.")
    if table.param_count not in (wanted, "unspecified"):
        raise InputError(f"{source}: param_count={wanted!r} is asked for, and `params` counts {table.param_count}.")
    return _counting(table, wanted)


def _counting(table: RunTable, count: ParamCount) -> RunTable:
    return RunTable(table.columns, table.row, count, table.source, table.excluded, table.findings)


def _derive(table: RunTable) -> RunTable:
    """Fill in the one of params, tokens and compute that is not given, by C = 6·N·D, and say so."""
    there = {name: table.has(name) and table[name].dtype != object for name in ("params", "tokens", "compute")}
    if list(there.values()).count(False) != 1:
        return table
    if not there["compute"]:
        filled, formula = {"compute": table.compute()}, "compute = 6 x params x tokens"
    elif not there["tokens"]:
        filled, formula = {"tokens": table.tokens()}, "tokens = compute / (6 x params)"
    else:
        filled, formula = {"params": table["compute"] / (6.0 * table["tokens"])}, "params = compute / (6 x tokens)"
    (name,) = filled
    message = f"There is no column for {name}; it was filled in as {formula}."
    return table.with_columns(filled).with_findings(Finding(f"derived-{name}", "note", message))
