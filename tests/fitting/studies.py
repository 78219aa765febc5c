"""Synthetic studies that several tests of fitting use."""

from __future__ import annotations

import numpy as np

from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable

TRUTH = np.array([1.8172, 477.83, 2143.4, 0.34731, 0.36717])


def design(sizes=6, lengths=6):
    """Every size at every number of tokens."""
    params, tokens = np.meshgrid(np.geomspace(4e7, 4e9, sizes), np.geomspace(8e8, 8e10, lengths), indexing="ij")
    return {"params": params.ravel(), "tokens": tokens.ravel()}


def study(noise=0.005, seed=0, law="chinchilla", theta=TRUTH, errors=None, **shape):
    """A grid of runs whose log-loss has normal errors, or those given as standard units (n,)."""
    columns = design(**shape)
    drawn = np.random.default_rng(seed).standard_normal(len(columns["params"])) if errors is None else errors
    clean = predict(find(law), np.asarray(theta, dtype=float), columns)[0]
    return RunTable.from_columns({**columns, "loss": clean * np.exp(noise * drawn)})
