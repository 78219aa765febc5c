"""Rows that stand in a table more than once: copies, and one run with two outcomes."""

from __future__ import annotations

import numpy as np

from isoflop.findings import Finding
from isoflop.runs.checks.cells import has_numbers, lines
from isoflop.runs.repeats import repeated_rows
from isoflop.runs.table import RunTable

_OUTCOMES = ("loss", "loss_standard_error", "train_loss", "perplexity", "bits_per_byte", "bits_per_token", "seconds")
"""Columns that come out of a run, apart from what it was told; evaluations (`eval:…`) are others."""

_LABELS = ("source", "run", "gpus")


def duplicates(table: RunTable) -> list[Finding]:
    """Rows that are equal to an earlier one in every column but the file that they stand in."""
    repeats = repeated_rows(table)
    if not repeats:
        return []
    named = ", ".join(f"{_named(table, place)} repeats {_named(table, earlier)}" for place, earlier in repeats[:5])
    more = f" and {len(repeats) - 5} more" if len(repeats) > 5 else ""
    message = f"{named}{more}, equal in every column: each counts as a separate measurement; remove copies."
    return [Finding("duplicate-rows", "warn", message, lines(table, [place for place, _ in repeats]))]


def conflicts(table: RunTable) -> list[Finding]:
    """Rows of one configuration and one seed whose losses differ: a run has one outcome."""
    if not (has_numbers(table, "seed", "loss") and bool(np.all(np.isfinite(table["seed"])))):
        return []
    came_out = [name for name in table.columns if name in (*_OUTCOMES, *_LABELS) or name.startswith(("eval:", "eval/"))]
    loss = table["loss"].tolist()
    pairs = [pair for pair in repeated_rows(table, tuple(came_out)) if loss[pair[0]] != loss[pair[1]]]
    if not pairs:
        return []
    place, earlier = pairs[0]
    more = f" ({len(pairs)} such rows)" if len(pairs) > 1 else ""
    message = (
        f"R{_named(table, place)[1:]} has the configuration and the seed of {_named(table, earlier)} and "
        f"another loss, {loss[place]:.4g} where that has {loss[earlier]:.4g}{more}: one of them is wrong, or something "
        "that differs has no column."
    )
    rows = lines(table, list(dict.fromkeys(place for pair in pairs for place in pair)))
    return [Finding("conflicting-rows", "warn", message, rows)]


def _named(table: RunTable, place: int) -> str:
    """A row by its line, and by its file where there are several: their lines are numbered alike."""
    several = table.has("source") and len(set(table["source"].tolist())) > 1
    return f"row {table.row[place]}" + (f" of {table['source'][place]}" if several else "")
