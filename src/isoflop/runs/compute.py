"""The compute of runs, by which they are ordered and distances of extrapolation are measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.runs.table import RunTable


def has_compute(runs: RunTable) -> bool:
    """Whether the compute of the runs is known, so that they can be ordered by it."""
    return len(runs) > 0 and (runs.has("compute") or (runs.has("params") and runs.has("tokens")))


def compute_of(runs: RunTable) -> NDArray[np.float64]:
    """Compute (n,) by which runs are ordered and distances measured: 6·N·D, else the compute column."""
    if runs.has("params") and (runs.has("tokens") or runs.has("compute")):
        return np.asarray(FLOP_PER_PARAMETER_AND_TOKEN * runs["params"] * runs.tokens())
    return runs.compute()
