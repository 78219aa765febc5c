"""Learning-rate schedules: a loss from the middle of one is not what its size and data can give."""

from __future__ import annotations

from collections import Counter

import numpy as np

from isoflop.findings import Finding
from isoflop.runs.checks.cells import Array, has_numbers, lines, naming, texts
from isoflop.runs.table import RunTable

_HORIZON_TOLERANCE = 0.05
_LONGEST_WARMUP = 0.05  # share of the steps


def schedules(table: RunTable) -> list[Finding]:
    """Losses before the end of a schedule, several schedules in one table, and long warm-ups."""
    return [*_unfinished(table), *_mixed(table), *_warmup(table)]


def _unfinished(table: RunTable) -> list[Finding]:
    if not has_numbers(table, "horizon_tokens", "tokens"):
        return []
    constant = np.array([text.startswith("const") for text in texts(table, "schedule")] or [False] * len(table))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = table["tokens"] / table["horizon_tokens"]
    off = (np.abs(np.log(share)) > np.log1p(_HORIZON_TOLERANCE)) & ~constant
    if not off.any():
        return []
    rows = lines(table, off)
    low, high = float(share[off].min()), float(share[off].max())
    where = f"{low:.0%}" if round(100 * low) == round(100 * high) else f"{low:.0%} to {high:.0%}"
    message = (
        f"The loss of {naming(rows)} was taken at {where} of the tokens that its learning-rate schedule was made for: "
        "runs that end with their schedule are lower."
    )
    return [Finding("schedule-mismatch", "warn", message, rows)]


def _mixed(table: RunTable) -> list[Finding]:
    cells = texts(table, "schedule")
    counts = Counter(cell for cell in cells if cell)
    if len(counts) < 2:
        return []
    most = counts.most_common(1)[0][0]
    rows = tuple(int(row) for row, cell in zip(table.row.tolist(), cells, strict=True) if cell not in ("", most))
    shown = ", ".join(f"{cell}: {count}" for cell, count in counts.most_common(4))
    message = f"The runs have different learning-rate schedules ({shown}), which shift the loss: fit them apart."
    return [Finding("mixed-schedules", "warn", message, rows)]


def _warmup(table: RunTable) -> list[Finding]:
    steps = _steps(table)
    if steps is None or not has_numbers(table, "warmup_steps"):
        return []
    with np.errstate(invalid="ignore", divide="ignore"):
        share = table["warmup_steps"] / steps
    long = share > _LONGEST_WARMUP
    if not long.any():
        return []
    rows = lines(table, long)
    longest = f"{float(share[long].max()):.0%}"
    message = (
        f"Warm-up takes up to {longest} of the steps in {naming(rows)}: it handicaps short runs, which bends a law "
        "over tokens."
    )
    return [Finding("long-warmup", "warn", message, rows)]


def _steps(table: RunTable) -> Array | None:
    """Optimizer steps of the whole run, from the first columns that give them."""
    if has_numbers(table, "total_steps"):
        return table["total_steps"]
    if has_numbers(table, "tokens", "batch_tokens"):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(table["tokens"] / table["batch_tokens"])
    return table["step"] if has_numbers(table, "step") else None
