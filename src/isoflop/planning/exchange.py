"""Choosing runs so that a forecast is as sure as it can be for what they cost: exact c-optimal design by exchange.

    minimise  mean_s log cᵀ M_s⁻¹ c    subject to   Σ cost ≤ budget,  at most R runs

over scenarios s of the truth. From several starts, runs are added, then exchanged one at a time for the candidate that
lowers the criterion most within the budget, then two at a time, until nothing helps. A run may be chosen several times:
these are its seeds. [pronzato2013], by the exchange of [fedorov1972].

Legend of shapes: s scenarios, k parameters, n candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isoflop.laws.graph import Array
from isoflop.planning.information import forecast_variance

Chosen = NDArray[np.int64]
"""How often each candidate is chosen (n,)."""

_BETTER = 1e-4  # a change of the criterion that is worth a step: 0.005 % of a standard deviation
_PASSES = 30
_PAIRED = 16  # runs of which pairs are tried


@dataclass(frozen=True)
class Choice:
    """What is chosen from: gradients (s, n, k), costs (n,), gradients at the target (s, k), information in hand.

    At most `most_runs` are chosen, and one candidate at most `most_seeds` times.
    """

    gradients: Array
    cost: Array
    target: Array
    given: Array
    noise: float
    budget: float
    most_runs: int
    most_seeds: int

    def matrix(self, chosen: Chosen) -> Array:
        """Information (s, k, k) of what is chosen and in hand."""
        used = np.flatnonzero(chosen)
        rows = self.gradients[:, used]
        return np.asarray(self.given + np.einsum("snk,n,snl->skl", rows, chosen[used] / self.noise**2, rows))

    def criterion(self, chosen: Chosen) -> float:
        """Mean logarithm of the variance of the forecast."""
        return float(np.mean(np.log(forecast_variance(self.matrix(chosen), self.target))))

    def left(self, chosen: Chosen) -> float:
        """Budget that is not spent."""
        return self.budget - float(chosen @ self.cost)


def best_design(choice: Choice, starts: list[Chosen]) -> Chosen:
    """The best design reached from the starts; each keeps within budget and number of runs."""
    reached = [_rested(choice, _filled(choice, _affordable(choice, start))) for start in starts]
    chosen = min(reached, key=choice.criterion)
    for _ in range(_PASSES):
        before = choice.criterion(chosen)
        chosen = _rested(choice, _filled(choice, _pairs(choice, chosen)))
        if before - choice.criterion(chosen) <= _BETTER:
            break
    return chosen


def _rested(choice: Choice, chosen: Chosen) -> Chosen:
    """Single exchanges until none helps."""
    for _ in range(_PASSES):
        before = choice.criterion(chosen)
        chosen = _filled(choice, _singles(choice, chosen))
        if before - choice.criterion(chosen) <= _BETTER:
            break
    return chosen


def _affordable(choice: Choice, start: Chosen) -> Chosen:
    """A start cut to budget, seeds and number of runs, the dearest runs first."""
    chosen = np.minimum(start, choice.most_seeds)
    while chosen.sum() > choice.most_runs or choice.left(chosen) < -1e-9 * choice.budget:
        used = np.flatnonzero(chosen)
        chosen[used[np.argmax(choice.cost[used])]] -= 1
    return chosen


def _filled(choice: Choice, chosen: Chosen) -> Chosen:
    """Runs added while budget and number allow it and they help."""
    chosen = chosen.copy()
    while chosen.sum() < choice.most_runs:
        added = _best_addition(choice, chosen, choice.left(chosen))
        if added is None:
            return chosen
        chosen[added[0]] += 1
    return chosen


def _singles(choice: Choice, chosen: Chosen) -> Chosen:
    """Each run in turn exchanged for the best that its cost and what is left can pay."""
    chosen = chosen.copy()
    for run in np.flatnonzero(chosen):
        if not chosen[run]:
            continue
        now = choice.criterion(chosen)
        chosen[run] -= 1
        found = _best_addition(choice, chosen, choice.left(chosen))
        if found is not None and found[1] < now - _BETTER:
            chosen[found[0]] += 1
        else:
            chosen[run] += 1
    return chosen


def _pairs(choice: Choice, chosen: Chosen) -> Chosen:
    """The first exchange of two runs for two others that helps: it moves budget from one run to another."""
    now, used = choice.criterion(chosen), np.flatnonzero(chosen)
    # Budget is tied up in the dearest runs; pairs of all would take minutes in a ladder of hundreds.
    used = used[np.argsort(-choice.cost[used])][:_PAIRED]
    for first in used:
        for second in used[np.flatnonzero(used == first)[0] :]:
            trial = chosen.copy()
            trial[first] -= 1
            trial[second] -= 1
            if trial.min() < 0:
                continue
            for share in (0.25, 0.5, 0.75, 1.0):
                other = trial.copy()
                for part in (share, 1.0):
                    found = _best_addition(choice, other, part * choice.left(other))
                    if found is not None:
                        other[found[0]] += 1
                if choice.criterion(other) < now - _BETTER:
                    return other
    return chosen


def _best_addition(choice: Choice, chosen: Chosen, left: float) -> tuple[int, float] | None:
    """The candidate within what is left whose addition lowers the criterion most, and the criterion with it."""
    affordable = np.flatnonzero((choice.cost <= left * (1.0 + 1e-12)) & (chosen < choice.most_seeds))
    if not len(affordable):
        return None
    inverse: Array = np.asarray(np.linalg.inv(choice.matrix(chosen)), dtype=float)
    rows = choice.gradients[:, affordable] / choice.noise
    solved = np.einsum("skl,sl->sk", inverse, choice.target)
    towards = np.einsum("snk,sk->sn", rows, solved)
    own = np.einsum("snk,snk->sn", np.matmul(rows, inverse), rows)
    variance = _variance(inverse, choice.target)[:, None] - towards**2 / (1.0 + own)
    scores = np.mean(np.log(np.maximum(variance, 1e-300)), axis=0)
    best = int(np.argmin(scores))
    return int(affordable[best]), float(scores[best])


def _variance(inverse: Array, target: Array) -> Array:
    return np.asarray(np.einsum("sk,skl,sl->s", target, inverse, target))
