"""Synthetic studies whose truth is known: designs, errors, and what an oracle that knows the errors would say.

A study is a design (sizes and tokens of its runs), a truth (the constants of a Chinchilla law) and errors of log-loss.
What is asked of a fit: alpha, beta, E, the exponent of the optimal model size, and the loss at 10 and at 1000 times the
compute of the largest run, at the same tokens per parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable

Array = NDArray[np.float64]

LAW = find("chinchilla")
TARGETS = ("alpha", "beta", "E", "a_opt", "loss at 10×", "loss at 1000×")
TRUTHS = {
    "besiroglu": np.array([1.8172, 477.83, 2143.4, 0.34731, 0.36717]),
    "hoffmann": np.array([1.6934, 406.4, 410.7, 0.33917, 0.28491]),
    # Coefficients that keep both terms of the first truth at 400M parameters and 8B tokens.
    "steep": np.array([1.8, 477.83 * 4e8 ** (0.5 - 0.34731), 2143.4 * 8e9 ** (0.3 - 0.36717), 0.5, 0.3]),
}
NOISES = (0.003, 0.01, 0.03)
SIZES, TOKENS = (4e7, 4e9), (8e8, 8e10)
CHECKPOINTS, CORRELATION, TREND = 20, 0.9, 0.15
# Twelve runs whose lengths do not rise with their sizes, so that size and data can be told apart.
LENGTHS = np.geomspace(8e9, 8e10, 12)[[3, 8, 1, 10, 5, 0, 7, 11, 2, 9, 4, 6]]


@dataclass(frozen=True)
class Design:
    """Sizes and tokens of the rows, the run each belongs to, and the correlation matrix root of the errors."""

    params: Array
    tokens: Array
    run: NDArray[np.int64] | None = None
    scale: Array | None = None  # of the errors, relative
    root: Array | None = None  # of the correlation within one run

    @property
    def far(self) -> dict[str, Array]:
        """The two points to forecast."""
        reach = np.sqrt([10.0, 1000.0])
        return {"params": self.params.max() * reach, "tokens": self.tokens.max() * reach}

    def table(self, loss: Array) -> RunTable:
        """The runs as a table."""
        columns = {"params": self.params, "tokens": self.tokens, "loss": loss}
        if self.run is not None:
            columns["run"] = np.array([f"run-{number}" for number in self.run], dtype=object)
        return RunTable.from_columns(columns)

    def errors(self, sigma: float, generator: np.random.Generator, tails: bool) -> Array:
        """Errors of log-loss (n,); with `tails` from Student's t with 3 degrees of freedom, of the same variance."""
        shape = len(self.params) if self.root is None else (-1, CHECKPOINTS)
        count = len(self.params)
        drawn = generator.standard_t(3, count) / np.sqrt(3.0) if tails else generator.standard_normal(count)
        if self.root is not None:
            drawn = (drawn.reshape(shape) @ self.root.T).ravel()
        return sigma * drawn * (1.0 if self.scale is None else self.scale)


def grid(sizes: int, lengths: int) -> Design:
    """Every size at every number of tokens."""
    params, tokens = np.meshgrid(np.geomspace(*SIZES, sizes), np.geomspace(*TOKENS, lengths), indexing="ij")
    return Design(params.ravel(), tokens.ravel())


def checkpoints(kind: str) -> Design:
    """Twelve runs looked at twenty times; errors of one run are correlated by 0.9, all alike or from look to look."""
    params = np.repeat(np.geomspace(*SIZES, 12), CHECKPOINTS)
    tokens = (LENGTHS[:, None] * np.geomspace(0.03, 1.0, CHECKPOINTS)).ravel()
    place = np.arange(CHECKPOINTS)
    apart = np.abs(place[:, None] - place[None, :])
    matrix = CORRELATION**apart if kind == "fading" else np.where(apart == 0, 1.0, CORRELATION)
    return Design(params, tokens, np.repeat(np.arange(12), CHECKPOINTS), root=np.linalg.cholesky(matrix))


def heteroscedastic() -> Design:
    """The 36-run grid with errors that fall as compute to the power 0.15: fourfold from smallest to largest."""
    plain = grid(6, 6)
    log_compute = np.log(plain.params * plain.tokens)
    return Design(plain.params, plain.tokens, scale=np.exp(-TREND * (log_compute - log_compute.mean())))


FADING = "the same, fading"
DESIGNS: dict[str, Callable[[], Design]] = {
    "36-run grid": lambda: grid(6, 6),
    "15-run grid": lambda: grid(5, 3),
    "12 runs × 20 checkpoints": lambda: checkpoints("even"),
    FADING: lambda: checkpoints("fading"),
    "heteroscedastic": heteroscedastic,
}


def targets(theta: Array, design: Design) -> Array:
    """What is asked (m, 6) of parameter vectors (m, 5)."""
    theta = np.atleast_2d(theta)
    exponent = theta[:, 4] / (theta[:, 3] + theta[:, 4])
    return np.column_stack([theta[:, 3], theta[:, 4], theta[:, 0], exponent, predict(LAW, theta, design.far)])
