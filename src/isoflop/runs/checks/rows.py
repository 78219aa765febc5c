"""Rows that cannot be what they say: excluded with a reason, or named in a finding. Nothing is repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isoflop.findings import Finding
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import has_numbers, texts
from isoflop.runs.checks.curves import late_spikes
from isoflop.runs.checks.examination import examine_table
from isoflop.runs.checks.repeats import conflicts, duplicates
from isoflop.runs.table import Exclusion, RunTable

ABSURD_LOSS = 20.0
"""Nats per token: a uniform guess over a vocabulary of 10^8 tokens costs 18.4, so nothing trained is above this."""

ABSURD_COUNTS = {"params": 1e14, "tokens": 1e16, "compute": 1e30}
"""Ten times what anybody is likely to train before 2040; a value above is a slip of units."""

_ENDED_BADLY = ("diverged", "failed", "crashed", "killed")


def check_rows(table: RunTable, y: str = "loss") -> RunTable:
    """The table without impossible rows, each excluded with its reason, and with findings on suspicious ones.

    Excluded: params or tokens that are not given; params, tokens or compute that are infinite, below 1, or beyond what
    anybody trains; a `y` that is not given or infinite; a loss that is not positive, or above that of a uniform guess;
    runs whose state says that they diverged or failed; the last looks at a run where its loss jumps.
    Named: copies, one run with two losses, and all that `examine_table` finds.
    """
    for name in dict.fromkeys(("params", "tokens", y)):
        table = _exclude_cells(table, name, np.isnan, "")
    for name in dict.fromkeys(("params", "tokens", "compute", y)):
        table = _exclude_cells(table, name, np.isinf, "it must be finite")
    for name in ("params", "tokens", "compute"):
        table = _exclude_cells(table, name, lambda values: values < 1, "it must be at least 1")
    for name, most in ABSURD_COUNTS.items():
        reason = f"nobody has trained with more than {format_number(most)}"
        table = _exclude_cells(table, name, lambda values, most=most: values > most, reason)  # type: ignore[misc]
    table = _exclude_states(table)
    if y == "loss":
        table = _exclude_cells(table, y, lambda values: values <= 0, "it must be positive")
        reason = f"a loss above {format_number(ABSURD_LOSS)} nats per token is more than any untrained model has"
        table = _exclude_cells(table, y, lambda values: values > ABSURD_LOSS, reason)
        table = _exclude_untrained(table)
        table = _exclude(table, late_spikes(table))
    return table.with_findings(*_excluded(table), *duplicates(table), *conflicts(table), *examine_table(table, y))


def _exclude_cells(
    table: RunTable, name: str, bad: Callable[[NDArray[np.float64]], NDArray[np.bool_]], reason: str
) -> RunTable:
    if not has_numbers(table, name):
        return table
    dropped = np.flatnonzero(bad(table[name]))
    after = f": {reason}" if reason else ""
    cells = zip(dropped.tolist(), table[name][dropped].tolist(), strict=True)
    return _exclude(table, {place: f"{name} is {_shown(value)}{after}" for place, value in cells})


def _exclude_states(table: RunTable) -> RunTable:
    """Rows whose state is that of a run gone wrong."""
    states = texts(table, "state")
    return _exclude(table, {n: f"its state is {state}" for n, state in enumerate(states) if state in _ENDED_BADLY})


def _exclude_untrained(table: RunTable) -> RunTable:
    """Rows with a loss above that of a uniform guess over their vocabulary, where it is known and the unit is too."""
    units = set(texts(table, "loss_unit"))
    if not has_numbers(table, "loss", "vocab") or not units <= {"", "nats per token"}:
        return table
    with np.errstate(invalid="ignore", divide="ignore"):
        guess = np.log(table["vocab"])
    return _exclude(
        table,
        {
            int(place): f"a loss of {format_number(table['loss'][place], 4)} is above the "
            f"{format_number(guess[place], 4)} of a uniform guess over its vocabulary"
            for place in np.flatnonzero(table["loss"] > guess)
        },
    )


def _exclude(table: RunTable, reasons: dict[int, str]) -> RunTable:
    """The table without the rows at the places in `reasons`, each with its own."""
    if not reasons:
        return table
    dropped = np.zeros(len(table), dtype=bool)
    dropped[list(reasons)] = True
    gone = tuple(Exclusion(int(table.row[place]), reason) for place, reason in sorted(reasons.items()))
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
