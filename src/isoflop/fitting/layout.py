"""Which rows of a table may share their errors, and along what the size of errors may change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoflop.laws.graph import Array, Index
from isoflop.runs.compute import compute_of, has_compute
from isoflop.runs.table import RunTable


@dataclass(frozen=True)
class Layout:
    """The design of a study, as far as its errors are concerned.

    `clusters` (n,) numbers the groups of rows that are resampled together; `groups` are the same groups as row numbers
    in the order of training; `repeated` says that the rows of a group are looks at one run; `log_compute` (n,) is None
    where the compute of the rows is not known.
    """

    clusters: NDArray[np.int64]
    groups: tuple[Index, ...]
    repeated: bool
    log_compute: Array | None

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.groups)

    @property
    def independent(self) -> bool:
        """Whether every row is its own group."""
        return self.count == len(self.clusters)


def layout_of(runs: RunTable, cluster: str = "auto") -> Layout:
    """The layout of `runs`, grouped as `RunTable.clusters` groups them.

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> layout = layout_of(read_runs(example_runs()))
        >>> layout.count, layout.repeated
        (7, False)
    """
    clusters = runs.clusters(cluster)
    by_run = cluster in ("auto", "run") and runs.has("run") and len(set(runs["run"].tolist())) < len(runs)
    return _layout(runs, clusters, repeated=by_run)


def _layout(runs: RunTable, clusters: NDArray[np.int64], *, repeated: bool) -> Layout:
    order = np.argsort(_progress(runs), kind="stable")
    groups = tuple(order[clusters[order] == number] for number in range(int(clusters.max(initial=-1)) + 1))
    return Layout(clusters, groups, repeated, _log_compute(runs))


def copies(runs: RunTable, columns: Sequence[str]) -> NDArray[np.int64]:
    """A number for each row (n,), the same for rows that are equal in all of `columns`: a copy is not another run."""
    table = np.stack([np.asarray(runs[name], dtype=float) for name in columns if runs.has(name)], axis=1)
    return np.asarray(np.unique(table, axis=0, return_inverse=True)[1].ravel(), dtype=np.int64)


def each_alone(runs: RunTable, columns: Sequence[str]) -> Layout:
    """The layout in which every row varies by itself, but for its copies."""
    return _layout(runs, copies(runs, columns), repeated=False)


def _progress(runs: RunTable) -> Array:
    """What says how far a run has come: its tokens or steps, else the order of the table."""
    for name in ("tokens", "step", "compute"):
        if runs.has(name) and runs[name].dtype != object:
            return runs[name]
    return np.arange(len(runs), dtype=float)


def _log_compute(runs: RunTable) -> Array | None:
    """Log compute of every row; None where it is not known."""
    if not has_compute(runs):
        return None
    compute = compute_of(runs)
    known = compute.dtype != object and bool(np.all(np.isfinite(compute) & (compute > 0.0)))
    return np.log(compute) if known else None
