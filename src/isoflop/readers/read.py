"""The front door: any source, or several, read as one checked run table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop import expressions
from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import Finding
from isoflop.quantities import PARAM_COUNTS, ParamCount
from isoflop.readers.cells import RawTable, Reading, interpret
from isoflop.readers.csv import read_csv
from isoflop.readers.frames import read_frame
from isoflop.readers.jsonl import read_json
from isoflop.readers.parquet import read_parquet
from isoflop.readers.run_directory import read_run_directories
from isoflop.readers.sniff import sniff
from isoflop.runs.checks import check_rows
from isoflop.runs.columns import column_named
from isoflop.runs.table import RunTable


def read_runs(source: Any, *, param_count: str | None = None, where: str | None = None, y: str = "loss") -> RunTable:
    """The run table of `source`, its impossible rows excluded and everything noticed said in its findings.

    `source` is a path, several paths, a dict of columns, a pandas, polars or pyarrow table, or a RunTable, which
    is taken as it is. `param_count` says what N counts (`total`, `non-embedding`, `active`) and chooses between
    columns where there are several; `where` keeps the rows that fulfil a condition such as `params > 1e7`;
    `y` is the column that will be fitted, whose missing values exclude a row.

    Raises:
        InputError: a source cannot be read, or none of its rows used; the message names file, row, column and value.
        UsageError: `param_count` or `where` is wrong.
        Refusal: several sources count parameters differently, or in ways that are not said.

    Example:
        >>> table = read_runs({"N": ["1M", "10M"], "D": ["1B", "1B"], "val_loss": [4.1, 3.4]}, param_count="total")
        >>> list(table.columns), table["params"].tolist()
        (['params', 'tokens', 'loss', 'compute'], [1000000.0, 10000000.0])
    """
    count = _param_count(param_count)
    tables = [table for table, _ in _read_all(source, count)]
    table = tables[0] if len(tables) == 1 else _joined(tables)
    if where is not None:
        table = _where(table, where)
    checked = check_rows(table, y)
    if not len(checked):
        first = f": row {checked.excluded[0].row}: {checked.excluded[0].reason}" if checked.excluded else ""
        raise InputError(f"{' + '.join(table.source)}: none of the {len(table)} rows can be used{first}.")
    return checked


def explain_runs(source: Any, *, param_count: str | None = None) -> tuple[Reading, ...]:
    """How each column of `source` was read: what it was taken for, why, and what was done to its cells."""
    return tuple(item for _, readings in _read_all(source, _param_count(param_count)) for item in readings)


def _param_count(text: str | None) -> ParamCount | None:
    for allowed in PARAM_COUNTS:
        if text == allowed:
            return allowed
    if text is None:
        return None
    raise UsageError(f"param_count={text!r} must be one of {', '.join(PARAM_COUNTS)}.")


def _read_all(source: Any, count: ParamCount | None) -> list[tuple[RunTable, tuple[Reading, ...]]]:
    several = isinstance(source, Sequence) and not isinstance(source, str)
    sources = list(source) if several else [source]
    if not sources:
        raise UsageError("source=[] is empty: give the path of a table or a study directory.")
    return [_read_one(item, count) for item in sources]


def _read_one(source: Any, count: ParamCount | None) -> tuple[RunTable, tuple[Reading, ...]]:
    if isinstance(source, RunTable):
        if count is not None and source.param_count not in (count, "unspecified"):
            raise InputError(f"param_count={count!r} is asked for, and the table counts {source.param_count}.")
        return (replace(source, param_count=count) if count else source), _as_they_are(source)
    if not isinstance(source, (str, os.PathLike)):
        return interpret(read_frame(source), count)
    path = Path(source)
    if sniff(path) == "run-directory":
        table = read_run_directories(path, count)
        return table, _as_they_are(table)
    return interpret(_read_file(path), count)


def _read_file(path: Path) -> RawTable:
    match sniff(path):
        case "json":
            return read_json(path)
        case "parquet":
            return read_parquet(path)
        case _:
            return read_csv(path)


def _as_they_are(table: RunTable) -> tuple[Reading, ...]:
    known = {name: column_named(name) for name in table.columns}
    return tuple(
        Reading(name, name, column.meaning if column else "a column of the table", "taken as it is")
        for name, column in known.items()
    )


def _joined(tables: list[RunTable]) -> RunTable:
    """Several tables one under the other, with a text column `source`; a column that one lacks is missing there."""
    counts = {table.param_count for table in tables}
    if len(counts) > 1:
        said = ", ".join(f"{' + '.join(table.source)}: {table.param_count}" for table in tables)
        raise Refusal(f"The sources count parameters differently ({said}): say which with --param-count.")
    names = tuple(dict.fromkeys(name for table in tables for name in table.columns))
    columns = {name: np.concatenate([_column_or_missing(table, name, tables) for table in tables]) for name in names}
    columns["source"] = np.concatenate(
        [np.full(len(table), " + ".join(table.source), dtype=object) for table in tables]
    )
    return RunTable.from_columns(
        columns,
        row=np.concatenate([table.row for table in tables]),
        param_count=tables[0].param_count,
        source=[name for table in tables for name in table.source],
        excluded=[item for table in tables for item in table.excluded],
        findings=dict.fromkeys(finding for table in tables for finding in table.findings),
    )


def _column_or_missing(table: RunTable, name: str, tables: list[RunTable]) -> NDArray[Any]:
    is_text = any(other.has(name) and other[name].dtype == object for other in tables)
    if not table.has(name):
        return np.full(len(table), "" if is_text else np.nan, dtype=object if is_text else np.float64)
    return table[name].astype(object) if is_text else table[name]


def _where(table: RunTable, condition: str) -> RunTable:
    if not condition.strip():
        raise UsageError("where='' is empty: write a condition such as params > 1e7.")
    try:
        kept = expressions.evaluate(expressions.parse_condition(condition), {**table.columns, "row": table.row})
        mask = np.broadcast_to(np.asarray(kept), (len(table),))
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise UsageError(f"where={condition!r}: {str(error).removeprefix('formula: ')}") from None
        raise UsageError(f"where={condition!r} cannot be compared ({error}): text is compared with == only.") from None
    if mask.dtype != bool:
        raise UsageError(f"where={condition!r} is not a condition: write something like params > 1e7.")
    if not mask.any():
        raise InputError(f"where={condition!r} keeps none of the {len(table)} rows.")
    message = f"{condition} keeps {int(mask.sum())} of {len(table)} rows."
    return table.select(mask).with_findings(Finding("where", "note", message))
