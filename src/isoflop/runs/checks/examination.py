"""Every check of a table that says something about the runs as they are; `examine_table` runs them all."""

from __future__ import annotations

from isoflop.findings import Finding
from isoflop.runs.checks.batch import batch_above_critical, batch_rule
from isoflop.runs.checks.cost import compute_against_six_nd
from isoflop.runs.checks.counting import counts
from isoflop.runs.checks.curves import still_falling
from isoflop.runs.checks.provenance import mixed_provenance
from isoflop.runs.checks.schedule import schedules
from isoflop.runs.checks.tuning import learning_rates
from isoflop.runs.table import RunTable

CODES = frozenset(
    {
        "mixed-counts", "params-mismatch", "compute-mismatch", "compute-convention", "mixed-provenance",
        "schedule-mismatch", "mixed-schedules", "long-warmup", "edge-of-sweep", "untuned-rate", "batch-rule",
        "batch-above-critical", "still-falling", "unit-slip",
    }
)  # fmt: skip
"""The codes that `examine_table` can give."""


def examine_table(table: RunTable, y: str = "loss") -> tuple[Finding, ...]:
    """All that the rows of `table` give cause to say about a fit of column `y`; nothing is left out or changed."""
    if not len(table):
        return ()
    return (
        *compute_against_six_nd(table),
        *counts(table),
        *mixed_provenance(table, y),
        *schedules(table),
        *learning_rates(table),
        *batch_rule(table),
        *batch_above_critical(table),
        *still_falling(table),
    )


def carried(table: RunTable) -> tuple[Finding, ...]:
    """The findings of a table but for those that `examine_table` gives anew for the rows there are."""
    return tuple(finding for finding in table.findings if finding.code not in CODES)
