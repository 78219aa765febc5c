"""Tables in memory: a dict of columns, or a pandas, polars or pyarrow table, told apart by what they can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isoflop.errors import InputError
from isoflop.readers.raw import Cells, RawTable
from isoflop.readers.wording import listed


def read_frame(frame: Any, source: str = "table") -> RawTable:
    """The cells of a table in memory; rows are numbered from 2, as in a file with a header.

    Raises:
        InputError: the object is no table, or its columns have different lengths or repeated names.
    """
    columns = _columns(frame)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = listed([f"{name!r} {length}" for name, length in lengths.items()], 8)
        raise InputError(f"the columns have different lengths ({shown}): give one value per run in each.")
    rows = next(iter(lengths.values()), 0)
    if not rows:
        raise InputError("the table has no rows: give one row per run.")
    return RawTable(source, tuple(columns), tuple(columns.values()), np.arange(2, rows + 2, dtype=np.int64))


def _columns(frame: Any) -> dict[str, Cells]:
    if isinstance(frame, Mapping):
        return {str(name): _values(values) for name, values in frame.items()}
    names = [str(name) for name in getattr(frame, "column_names", getattr(frame, "columns", ()))]
    if not names or not hasattr(frame, "__getitem__"):
        raise InputError(
            f"a {type(frame).__name__} is not a table: give a path, a dict of columns, or a pandas, polars or "
            "pyarrow table."
        )
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two columns are called {repeated!r}: give each its own name.")
    keys = names if hasattr(frame, "column_names") else list(frame.columns)
    return {str(key): _values(frame[key]) for key in keys}


def _values(values: Any) -> Cells:
    if isinstance(values, (str, bytes)):
        raise InputError(f"a column is a list of values, one per run; this is the text {values!r}.")
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    if kind in ("i", "u", "f"):
        return np.asarray(values, dtype=np.float64)
    for method in ("to_list", "tolist", "to_pylist"):
        if hasattr(values, method):
            return _numbers_if_all(list(getattr(values, method)()))
    try:
        return _numbers_if_all(list(values))
    except TypeError:
        raise InputError(f"a column is a list of values, one per run; this is {values!r}.") from None


def _numbers_if_all(cells: Sequence[Any]) -> Cells:
    kinds = set(map(type, cells))
    if kinds & {int, float} and kinds <= {int, float, type(None)}:
        try:
            return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
        except OverflowError:
            return cells
    return cells
