"""Tables in memory: a dict of columns, or a pandas, polars or pyarrow table, told apart by what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.cells import RawTable


def read_frame(frame: Any) -> RawTable:
    """The cells of a table in memory; rows are numbered from 2, as in a file with a header.

    Raises:
        InputError: the object is no table, or its columns have different lengths or repeated names.
    """
    columns = _columns(frame)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(f"the columns have different lengths ({shown}): give one value per run in each.")
    rows = tuple(zip(*columns.values(), strict=True))
    if not rows:
        raise InputError("the table has no rows: give one row per run.")
    return RawTable("table", tuple(columns), rows, tuple(range(2, len(rows) + 2)))


def _columns(frame: Any) -> dict[str, list[Any]]:
    if isinstance(frame, Mapping):
        return {str(name): _values(values) for name, values in frame.items()}
    if hasattr(frame, "to_pydict"):
        return {str(name): list(values) for name, values in frame.to_pydict().items()}
    names = [str(name) for name in getattr(frame, "columns", ())]
    if not names or not hasattr(frame, "__getitem__"):
        raise InputError(
            f"a {type(frame).__name__} is not a table: give a path, a dict of columns, or a pandas, polars or "
            "pyarrow table."
        )
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two columns are called {repeated!r}: give each its own name.")
    return {str(name): _values(frame[name]) for name in frame.columns}


def _values(values: Any) -> list[Any]:
    if isinstance(values, str):
        raise InputError(f"a column is a list of values, one per run; this is the text {values!r}.")
    for method in ("to_list", "tolist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    try:
        return list(values)
    except TypeError:
        raise InputError(f"a column is a list of values, one per run; this is {values!r}.") from None
