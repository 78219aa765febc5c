"""Rolling origin: the largest runs are hidden in turn, and forecast from the smaller ones.

A cut hides the rows above a compute cut-off; it moves down while at least three rows in ten remain. At each cut the law
is fitted to the rows that remain and forecasts the hidden ones, so that what a law is worth is measured where it will
be used, beyond the data, and never by how well it follows what it has seen.

Legend of shapes: n rows, h hidden rows, k parameters. Reference: tashman2000
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isoflop.errors import IsoflopError
from isoflop.fitting.binding import inputs_of
from isoflop.fitting.efficient import robust_scale
from isoflop.fitting.forecasts import Rolling
from isoflop.fitting.objective import Objective
from isoflop.fitting.single import Settings, quick_optimum
from isoflop.laws.graph import Array, Mask
from isoflop.laws.law import Law
from isoflop.laws.surface import GeneralSurface, to_log
from isoflop.runs.compute import compute_of, has_compute
from isoflop.runs.table import RunTable

_FACTORS = (1.5, 2.0, 3.0, 4.5, 6.5, 10.0, 15.0, 22.0, 33.0, 50.0, 75.0, 100.0, 150.0, 220.0, 330.0, 500.0, 1000.0)
_LEAST_SHARE = 0.3  # of the rows that must remain
_MOST_CUTS = 8


@dataclass(frozen=True)
class Cut:
    """One cut-off: the rows that remain, and how many decades of compute each hidden one lies beyond them (h,)."""

    kept: Mask
    distance: Array


def cuts_of(runs: RunTable, needed: int) -> tuple[Cut, ...]:
    """The cuts that leave at least `needed` rows and three in ten; none where compute is not known."""
    if not has_compute(runs):
        return ()
    compute = compute_of(runs)
    if not np.all(np.isfinite(compute)):
        return ()
    least = max(needed, _LEAST_SHARE * len(runs))
    found: list[Cut] = []
    before = len(runs)
    for factor in _FACTORS:
        kept = compute <= compute.max() / factor * (1.0 + 1e-9)
        if kept.sum() < least or kept.sum() == before:
            continue
        before = int(kept.sum())
        found.append(Cut(kept, np.log10(compute[~kept] / compute[kept].max())))
    if len(found) <= _MOST_CUTS:
        return tuple(found)
    chosen = np.unique(np.round(np.linspace(0, len(found) - 1, _MOST_CUTS)).astype(int))
    return tuple(found[index] for index in chosen)


@dataclass(frozen=True)
class Trial:
    """What a law fitted at one cut says of the hidden rows: `forecast` and its `spread`, on the objective's scale."""

    forecast: Array
    spread: Array


def trial(law: Law, theta: Array, runs: RunTable, cut: Cut, settings: Settings) -> Trial | None:
    """Fit `law` to the rows that `cut` leaves and forecast the others; None where it cannot be fitted to them.

    `theta` (k,) is the optimum of the whole study, from which the refit starts.
    """
    kept, hidden = runs.select(cut.kept), runs.select(~cut.kept)
    try:
        found = quick_optimum(law, kept, settings, [theta])
    except IsoflopError:
        return None
    on_log = settings.objective.on == "log-loss"
    inside, beyond = (GeneralSurface(law, inputs_of(law, part), log_output=on_log) for part in (kept, hidden))
    phi = to_log(law.parameters, found[None])
    forecast = beyond.predict(phi)[0]
    if not np.all(np.isfinite(forecast)):
        return None
    residuals = on_scale(kept.numbers(law.output), settings.objective) - inside.predict(phi)[0]
    return Trial(forecast, _spread(inside, beyond, phi, residuals, settings.objective))


def rolling_of(
    members: Sequence[tuple[float, Sequence[Trial]]], runs: RunTable, observed: Array, cuts: Sequence[Cut]
) -> Rolling:
    """The forecasts of the weighted mean of `members`, each a weight and its trials, one for each cut.

    `observed` (n,) are the outcomes on the scale of the objective. Where members disagree, that is part of the spread.
    """
    weights = np.array([weight for weight, _ in members])
    numbers, rows, distances, errors, spreads = [], [], [], [], []
    for number, cut in enumerate(cuts):
        forecasts = np.array([trials[number].forecast for _, trials in members])
        own = np.array([trials[number].spread for _, trials in members])
        middle = weights @ forecasts
        numbers.append(np.full(len(middle), number))
        rows.append(runs.row[~cut.kept])
        distances.append(cut.distance)
        errors.append(observed[~cut.kept] - middle)
        spreads.append(np.sqrt(weights @ (own**2 + (forecasts - middle) ** 2)))
    return Rolling(
        np.array(np.concatenate([[], *numbers]), dtype=np.int64),
        np.array(np.concatenate([[], *rows]), dtype=np.int64),
        *(np.array(np.concatenate([[], *part]), dtype=float) for part in (distances, errors, spreads)),
    )


def on_scale(values: Array, objective: Objective) -> Array:
    """Outcomes on the scale of the objective: logarithms, or the values themselves."""
    return np.log(values) if objective.on == "log-loss" else values


def _spread(
    inside: GeneralSurface, beyond: GeneralSurface, phi: Array, residuals: Array, objective: Objective
) -> Array:
    """Standard deviation (h,) of a forecast error: that of the curve, by its curvature, and that of one run."""
    parameters = len(phi)
    scale = robust_scale(residuals, parameters)
    slopes, far = (surface.linearise(phi, second=False).jacobian[0] for surface in (inside, beyond))
    lengths = np.maximum(np.linalg.norm(slopes, axis=1), 1e-300)
    left, singular, _ = np.linalg.svd(slopes / lengths[:, None], full_matrices=False)
    leverage = (far / lengths[:, None]).T @ (left / np.maximum(singular, 1e-8 * singular[0]))
    curve = np.sum(leverage**2, axis=1) / objective.efficiency(scale)
    return np.asarray(scale * np.sqrt(1.0 + curve))
