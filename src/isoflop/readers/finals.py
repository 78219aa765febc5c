"""The last row of each run of a table of checkpoints."""

from __future__ import annotations

import numpy as np

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.runs.table import RunTable


def last_rows(table: RunTable) -> RunTable:
    """The row of each run that is furthest in steps, tokens or sequences; of equal ones, the one written last.

    Raises:
        InputError: the table does not say which rows belong to a run, or how far a row is.
    """
    progress = next((name for name in ("step", "tokens", "samples_seen") if _is_number(table, name)), None)
    if not table.has("run") or progress is None:
        missing = "run" if not table.has("run") else "step"
        raise InputError(
            f"{' + '.join(table.source)}: --rows finals needs a column {missing}: name one with "
            f"--map HEADER={missing}, or leave --rows out."
        )
    last: dict[object, int] = {}
    values = table[progress]
    for place, run in enumerate(table["run"].tolist()):
        if run not in last or not values[place] < values[last[run]]:
            last[run] = place
    if len(last) == len(table):
        return table
    note = Finding("rows", "note", f"The last row of each of {len(last)} runs is kept, of {len(table)} rows.")
    return table.select(np.array(sorted(last.values()))).with_findings(note)


def _is_number(table: RunTable, name: str) -> bool:
    return table.has(name) and table[name].dtype != object
