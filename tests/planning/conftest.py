"""A fit with draws of a ladder that reaches 1e21 FLOP, on data made from a known law."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.runs.table import RunTable

TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}


def table(noise: float = 0.004, seed: int = 0) -> RunTable:
    """Sixty runs on six isoFLOP slices from 1e18 to 1e21."""
    compute = np.repeat(np.geomspace(1e18, 1e21, 6), 10)
    params = np.sqrt(compute / 6 / 20) * np.tile(np.geomspace(0.2, 5.0, 10), 6)
    tokens = compute / 6 / params
    loss = TRUTH["E"] + TRUTH["A"] / params ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    loss *= np.exp(np.random.default_rng(seed).normal(0.0, noise, len(loss)))
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    return RunTable.from_columns(columns, param_count="total")


@pytest.fixture(scope="session")
def ladder() -> Fit:
    """The law fitted to the ladder, with 200 draws."""
    return fit("chinchilla", table(), draws=200, cluster="none")


@pytest.fixture(scope="session")
def slices() -> FrontierFit:
    """The frontier of the same ladder by isoFLOP slices."""
    return fit_isoflops(table(), draws=50)
