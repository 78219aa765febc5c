"""What a frontier looks like when parameters are counted in another way: Kaplan's exponent from Chinchilla's law.

    N_T = N_E + γ·N_E^(1/3)      C_E = 6·N_E·D

A ladder of sizes obeys a law of all parameters N_T; whoever counts parameters outside the embeddings N_E, and compute
by them, finds the best of these sizes for each compute to grow with another power. [pearce2024]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.fitting.power_law import power_law
from isoflop.laws.graph import Array
from isoflop.laws.published import find_published
from isoflop.planning.landscape import Landscape

KAPLAN_SIZES = np.logspace(2.9, 9.2, 20)
"""Twenty sizes outside the embeddings from 768 to 1.5e9, the range of [kaplan2020]."""

COMPUTE_NON_EMBEDDING = np.logspace(12.95, 20.7, 100)
COMPUTE_TOTAL = np.logspace(13.4, 20.7, 100)
"""FLOP between which the best sizes lie inside that range, by either count."""


@dataclass(frozen=True)
class Apparent:
    """Powers of compute with which the best size, and its loss without a floor, seem to grow."""

    params_exponent: float
    loss_exponent: float


def apparent_exponents(land: Landscape, count: str) -> Apparent:
    """The powers that a ladder of Kaplan's sizes gives by `count`, `non-embedding` or `total`, at the point estimate.

    The best of the twenty sizes is taken for each compute and a straight line laid through the logarithms, as the
    paper's script does; the steps between sizes move the power by 0.01.

    Example:
        >>> from isoflop.planning.landscape import landscape_of
        >>> from isoflop.planning.source import source_of
        >>> land = landscape_of(source_of("published:besiroglu2024"), {})
        >>> round(apparent_exponents(land, "non-embedding").params_exponent, 3)
        0.775
    """
    total = total_params(KAPLAN_SIZES)
    sizes, compute = (total, COMPUTE_TOTAL) if count == "total" else (KAPLAN_SIZES, COMPUTE_NON_EMBEDDING)
    tokens = compute[:, None] / (FLOP_PER_PARAMETER_AND_TOKEN * sizes[None, :])
    places = np.broadcast_to(total, tokens.shape).ravel()
    rows = (np.broadcast_to(values, (land.rows, tokens.size)) for values in (places, tokens.ravel()))
    losses = land.losses(*rows)[0].reshape(tokens.shape)
    best = np.argmin(losses, axis=1)
    lines = (power_law(compute, values) for values in (sizes[best], losses[np.arange(len(best)), best]))
    size, loss = (float(np.atleast_1d(line[1])[0]) for line in lines)
    return Apparent(size, loss)


def total_params(non_embedding: Array) -> Array:
    """All parameters of models with so many outside the embeddings, by the constant of Pearce and Song.

    Example:
        >>> float(total_params(np.array([1e9]))[0])
        1047491000.0
    """
    gamma = find_published("pearce2024").values["gamma"]
    return np.asarray(non_embedding + gamma * non_embedding ** (1.0 / 3.0))
