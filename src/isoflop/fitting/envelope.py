"""Approach 1: the lower envelope of learning curves, and the size and data of the model that is on it.

At each of many computes the run with the least loss is taken. Its size says something about the optimum only where a
smaller and a larger model were trained to the same compute and lost; elsewhere the envelope ends because the runs do.
Power laws of compute go through the sizes and data of the winners. Reference: hoffmann2022
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoflop.errors import Refusal, UsageError
from isoflop.findings import Finding, by_weight
from isoflop.fitting.budgets import distinct_sizes
from isoflop.fitting.curves import Curves, checkpoints, learning_curves
from isoflop.fitting.estimation import table_of
from isoflop.fitting.fit import Ensemble
from isoflop.fitting.frontier_fit import NAMES, Evidence, FrontierFit, Minimum
from isoflop.fitting.isoflops import bias_findings, loss_along
from isoflop.fitting.minima import unit_diagonal
from isoflop.fitting.power_law import power_law
from isoflop.fitting.surface_bias import Bias, Optima, measure_bias
from isoflop.laws.graph import Array, Index, Mask
from isoflop.quantities import Estimate, format_number
from isoflop.runs.table import RunTable

_FEWEST_SIZES = 5
_FEWEST_WINNERS = 4


@dataclass(frozen=True)
class Envelope:
    """The winners: at `compute` (w,) the run numbered `winner` (w,) of `curves` has the least loss."""

    curves: Curves
    place: Index
    winner: Index

    @property
    def compute(self) -> Array:
        """The computes (w,) at which the winner has a smaller and a larger competitor."""
        return self.curves.compute[self.place]

    @property
    def params(self) -> Array:
        """Sizes (w,) of the winners."""
        return self.curves.params[self.winner]

    @property
    def tokens(self) -> Array:
        """Tokens (w,) that the winners have seen."""
        return self.curves.tokens[self.winner, self.place]

    @property
    def loss(self) -> Array:
        """Losses (w,) of the winners."""
        return self.curves.loss[self.winner, self.place]

    @property
    def sizes(self) -> int:
        """How many model sizes win somewhere."""
        return int(distinct_sizes(np.log(self.params)).max()) + 1 if len(self.winner) else 0


def fit_envelope(
    runs: RunTable | Any,
    *,
    smoothing: int = 10,
    values: int = 1500,
    draws: int = 1000,
    level: float = 0.9,
    where: str | None = None,
    seed: int = 0,
) -> FrontierFit:
    """Fit the compute-optimal frontier to the lower envelope of learning curves.

    Intervals come from resampling whole runs. Losses before the end of a learning-rate schedule are higher than
    those of runs that end there, which no resampling shows.

    Args:
        runs: one row per checkpoint, with run, params, tokens and loss, or anything `read_runs` reads.
        smoothing: rows of the Gaussian window that each curve is smoothed over, a fifth of the curve at most; 0 for
            none.
        values: at how many logarithmically spaced computes the winner is sought.
        draws: how many resamples of the runs; 0 for none.
        level: nominal coverage of the intervals.
        where: a condition such as `params > 1e7`; the rows that fulfil it are used.
        seed: of everything random.

    Raises:
        Refusal: the runs are no learning curves, or fewer than two sizes win against smaller and larger ones.

    Reference: hoffmann2022

    Example:
        >>> size, share = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e8, 9), np.linspace(0.05, 1, 20)))
        >>> tokens = share * 4e9
        >>> loss = 1.7 + 400 / size**0.34 + 1500 / tokens**0.37
        >>> table = {"run": [f"{n:.0f}" for n in size], "params": size, "tokens": tokens, "loss": loss}
        >>> fit_envelope(table, draws=0).method
        'envelope'
    """
    if smoothing < 0 or values < 10 or draws < 0:
        raise UsageError(f"smoothing={smoothing} and draws={draws} must be 0 or more, and values={values} at least 10.")
    table = checkpoints(table_of(runs, where))
    curves = learning_curves(table, smoothing, values)
    found = _enough(envelope_of(curves, np.ones(len(curves.names), dtype=bool)))
    theta = _power_laws(found)
    ensemble, lost = _resampled(curves, draws, seed)
    minima = _minima(found)
    loss_law, loss_reason = loss_along(
        np.array([item.compute for item in minima]), np.array([item.loss for item in minima]), draws, level, seed
    )
    bias = measure_bias(_with_tokens(table), lambda noise_free: _optima(learning_curves(noise_free, smoothing, values)))
    findings = (*table.findings, *_doubts(found), *_lost(lost, draws), *bias_findings(bias))
    return FrontierFit(
        method="envelope",
        law="envelope",
        settings={"smoothing": smoothing, "values": values, "draws": draws},
        minima=minima,
        theta=theta,
        evidence=_evidence(found, theta),
        ensemble=ensemble,
        level=level,
        seed=seed,
        runs=table,
        loss_law=loss_law,
        loss_reason=loss_reason,
        bias=bias if isinstance(bias, Bias) else None,
        bias_reason=bias if isinstance(bias, str) else "",
        findings=by_weight(findings),
    )


def envelope_of(curves: Curves, chosen: Mask) -> Envelope:
    """The winners among the chosen runs (r,), where a smaller and a larger chosen model compete.

    Example:
        >>> loss = np.array([[3.0, 2.9, 2.8], [3.1, 2.8, 2.5], [3.2, 3.0, 2.7]])
        >>> curves = Curves(np.array([1.0, 2.0, 3.0]), ("a", "b", "c"), np.array([1.0, 2.0, 4.0]), loss, loss)
        >>> envelope_of(curves, np.ones(3, dtype=bool)).winner.tolist()
        [1, 1]
    """
    there = np.isfinite(curves.loss) & chosen[:, None]
    label = distinct_sizes(np.log(curves.params))[:, None]
    winner = np.argmin(np.where(there, curves.loss, np.inf), axis=0)
    smallest = np.where(there, label, len(label)).min(axis=0)
    largest = np.where(there, label, -1).max(axis=0)
    contested = (smallest < label[winner, 0]) & (label[winner, 0] < largest)
    place = np.flatnonzero(contested)
    return Envelope(curves, place, winner[place])


def _enough(found: Envelope) -> Envelope:
    curves = found.curves
    sizes = int(distinct_sizes(np.log(curves.params)).max()) + 1
    if sizes < 3:
        raise Refusal(
            f"The learning curves are of {sizes} model size{'s' * (sizes > 1)}: the envelope needs at least three, of "
            "which the middle one can win against a smaller and a larger one."
        )
    if found.sizes == 0:
        raise Refusal(
            "Nowhere does a model win against both a smaller and a larger one trained to the same compute: add sizes, "
            "or train the small ones longer."
        )
    if found.sizes == 1:
        raise Refusal(
            f"One model size, {format_number(float(found.params[0]))} parameters, wins wherever a smaller and a larger "
            "one compete: its growth cannot be seen. Add sizes between, or a wider range of compute."
        )
    return found


def _power_laws(found: Envelope) -> Array:
    """(k_N, a, k_D, b) of the power laws through the winners; NaN where fewer than two sizes win."""
    if found.sizes < 2:
        return np.full(len(NAMES), np.nan)
    laws = (power_law(found.compute, values) for values in (found.params, found.tokens))
    return np.array([float(value[0]) for law in laws for value in law])


def _optima(curves: Curves) -> Optima:
    found = _enough(envelope_of(curves, np.ones(len(curves.names), dtype=bool)))
    exponent = float(_power_laws(found)[1])
    # The last winner's size is one of a few on the grid of sizes; the power law says what the method would answer.
    coefficient = power_law(found.compute, found.params)[0][0]
    params = coefficient * found.compute**exponent
    tokens = found.tokens * found.params / params
    return Optima(found.compute, params, tokens, np.zeros(len(params)), exponent)


def _resampled(curves: Curves, draws: int, seed: int) -> tuple[Ensemble, int]:
    """The power laws of resamples of the runs, and how many resamples had fewer than two winners."""
    generator = np.random.default_rng(seed)
    count = len(curves.names)
    found = np.empty((draws, len(NAMES)))
    for draw in range(draws):
        chosen = np.zeros(count, dtype=bool)
        chosen[generator.integers(count, size=count)] = True
        found[draw] = _power_laws(envelope_of(curves, chosen))
    settled = np.all(np.isfinite(found), axis=1)
    return Ensemble(NAMES, found[settled], "run-bootstrap" if draws else "none"), int(draws - settled.sum())


def _minima(found: Envelope) -> tuple[Minimum, ...]:
    """One minimum for every stretch of compute with one winner, in its middle."""
    breaks = np.flatnonzero((np.diff(found.winner) != 0) | (np.diff(found.place) != 1)) + 1
    stretches = np.split(np.arange(len(found.winner)), breaks)
    middles = [int(stretch[len(stretch) // 2]) for stretch in stretches]
    return tuple(
        Minimum(
            compute=float(found.compute[middle]),
            params=Estimate(float(found.params[middle])),
            tokens=Estimate(float(found.tokens[middle])),
            loss=float(found.loss[middle]),
            runs=1,
        )
        for middle in middles
    )


def _evidence(found: Envelope, theta: Array) -> Evidence:
    """The two straight lines are least-squares solutions: their normal equations hold to this gradient."""
    log_compute = np.log(found.compute)
    design = np.stack([np.ones_like(log_compute), log_compute - log_compute.mean()], axis=1)
    residuals = [
        np.log(values) - np.log(theta[first]) - theta[first + 1] * log_compute
        for first, values in ((0, found.params), (2, found.tokens))
    ]
    size = float(np.linalg.norm(np.log(found.params)) + np.linalg.norm(np.log(found.tokens)))
    eigenvalues = np.linalg.eigvalsh(unit_diagonal(design.T @ design))
    return Evidence(
        objective=float(sum(item @ item for item in residuals)),
        gradient=max(float(np.max(np.abs(design.T @ item))) for item in residuals) / size,
        smallest_eigenvalue=float(eigenvalues[0]),
        condition=float(eigenvalues[-1] / eigenvalues[0]),
    )


def _with_tokens(runs: RunTable) -> RunTable:
    if runs.has("tokens") or not (runs.has("step") and runs.has("batch_tokens")):
        return runs
    return runs.with_columns({"tokens": runs["step"] * runs["batch_tokens"]})


def _doubts(found: Envelope) -> list[Finding]:
    curves, findings = found.curves, []
    sizes = int(distinct_sizes(np.log(curves.params)).max()) + 1
    if sizes < _FEWEST_SIZES or found.sizes < _FEWEST_WINNERS:
        message = (
            f"{found.sizes} of {sizes} model sizes are on the envelope with competitors on both sides: the optimum "
            "moves in few and large steps."
        )
        findings.append(Finding("few-sizes", "warn", message))
    decades = float(np.log10(found.compute.max() / found.compute.min()))
    if decades < 1.0:
        message = f"The envelope holds over {10**decades:.1f}× of compute, less than a decade."
        findings.append(Finding("narrow-range", "warn", message))
    if curves.short:
        named = ", ".join(curves.short[:5]) + (f" and {len(curves.short) - 5} more" if len(curves.short) > 5 else "")
        message = f"{len(curves.short)} runs have too few rows to be curves and are left out: {named}."
        findings.append(Finding("short-curves", "warn", message))
    message = (
        "Losses along a curve count as final losses: where the learning rate had not yet decayed they are too high, "
        "which favours models whose schedule had ended."
    )
    return [*findings, Finding("unfinished-schedules", "note", message)]


def _lost(lost: int, draws: int) -> Sequence[Finding]:
    if not draws or lost <= 0.02 * draws:
        return ()
    message = f"{lost} of {draws} resamples have fewer than two winners and are left out: the intervals are too narrow."
    return (Finding("unsettled-draws", "warn", message),)
