"""Rows of a table that are alike in some columns, found in one pass over them, however many rows there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isoflop.runs.table import RunTable

_MIX = np.uint64(0x9E3779B97F4A7C15)
"""An odd number whose bits look random: multiplying by it spreads what differs over the whole word."""


def repeated_rows(table: RunTable, ignore: tuple[str, ...] = ("source",)) -> list[tuple[int, int]]:
    """The place of each row that equals an earlier one in all columns but those ignored, with that of the first such.

    Cells that are not given are alike.

    Example:
        >>> repeated_rows(RunTable.from_columns({"params": [1e6, 2e6, 1e6], "loss": [3.0, 2.9, 3.0]}))
        [(2, 0)]
    """
    groups = alike(table, [name for name in table.columns if name not in ignore])
    return sorted((place, group[0]) for group in groups for place in group[1:])


def alike(table: RunTable, names: Sequence[str]) -> list[list[int]]:
    """The places of rows that are equal in the columns `names`, by groups of at least two.

    A hash of the row finds candidates, which are then compared cell by cell.
    """
    hashes = np.zeros(len(table), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in names:
            hashes = (hashes ^ _bits(table.columns[name])) * _MIX
            hashes ^= hashes >> np.uint64(29)
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    groups: dict[tuple[str, ...], list[int]] = {}
    for place in sorted({int(order[index + side]) for index in same for side in (0, 1)}):
        cells = tuple(repr(table.columns[name][place]) for name in names)
        groups.setdefault(cells, []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _bits(values: NDArray[np.float64] | NDArray[np.object_]) -> NDArray[np.uint64]:
    if values.dtype == object:
        numbers = {text: number for number, text in enumerate(dict.fromkeys(values.tolist()), start=1)}
        return np.array([numbers[text] for text in values.tolist()], dtype=np.uint64)
    known = np.where(np.isnan(values), np.inf, values + 0.0)
    return known.view(np.uint64) ^ np.isnan(values).astype(np.uint64)
