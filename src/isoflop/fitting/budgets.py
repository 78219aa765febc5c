"""Runs in slices of equal compute: which rows belong to one budget, and what a FLOP buys in that slice."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding
from isoflop.laws.graph import Array, Index
from isoflop.quantities import format_number
from isoflop.runs.table import SIZE_TOLERANCE, RunTable

BUDGET_COLUMNS = ("budget", "flops_budget", "flop_budget", "compute_budget", "isoflop_budget", "target_flops")
"""Names of a column that states the budget each run was meant to spend; the first one there is used."""


@dataclass(frozen=True)
class Budget:
    """The runs of one compute budget.

    `compute` is the budget in FLOP, `index` (n,) the rows of the table, `log_size` and `loss` (n,) their log N and
    loss. FLOP per parameter and token are exp(flop_level)·N^flop_tilt in this slice: 6 where C = 6·N·D. `spread` is the
    largest over the smallest compute of the runs.
    """

    compute: float
    index: Index
    log_size: Array
    loss: Array
    flop_level: float
    flop_tilt: float
    spread: float = 1.0

    @property
    def name(self) -> str:
        """The budget in words, such as `1e+18 FLOP`."""
        return f"{format_number(self.compute, 3)} FLOP"

    def within(self, log_size: float, factor: float) -> Budget:
        """The budget without the runs more than `factor` times smaller or larger than exp(log_size)."""
        near = np.abs(self.log_size - log_size) <= np.log(factor)
        return replace(self, index=self.index[near], log_size=self.log_size[near], loss=self.loss[near])

    def tokens(self, log_size: Array | float) -> Array:
        """Tokens that the budget pays for at these log N."""
        per_token = self.flop_level + (1.0 + self.flop_tilt) * log_size
        return np.asarray(np.exp(np.log(self.compute) - per_token))


def budgets_of(runs: RunTable, column: str = "auto", tolerance: float = 0.1) -> tuple[Budget, ...]:
    """The compute budgets of `runs`, smallest first.

    Args:
        runs: one row per run, with params, loss, and tokens or compute.
        column: a column that states the budget; `auto` takes the first of BUDGET_COLUMNS, else groups equal compute;
            `compute` always groups.
        tolerance: neighbouring computes that differ by no more than this share are one budget.

    Raises:
        InputError: a needed column is missing.
        UsageError: the tolerance is out of range.

    Example:
        >>> table = RunTable.from_columns({"params": [1e6, 2e6], "compute": [1e15, 1.01e15], "loss": [3.0, 2.9]})
        >>> [len(budget.index) for budget in budgets_of(table)]
        [2]
    """
    if not 0.0 <= tolerance <= 0.5:
        raise UsageError(f"tolerance={tolerance!r} must lie between 0 and 0.5, for example 0.1 for 10 %.")
    size = np.asarray(runs.column("params"), dtype=float)
    stated = next((name for name in BUDGET_COLUMNS if runs.has(name)), None) if column == "auto" else column
    if stated in (None, "compute"):
        flop = np.asarray(runs.compute(), dtype=float)
        _require_positive("compute", flop, runs)
        labels = _groups(flop, tolerance)
    else:
        flop = runs.column(str(stated))
        if flop.dtype == object:
            raise InputError(f"column {stated!r} holds text: the budget of every row in FLOP is needed, such as 6e18.")
        _require_positive(str(stated), flop, runs)
        labels = np.unique(flop, return_inverse=True)[1]
    known = runs.has("tokens") or runs.has("compute")
    tokens = runs.tokens() if known else flop / (FLOP_PER_PARAMETER_AND_TOKEN * size)
    loss = np.asarray(runs.column("loss"), dtype=float)
    for name, values in (("params", size), ("tokens", tokens), ("loss", loss)):
        _require_positive(name, values, runs)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return tuple(_budget(_middle(flop[group]), group, flop, np.log(size), tokens, loss) for group in groups)


def final_rows(runs: RunTable) -> RunTable:
    """The last row of every run where a table holds several rows per run, with a finding that says so."""
    if not runs.has("run") or len(set(runs["run"].tolist())) == len(runs) or not runs.has("tokens"):
        return runs
    last: dict[object, int] = {}
    order = np.argsort(runs["tokens"], kind="stable")
    for position in order.tolist():
        last[runs["run"][position]] = position
    kept = np.sort(np.array(list(last.values()), dtype=np.int64))
    message = f"The table holds several rows per run: the last of each is used, {len(kept)} of {len(runs)}."
    return runs.select(kept).with_findings(Finding("last-checkpoints", "note", message))


def distinct_sizes(log_size: Array) -> Index:
    """Which size each row has, counted from 0: sizes within 1 % are one."""
    order = np.argsort(log_size, kind="stable")
    labels = np.zeros(len(log_size), dtype=np.int64)
    anchor, label = -np.inf, -1
    for position in order.tolist():
        if log_size[position] > anchor + np.log1p(SIZE_TOLERANCE):
            anchor, label = log_size[position], label + 1
        labels[position] = label
    return labels


def _require_positive(column: str, values: Array, runs: RunTable) -> None:
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0.0)))
    if len(bad):
        raise InputError(
            f"row {runs.row[bad[0]]}, column {column!r}: {values[bad[0]]:g} is not a positive number; leave the row "
            "out with --where, or correct it."
        )


def _groups(compute: Array, tolerance: float) -> Index:
    """The number of each row's group of near-equal compute; groups are split at gaps."""
    order = np.argsort(compute, kind="stable")
    gaps = np.diff(np.log(compute[order])) > np.log1p(tolerance)
    labels = np.empty(len(compute), dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(gaps)])
    return labels


def _middle(compute: Array) -> float:
    """The one value where all are equal, else the geometric mean."""
    same = compute.min() == compute.max()
    return float(compute[0] if same else np.exp(np.log(compute).mean()))


def _budget(budget: float, index: Index, flop: Array, log_size: Array, tokens: Array, loss: Array) -> Budget:
    size, flop = log_size[index], flop[index]
    log_flop = np.log(flop / tokens[index]) - size
    middle, width = size.mean(), size - size.mean()
    spread = float(width @ width)
    tilt = float(width @ log_flop) / spread if spread > 0.0 and np.ptp(log_flop) > 1e-9 else 0.0
    level = float(log_flop.mean() - tilt * middle)
    return Budget(budget, index, size, loss[index], level, tilt, float(flop.max() / flop.min()))
