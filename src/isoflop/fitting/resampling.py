"""Uncertainty by resampling the rows that are there: the stated objective refitted to each resample.

Rows of one cluster (a run, or runs of one size) share their errors, so they are resampled together; treating them as
independent is the commonest way to print intervals that are several times too narrow.

With many clusters, whole clusters are drawn with replacement. With few, that would often leave out whole sizes and
with them the exponents; then the design can be kept and the residuals of each cluster multiplied by one random number
of mean 0 and variance 1 (the wild cluster bootstrap, with Webb's six values). BCa corrects the percentiles of drawn
rows for their bias and for a spread that grows with the parameter, both of which matter with some 20 to 50 rows.

Legend of shapes: B draws, n rows, k parameters, c clusters. Reference: besiroglu2024, webb2023, efron1987
"""

from __future__ import annotations

import numpy as np

from isoflop.fitting.layout import Layout
from isoflop.fitting.refits import refit
from isoflop.fitting.solver import Problem, Rows
from isoflop.laws.graph import Array


def cluster_draws(problem: Problem, theta: Array, layout: Layout, draws: int, seed: int) -> Array:
    """θ (B, k) of resamples of whole clusters."""
    times = np.random.default_rng(seed).multinomial(layout.count, np.full(layout.count, 1.0 / layout.count), size=draws)
    return refit(problem, theta, Rows(weights=times[:, layout.clusters].astype(float)), draws)


def wild_draws(problem: Problem, theta: Array, layout: Layout, draws: int, seed: int) -> Array:
    """θ (B, k) of resamples that keep the design and turn the residuals of each cluster by one random number."""
    webb = np.sqrt(np.array([0.5, 1.0, 1.5]))
    fitted = problem.surface.predict(problem.surface.to_internal(theta[None]))[0]
    rows = len(fitted)
    # Residuals of a fit are smaller than the errors that made them; this restores their size on average.
    spread = np.sqrt(rows / max(rows - len(theta), 1))
    signs = np.random.default_rng(seed).choice(np.concatenate([-webb, webb]), size=(draws, layout.count))
    targets = fitted + (problem.target - fitted) * spread * signs[:, layout.clusters]
    return refit(problem, theta, Rows(targets=targets), draws)


def accelerated_draws(problem: Problem, theta: Array, layout: Layout, draws: int, seed: int) -> Array:
    """θ (B, k) of resampled clusters, moved so that plain percentiles of each parameter are its BCa bounds.

        u → Φ(z₀ + (z₀ + z_u)/(1 - a(z₀ + z_u)))        z₀ from the share of draws below θ̂, a from the jackknife

    Each parameter is moved by itself and keeps its ranks, so the parameters hang together as they did.
    """
    from scipy.special import ndtr, ndtri

    found = cluster_draws(problem, theta, layout, draws, seed)
    without = (layout.clusters[None, :] != np.arange(layout.count)[:, None]).astype(float)
    left_out = refit(problem, theta, Rows(weights=without), layout.count)
    influence = left_out.mean(axis=0) - left_out
    acceleration = np.sum(influence**3, axis=0) / (6.0 * np.sum(influence**2, axis=0) ** 1.5 + 1e-300)
    count = len(found)
    below = np.clip(np.mean(found < theta, axis=0), 0.5 / count, 1.0 - 0.5 / count)
    bias = ndtri(below)
    ranks = np.argsort(np.argsort(found, axis=0, kind="stable"), axis=0, kind="stable")
    shifted = bias + ndtri((ranks + 0.5) / count)
    wanted = ndtr(bias + shifted / np.maximum(1.0 - acceleration * shifted, 1e-3))
    moved = [np.quantile(found[:, index], wanted[:, index]) for index in range(len(theta))]
    return np.stack(moved, axis=1)
