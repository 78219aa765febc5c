"""Learning curves as a table of loss by run and compute: sorted, smoothed, interpolated onto common computes.

Legend of shapes: r runs, v computes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import InputError, Refusal
from isoflop.laws.graph import Array, Index
from isoflop.runs.table import RunTable

FEWEST_CHECKPOINTS = 3
_DEVIATIONS = 4.0  # a smoothing window of w rows has a standard deviation of w/4 rows
_WIDEST_SHARE = (
    5  # a window wider than a fifth of a curve flattens it: on 10 rows it moved the exponent by 0.2 (2026-11)
)


@dataclass(frozen=True)
class Curves:
    """Learning curves on common computes.

    `compute` (v,) in FLOP, `names` and `params` (r,) of the runs, `tokens` and `loss` (r, v), NaN where a run has not
    begun or has ended. `short` names the runs with too few rows to be curves.
    """

    compute: Array
    names: tuple[str, ...]
    params: Array
    tokens: Array
    loss: Array
    short: tuple[str, ...] = ()


def learning_curves(runs: RunTable, smoothing: int, values: int) -> Curves:
    """The learning curves of `runs` at `values` logarithmically spaced computes.

    Args:
        runs: one row per checkpoint, with run, params, loss, and tokens (or step and batch_tokens, or compute).
        smoothing: rows of the Gaussian window that loss is smoothed over, a fifth of the curve at most; 0 for none.
        values: how many computes.

    Raises:
        InputError: a needed column is missing.
        Refusal: no run has enough rows to be a curve.
    """
    tokens, flop = _progress(runs)
    size, loss = (np.asarray(runs.column(name), dtype=float) for name in ("params", "loss"))
    groups = _by_run(runs)
    long = {name: rows for name, rows in groups.items() if len(np.unique(flop[rows])) >= FEWEST_CHECKPOINTS}
    if not long:
        raise Refusal(
            f"None of the {len(groups)} runs has {FEWEST_CHECKPOINTS} rows or more: the envelope needs learning "
            "curves, one row per checkpoint with run, params, tokens and loss. For final losses alone use "
            "isoflop isoflops."
        )
    ends = np.array([(flop[rows].min(), flop[rows].max()) for rows in long.values()])
    grid = np.geomspace(ends[:, 0].min(), ends[:, 1].max(), values)
    traced = [_trace(flop[rows], tokens[rows], loss[rows], smoothing, grid) for rows in long.values()]
    return Curves(
        compute=grid,
        names=tuple(long),
        params=np.array([float(np.median(size[rows])) for rows in long.values()]),
        tokens=np.stack([tokens_there for tokens_there, _ in traced]),
        loss=np.stack([loss_there for _, loss_there in traced]),
        short=tuple(name for name in groups if name not in long),
    )


def checkpoints(runs: RunTable) -> RunTable:
    """The rows that are points of a curve; those before the first token, or without a loss, are excluded."""
    tokens, flop = _progress(runs)
    loss = np.asarray(runs.column("loss"), dtype=float)
    good = np.isfinite(flop * tokens * loss) & (flop > 0.0) & (tokens > 0.0) & (loss > 0.0)
    return runs if good.all() else runs.exclude(~good, "tokens, compute or loss is not a positive number")


def smooth(position: Array, values: Array, window: int) -> Array:
    """`values` (n,) smoothed by lines fitted in `position` under a Gaussian window of `window` rows around each row.

    A line, not a mean: a mean over a falling curve is too high inside and pulls its ends towards the middle.

    Example:
        >>> x = np.arange(20.0)
        >>> bool(np.allclose(smooth(x, 3.0 - 0.1 * x, 10), 3.0 - 0.1 * x))
        True
    """
    if window <= 1 or len(values) < FEWEST_CHECKPOINTS:
        return values
    rows = np.arange(len(values))
    weight = np.exp(-0.5 * ((rows[:, None] - rows[None, :]) * _DEVIATIONS / window) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    middle, height = weight @ position, weight @ values
    distance = position[None, :] - middle[:, None]
    slope = (weight * distance * values[None, :]).sum(axis=1) / (weight * distance**2).sum(axis=1)
    return np.asarray(height + slope * (position - middle))


def _progress(runs: RunTable) -> tuple[Array, Array]:
    """Tokens and compute of every row; a compute that stays equal within runs is their budget and is not used."""
    if not runs.has("run"):
        raise InputError("there is no column 'run', which says which rows are checkpoints of one run: add it.")
    size = np.asarray(runs.column("params"), dtype=float)
    if runs.has("tokens") and not _constant_within_runs(runs, "tokens"):
        tokens = np.asarray(runs["tokens"], dtype=float)
    elif runs.has("step") and runs.has("batch_tokens"):
        tokens = np.asarray(runs["step"] * runs["batch_tokens"], dtype=float)
    elif runs.has("compute"):
        tokens = np.asarray(runs["compute"] / (FLOP_PER_PARAMETER_AND_TOKEN * size))
    else:
        tokens = np.asarray(runs.column("tokens"), dtype=float)
    if runs.has("compute") and not _constant_within_runs(runs, "compute"):
        return tokens, np.asarray(runs["compute"], dtype=float)
    return tokens, np.asarray(FLOP_PER_PARAMETER_AND_TOKEN * size * tokens)


def _constant_within_runs(runs: RunTable, column: str) -> bool:
    groups = [rows for rows in _by_run(runs).values() if len(rows) > 1]
    return bool(groups) and all(np.ptp(runs[column][rows]) == 0.0 for rows in groups)


def _by_run(runs: RunTable) -> dict[str, Index]:
    names = [str(name) for name in runs["run"].tolist()]
    labels = np.array(names, dtype=object)
    return {name: np.flatnonzero(labels == name) for name in dict.fromkeys(names)}


def _trace(flop: Array, tokens: Array, loss: Array, smoothing: int, grid: Array) -> tuple[Array, Array]:
    """Tokens and loss of one run at the computes of `grid`, NaN outside its range."""
    flop, first = np.unique(flop, return_index=True)
    tokens, loss = tokens[first], loss[first]
    place, log_grid = np.log(flop), np.log(grid)
    # The ends of the grid are powers of ends of runs and may miss them in the last digit.
    outside = (grid < flop[0] * (1.0 - 1e-12)) | (grid > flop[-1] * (1.0 + 1e-12))
    smoothed = smooth(place, np.log(loss), min(smoothing, len(loss) // _WIDEST_SHARE))
    there = np.exp([np.interp(log_grid, place, np.log(tokens)), np.interp(log_grid, place, smoothed)])
    there[:, outside] = np.nan
    return there[0], there[1]
