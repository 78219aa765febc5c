"""The runs of two recipes as rows of one fit: twins as a mean and a ratio, and which rows are resampled together.

Twins are runs of either recipe with the same inputs of the law (within 1 %) and, where both have one, the same seed.
What makes one of them better or worse than the law says makes the other so too, so they are resampled together, and
their ratio tells the recipes apart better than two runs that have nothing in common.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from isoflop.fitting.binding import inputs_of
from isoflop.forecasting.joint_law import DECADES, SHARE_A, SHARE_B
from isoflop.laws.graph import Array, Mask
from isoflop.laws.law import Law
from isoflop.runs.table import SIZE_TOLERANCE, RunTable

Pair = Literal["auto", "none"]
PAIRS: tuple[Pair, ...] = ("auto", "none")
GROUP = "resampled_together"


@dataclass(frozen=True)
class Ladders:
    """The runs of a baseline and of another recipe: those of the second where `other` (n,) is true.

    `compute` (n,) is what each run took, `law` what is fitted, `weights` a column that says how much each run counts.
    """

    runs: RunTable
    other: Mask
    compute: Array
    law: Law
    weights: str | None = None

    def data(self) -> dict[str, Array]:
        """The inputs of the law by letter."""
        return inputs_of(self.law, self.runs)


@dataclass(frozen=True)
class Twinned:
    """Rows for the joint law; `twins` counts the runs of the second recipe that have a twin."""

    table: RunTable
    twins: int


def twinned(ladders: Ladders, reference: float, pair: Pair, cluster: str) -> Twinned:
    """The rows of the joint fit: one for each run without a twin, two for each set of twins.

    `reference` is the compute at which the multiplier is told; `cluster` says which runs of a recipe vary together.
    """
    members = _members(_keys(ladders)) if pair == "auto" else []
    matched = [rows for rows in members if 0 < ladders.other[rows].sum() < len(rows)]
    groups = _groups(ladders, matched, cluster)
    paired = np.zeros(len(ladders.other), dtype=bool)
    parts = []
    for rows in matched:
        paired[rows] = True
        parts += [(rows, 0.5, 0.5), (rows, -1.0, 1.0)]
    parts += [(np.array([index]), *_alone(ladders.other[index])) for index in np.flatnonzero(~paired)]
    parts.sort(key=lambda part: int(part[0][0]))
    columns = _columns(ladders, reference, parts, groups)
    lines = [int(ladders.runs.row[rows[np.argmax(ladders.other[rows])]]) for rows, _, _ in parts]
    table = RunTable.from_columns(columns, row=lines, param_count=ladders.runs.param_count, source=ladders.runs.source)
    return Twinned(table, int(np.sum(paired & ladders.other)))


def _alone(other: bool) -> tuple[float, float]:
    return (0.0, 1.0) if other else (1.0, 0.0)


def _keys(ladders: Ladders) -> list[tuple[Hashable, ...]]:
    """What twins agree in, for each run."""
    data = ladders.data()
    columns: list[Iterable[Hashable]] = [near(values).tolist() for values in data.values()]
    if ladders.runs.has("seed"):
        # A run without a seed is the twin of any that lacks one too.
        columns.append([str(seed) for seed in ladders.runs["seed"].tolist()])
    return list(zip(*columns, strict=True))


def near(values: Array) -> NDArray[np.int64]:
    """A number for each value (n,), the same for values within 1 % of the least of theirs.

    Example:
        >>> near(np.array([1.0, 2.0, 1.005, 2.1])).tolist()
        [0, 1, 0, 2]
    """
    labels = np.zeros(len(values), dtype=np.int64)
    anchor, label = np.nan, -1
    for index in np.argsort(values, kind="stable"):
        if not abs(values[index] - anchor) <= SIZE_TOLERANCE * abs(anchor):
            anchor, label = values[index], label + 1
        labels[index] = label
    return labels


def _members(keys: list[tuple[Hashable, ...]]) -> list[NDArray[np.int64]]:
    rows: dict[tuple[Hashable, ...], list[int]] = {}
    for index, key in enumerate(keys):
        rows.setdefault(key, []).append(index)
    return [np.array(found) for found in rows.values()]


def _groups(ladders: Ladders, matched: list[NDArray[np.int64]], cluster: str) -> list[int]:
    """Which runs are resampled together: those of a recipe that `cluster` groups, and all groups that share twins."""
    own = ladders.runs.clusters(cluster)
    labels = [(int(label), bool(other)) for label, other in zip(own, ladders.other, strict=True)]
    joined: dict[tuple[int, bool], tuple[int, bool]] = {label: label for label in labels}

    def root(label: tuple[int, bool]) -> tuple[int, bool]:
        while joined[label] != label:
            label = joined[label]
        return label

    for rows in matched:
        for index in rows[1:]:
            joined[root(labels[index])] = root(labels[rows[0]])
    numbers: dict[tuple[int, bool], int] = {}
    return [numbers.setdefault(root(label), len(numbers)) for label in labels]


def _columns(
    ladders: Ladders,
    reference: float,
    parts: list[tuple[NDArray[np.int64], float, float]],
    groups: list[int],
) -> dict[str, Array]:
    data = ladders.data()
    loss = np.log(np.asarray(ladders.runs.numbers(ladders.law.output), dtype=float))
    decades = np.log10(ladders.compute / reference)
    columns: dict[str, list[float]] = {}
    for rows, baseline, family in parts:
        other = ladders.other[rows]
        cells = {item.column: _middle(data[item.name][rows]) for item in ladders.law.inputs}
        cells[DECADES] = float(decades[rows][other].mean()) if other.any() else 0.0
        cells[SHARE_A], cells[SHARE_B], cells[GROUP] = baseline, family, float(groups[rows[0]])
        if ladders.weights is not None:
            cells[ladders.weights] = float(ladders.runs.numbers(ladders.weights)[rows].mean())
        sides = [(baseline, loss[rows][~other]), (family, loss[rows][other])]
        cells[ladders.law.output] = float(np.exp(sum(share * side.mean() for share, side in sides if share)))
        for name, cell in cells.items():
            columns.setdefault(name, []).append(cell)
    return {name: np.array(values) for name, values in columns.items()}


def _middle(values: Array) -> float:
    """The geometric mean, or the mean where a value is not positive."""
    return float(np.exp(np.log(values).mean()) if np.all(values > 0.0) else values.mean())
