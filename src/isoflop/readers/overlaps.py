"""Checkpoints that a table has twice, as when the logs of a restarted run were put one under the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoflop.findings import Finding
from isoflop.readers.metrics import metric_of
from isoflop.readers.wording import counted
from isoflop.runs.repeats import alike
from isoflop.runs.table import Exclusion, RunTable

MEASURED = frozenset(
    {"loss", "train_loss", "loss_standard_error", "perplexity", "bits_per_byte", "bits_per_token", "loss_per_sample"}
    | {"seconds", "state", "step", "run"}
)
"""Columns in which two rows may differ and still be the same checkpoint of the same run, logged twice."""


def without_overlaps(table: RunTable) -> RunTable:
    """The table without rows whose run and step come again later; the row written last counts.

    Rows that differ in anything but what was measured are different runs, and rows that are equal in everything are
    copies, which the checks of rows name.
    """
    if not table.has("run") or not table.has("step") or table["step"].dtype == object:
        return table
    given = ~np.isnan(table["step"]) & (table["run"] != "")
    identity = ["run", "step", *(name for name in table.columns if name not in MEASURED and not _is_measured(name))]
    everything = [name for name in table.columns if name not in identity]
    dropped: dict[int, int] = {}
    for group in alike(table, identity):
        last = group[-1]
        for place in group[:-1]:
            differs = any(repr(table.columns[name][place]) != repr(table.columns[name][last]) for name in everything)
            if differs and given[place]:
                dropped[place] = last
    if not dropped:
        return table
    kept = np.ones(len(table), dtype=bool)
    kept[list(dropped)] = False
    lines, runs, steps = table.row.tolist(), table["run"].tolist(), table["step"].tolist()
    gone = tuple(
        Exclusion(lines[place], f"run {runs[place]}, step {steps[place]:g} comes again in row {lines[last]}")
        for place, last in dropped.items()
    )
    message = (
        f"{counted(len(gone), 'row')} left out since the same step of the same run comes again later, as after a "
        f"restart: row {gone[0].row} ({gone[0].reason})."
    )
    finding = Finding("overlapping-rows", "warn", message, tuple(item.row for item in gone))
    return replace(table.select(kept), excluded=(*table.excluded, *gone)).with_findings(finding)


def _is_measured(name: str) -> bool:
    return name.startswith("eval") or metric_of(name).meaning in ("held-out loss", "training loss", "perplexity")
