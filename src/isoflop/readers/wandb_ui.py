"""The CSV that the W&B web page exports from a line plot.

`Step`, then three columns a run: `RUN - METRIC`, its `__MIN` and its `__MAX`. Seen in a real export. The page draws
at most some hundred points of a curve, so such a file may be a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from isoflop.errors import InputError
from isoflop.readers.csv import read_csv
from isoflop.readers.log import RunLog, Series
from isoflop.readers.source import LogSource

_MINIMUM, _MAXIMUM = "__MIN", "__MAX"


def is_wandb_ui(header: Sequence[str]) -> bool:
    """Whether these are the columns of such an export."""
    names = set(header)
    return any(f"{name}{_MINIMUM}" in names and f"{name}{_MAXIMUM}" in names and " - " in name for name in header[1:])


def read_wandb_ui(source: LogSource) -> Iterator[RunLog]:
    """The runs of an export.

    Raises:
        InputError: its first column holds something other than numbers.
    """
    (path,) = source.files
    table = read_csv(path)
    columns = dict(zip(table.header, table.columns, strict=True))
    axis = table.header[0]
    steps = columns[axis]
    if not isinstance(steps, np.ndarray):
        raise InputError(f"{path}: its first column {axis!r} must hold steps.")
    runs: dict[str, dict[str, Series]] = {}
    for name, cells in columns.items():
        if (
            name == axis
            or name.endswith((_MINIMUM, _MAXIMUM))
            or " - " not in name
            or not isinstance(cells, np.ndarray)
        ):
            continue
        run, metric = name.rsplit(" - ", 1)
        logged = ~np.isnan(cells) & ~np.isnan(steps)
        order = np.argsort(steps[logged], kind="stable")
        if order.size:
            runs.setdefault(run, {})[metric] = Series(steps[logged][order], cells[logged][order])
    note = "An export from the W&B page may be a sample of each curve; its steps are those of the plot's axis."
    for run, series in runs.items():
        yield RunLog(run.removeprefix("Group: "), str(path), series, notes=(note,))
