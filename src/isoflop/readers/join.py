"""Several tables as one, and the rows that fulfil a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop import expressions
from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import Finding
from isoflop.runs.table import RunTable


def joined(tables: Sequence[RunTable]) -> RunTable:
    """Several tables one under the other, with a text column `source`; a column that one lacks is missing there.

    Raises:
        Refusal: the tables count parameters differently, or their losses are in different units.
    """
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


def _column_or_missing(table: RunTable, name: str, tables: Sequence[RunTable]) -> NDArray[Any]:
    is_text = any(other.has(name) and other[name].dtype == object for other in tables)
    if not table.has(name):
        return np.full(len(table), "" if is_text else np.nan, dtype=object if is_text else np.float64)
    return table[name].astype(object) if is_text else table[name]


def rows_where(table: RunTable, condition: str, headers: Mapping[str, str]) -> RunTable:
    """The rows that fulfil `condition`, in which columns may be called as the source calls them (`headers`).

    Raises:
        UsageError: it is no condition, or names something that is no column.
        InputError: it keeps no row.
    """
    if not condition.strip():
        raise UsageError("where='' is empty: write a condition such as params > 1e7.")
    called = {header: table.columns[name] for header, name in headers.items() if name in table.columns}
    try:
        names = {**called, **table.columns, "row": table.row}
        kept = expressions.evaluate(expressions.parse_condition(condition), names)
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
