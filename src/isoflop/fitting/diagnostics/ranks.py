"""Tests by ranks and signs, which no single row can mislead.

Reference: wald1940, spearman1904
"""

from __future__ import annotations

import math

import numpy as np

from isoflop.fitting.diagnostics.tails import normal_tail
from isoflop.laws.graph import Array


def rank_correlation(one: Array, other: Array) -> float:
    """Spearman's correlation of two sets of values (n,), ties sharing their mean rank; 0 where one is constant.

    Example:
        >>> round(rank_correlation(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 4.0, 9.0, 16.0])), 6)
        1.0
    """
    first, second = _ranks(one), _ranks(other)
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def few_runs_of_signs(residuals: Array) -> tuple[int, float, float]:
    """How many runs of equal signs the residuals (n,) form, how many are expected, and the chance of so few.

    Example:
        >>> few_runs_of_signs(np.array([1.0, 2.0, -1.0, -2.0]))[:2]
        (2, 3.0)
    """
    signs = residuals > 0.0
    above = int(signs.sum())
    below = len(signs) - above
    found = 1 + int(np.sum(signs[1:] != signs[:-1]))
    expected = 1.0 + 2.0 * above * below / len(signs)
    variance = (expected - 1.0) * (expected - 2.0) / max(len(signs) - 1, 1)
    if variance <= 0.0 or found >= expected:
        return found, expected, 1.0
    # Half a run of continuity correction; one side only, since neighbours never make signs alternate.
    return found, expected, 0.5 * normal_tail(max(expected - found - 0.5, 0.0) / math.sqrt(variance))


def _ranks(values: Array) -> Array:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - 0.5 * (counts - 1))[place], dtype=float)
