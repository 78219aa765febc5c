"""Rows that cannot be what they say: excluded with a reason, or named in a finding. Nothing is repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.findings import Finding
from isoflop.quantities import format_number
from isoflop.runs.table import Exclusion, RunTable

ABSURD_LOSS = 20.0
"""Nats per token: a uniform guess over a vocabulary of 10^8 tokens costs 18.4, so nothing trained is above this."""

COMPUTE_TOLERANCE = 10.0
"""C/(6·N·D) of a row may differ this many times from the table's median before a slip of units is suspected."""


def check_rows(table: RunTable, y: str = "loss") -> RunTable:
    """The table without impossible rows, each excluded with its reason, and with findings on suspicious ones.

    Excluded: params or tokens that are not given; params, tokens or compute that are infinite or below 1; a `y`
    that is not given or infinite; a loss that is not positive or above what any vocabulary starts from. Named:
    exact duplicates, and rows whose compute does not belong to their parameters and tokens.
    """
    for name in dict.fromkeys(("params", "tokens", y)):
        table = _exclude_cells(table, name, np.isnan, "")
    for name in dict.fromkeys(("params", "tokens", "compute", y)):
        table = _exclude_cells(table, name, np.isinf, "it must be finite")
    for name in ("params", "tokens", "compute"):
        table = _exclude_cells(table, name, lambda values: values < 1, "it must be at least 1")
    if y == "loss":
        table = _exclude_cells(table, y, lambda values: values <= 0, "it must be positive")
        reason = f"a loss above {format_number(ABSURD_LOSS)} nats per token is more than any untrained model has"
        table = _exclude_cells(table, y, lambda values: values > ABSURD_LOSS, reason)
    return table.with_findings(*_excluded(table), *_duplicates(table), *_compute_mismatch(table))


def _exclude_cells(
    table: RunTable, name: str, bad: Callable[[NDArray[np.float64]], NDArray[np.bool_]], reason: str
) -> RunTable:
    if not table.has(name) or table[name].dtype == object:
        return table
    dropped = bad(table[name])
    after = f": {reason}" if reason else ""
    cells = zip(table.row[dropped].tolist(), table[name][dropped].tolist(), strict=True)
    gone = tuple(Exclusion(row, f"{name} is {_shown(value)}{after}") for row, value in cells)
    return replace(table.select(~dropped), excluded=(*table.excluded, *gone))


def _shown(value: float) -> str:
    return "not given" if value != value else format_number(value, 6)


def _excluded(table: RunTable) -> list[Finding]:
    if not table.excluded:
        return []
    rows = tuple(item.row for item in table.excluded)
    reasons = "; ".join(f"row {item.row}: {item.reason}" for item in table.excluded[:5])
    more = f"; and {len(rows) - 5} more" if len(rows) > 5 else ""
    count = "1 row is" if len(rows) == 1 else f"{len(rows)} rows are"
    return [Finding("excluded-rows", "warn", f"{count} left out: {reasons}{more}.", rows)]


def _duplicates(table: RunTable) -> list[Finding]:
    first: dict[tuple[Any, ...], int] = {}
    repeats = []
    lines = table.row.tolist()
    for index, cells in enumerate(_rows(table)):
        if first.setdefault(cells, index) != index:
            repeats.append((lines[index], lines[first[cells]]))
    if not repeats:
        return []
    named = ", ".join(f"row {row} repeats row {earlier}" for row, earlier in repeats[:5])
    more = f" and {len(repeats) - 5} more" if len(repeats) > 5 else ""
    message = f"{named}{more}, equal in every column: each counts as a separate measurement; remove copies."
    return [Finding("duplicate-rows", "warn", message, tuple(row for row, _ in repeats))]


def _rows(table: RunTable) -> list[tuple[Any, ...]]:
    # NaN is equal to nothing, itself included; as text two missing cells are alike. A copy of a file is a copy.
    columns = [[repr(cell) for cell in values.tolist()] for name, values in table.columns.items() if name != "source"]
    return list(zip(*columns, strict=True))


def _compute_mismatch(table: RunTable) -> list[Finding]:
    if len(table) < 3 or not all(table.has(name) for name in ("params", "tokens", "compute")):
        return []
    ratio = table["compute"] / (FLOP_PER_PARAMETER_AND_TOKEN * table["params"] * table["tokens"])
    median = float(np.median(ratio))
    off = (ratio > COMPUTE_TOLERANCE * median) | (ratio < median / COMPUTE_TOLERANCE)
    rows = tuple(int(row) for row in table.row[off])
    if not rows:
        return []
    message = (
        f"compute divided by 6 x params x tokens is about {format_number(median)} in this table but more than "
        f"{COMPUTE_TOLERANCE:.0f} times off in row {', '.join(map(str, rows[:5]))}: check the units there."
    )
    return [Finding("compute-mismatch", "warn", message, rows)]
