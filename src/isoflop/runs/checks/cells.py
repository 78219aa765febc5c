"""What the checks share: columns that may be missing, and how rows are named in a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.runs.table import RunTable

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def has_numbers(table: RunTable, *names: str) -> bool:
    """Whether the table has all of these columns, and all hold numbers."""
    return all(table.has(name) and table[name].dtype != object for name in names)


def texts(table: RunTable, name: str) -> list[str]:
    """The cells of a column as text without case, an empty one for what is not given; empty where it is missing."""
    if not table.has(name):
        return []
    return ["" if cell != cell or cell is None else str(cell).strip().lower() for cell in table[name].tolist()]


def lines(table: RunTable, where: Any) -> tuple[int, ...]:
    """The lines in the source of the rows where `where` is true (or which it indexes)."""
    return tuple(int(row) for row in table.row[np.asarray(where)])


def naming(rows: Iterable[int], most: int = 5) -> str:
    """Rows in a sentence, the first few of many.

    Example:
        >>> naming([4]), naming([4, 7, 9])
        ('row 4', 'rows 4, 7, 9')
    """
    rows = tuple(rows)
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:most]))}{more}"


def levels(values: Array, tolerance: float = 0.01) -> NDArray[np.int64]:
    """Which level each value is on, numbered from the smallest; values within `tolerance` of its least are one level.

    Example:
        >>> levels(np.array([2.0, 1.0, 1.005, 4.0])).tolist()
        [1, 0, 0, 2]
    """
    order = np.argsort(values, kind="stable")
    labels = np.zeros(len(values), dtype=np.int64)
    anchor, label = -np.inf, -1
    for place in order.tolist():
        if not values[place] <= anchor * (1.0 + tolerance):
            anchor, label = values[place], label + 1
        labels[place] = label
    return labels
