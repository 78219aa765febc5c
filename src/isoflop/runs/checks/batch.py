"""Batch sizes: a rule that changes along the ladder, and batches that are larger than is of use.

    B_crit = B_* / L^(1/alpha_B)      B_* = 2.1e8 tokens, alpha_B = 0.21, L in nats per token

Reference: kaplan2020
"""

from __future__ import annotations

import numpy as np

from isoflop.findings import Finding
from isoflop.quantities import format_count, format_number
from isoflop.runs.checks.cells import has_numbers, lines, naming, texts
from isoflop.runs.checks.robust import robust_line
from isoflop.runs.table import RunTable

_OFF_THE_RULE = 2.5  # factor between a batch and the power law of the others; powers of two come within 2
_CRITICAL, _CRITICAL_POWER = 2.1e8, 1.0 / 0.21
_FEWEST = 6


def batch_rule(table: RunTable) -> list[Finding]:
    """Batches that no single power law of the training tokens gives."""
    if len(table) < _FEWEST or not has_numbers(table, "batch_tokens", "tokens"):
        return []
    batch, tokens = table["batch_tokens"], table["tokens"]
    if not bool(np.all(np.isfinite(batch) & (batch > 0.0) & (tokens > 0.0))):
        return []
    departure = np.log(batch) - robust_line(np.log(tokens), np.log(batch))
    far = np.abs(departure) > np.log(_OFF_THE_RULE)
    if not far.any():
        return []
    rows = lines(table, far)
    message = (
        f"The batch is up to {format_number(float(np.exp(np.abs(departure).max())), 2)} times off the rule that the "
        f"other runs follow with their tokens in {naming(rows)}: part of the change in loss is due to it."
    )
    return [Finding("batch-rule", "note", message, rows)]


def batch_above_critical(table: RunTable) -> list[Finding]:
    """Batches above the critical one of their loss, beyond which more tokens are spent than needed."""
    if not has_numbers(table, "batch_tokens", "loss") or not set(texts(table, "loss_unit")) <= {"", "nats per token"}:
        return []
    if not len(table) or not bool(np.all(table["loss"] > 0.0)):
        return []
    with np.errstate(over="ignore"):
        critical = _CRITICAL / table["loss"] ** _CRITICAL_POWER
    above = table["batch_tokens"] > critical
    if not above.any():
        return []
    rows, first = lines(table, above), int(np.flatnonzero(above)[0])
    batch, limit = format_count(float(table["batch_tokens"][first])), format_count(float(critical[first]))
    message = (
        f"The batch of {naming(rows)} is above the critical one of its loss ({batch} tokens beside {limit} in row "
        f"{rows[0]}, by Kaplan's law): smaller batches reach the same loss with fewer tokens."
    )
    return [Finding("batch-above-critical", "note", message, rows)]
