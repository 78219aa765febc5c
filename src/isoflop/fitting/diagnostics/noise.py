"""The scatter of runs: whether it is known, whether it is even, and whether it explains the residuals: D9, D10, D13."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.clusters import dilution_of, runs_of
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.diagnostics.ranks import few_runs_of_signs, rank_correlation
from isoflop.fitting.diagnostics.tails import fisher_tail, normal_tail, student_tail
from isoflop.laws.graph import Array, Index
from isoflop.quantities import format_number

ALARM = 5e-4
"""Probability below which one test speaks: some thirty are made of every fit."""

_UNEVEN_ALARM = 3e-3
"""Of the trend of scatter, which must be twofold as well: so none of 500 clean studies has one (2026-11)."""

_UNEVEN = 2.0  # factor between the scatter at the two ends of the ladder
_STEEPEST, _SLOPES = 5.0, 20  # slopes that are tried: up to a factor of 150 between the ends
_MOST_TOLD = 100.0
_FEWEST_ROWS = 10


def no_replicates(evidence: Evidence, sound: LeastSquares | None) -> Iterator[Finding]:
    """No configuration was trained twice, so that the scatter of runs is not measured but taken from the residuals."""
    groups = evidence.configurations
    if groups is None or int(groups.max()) + 1 < len(groups):
        return
    taken = "" if sound is None else f": the {_percent(evidence, sound.deviation)} of the residuals stand in for it"
    yield Finding("no-replicates", "note", f"No configuration was trained twice, so the noise is not measured{taken}.")


def lack_of_fit(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """Residuals larger than the scatter of runs that are alike."""
    groups = evidence.configurations
    if groups is None:
        return
    used = np.flatnonzero(sound.used)
    residuals, labels = _distinct(sound.residuals[used], groups[used])
    sizes = np.bincount(labels)
    pure_freedom = len(residuals) - int((sizes > 0).sum())
    freedom = int((sizes > 0).sum()) - len(sound.theta)
    if pure_freedom < 2 or freedom < 1:
        return
    means = np.bincount(labels, residuals) / np.maximum(sizes, 1)
    pure = float(np.sum((residuals - means[labels]) ** 2)) / pure_freedom
    missed = float(np.sum(sizes * means**2)) / freedom
    if pure <= 0.0 or fisher_tail(missed / pure, freedom, pure_freedom) > ALARM:
        return
    message = (
        f"Runs of one configuration scatter by {_percent(evidence, np.sqrt(pure))}, and the curve misses their means "
        f"{np.sqrt(missed / pure):.1f} times further than that explains: the law does not fit."
    )
    yield Finding("lack-of-fit", "warn", message)


def patterns(evidence: Evidence, sound: LeastSquares) -> Iterator[Finding]:
    """Residuals whose signs or sizes follow compute, size, data or their ratio."""
    for name, along in _directions(evidence).items():
        residuals, place = _by_run(evidence, sound, along)
        if len(residuals) < _FEWEST_ROWS:
            continue
        order = np.lexsort((np.arange(len(place)), place))
        found, expected, chance = few_runs_of_signs(residuals[order])
        correlation = rank_correlation(place, residuals)
        trend = student_tail(correlation * np.sqrt((len(place) - 2) / max(1 - correlation**2, 1e-12)), len(place) - 2)
        if chance < ALARM:
            message = (
                f"Along {name} the residuals change sign {found - 1} times where {expected - 1:.0f} are expected: "
                "neighbours share an error that the law does not know."
            )
        elif trend < ALARM:
            message = f"The residuals {'rise' if correlation > 0 else 'fall'} with {name}: the law does not fit."
        else:
            continue
        yield Finding("lack-of-fit", "warn", message)
        return


def uneven_scatter(evidence: Evidence, sound: LeastSquares, missing: Array) -> Iterator[Finding]:
    """Scatter that changes along compute, with what weighting the rows by it would change.

    `missing` (rows used, t) are terms that the law lacks: what it misses for want of them is no scatter.
    """
    along = evidence.log_compute
    if along is None or sound.used.sum() < _FEWEST_ROWS or sound.squares <= 0.0:
        return
    slope, chance = scatter_trend(sound, along, missing, dilution_of(evidence, sound).factor)
    ratio = float(np.exp(slope * np.ptp(along[sound.used])))
    if chance > _UNEVEN_ALARM or max(ratio, 1.0 / ratio) < _UNEVEN:
        return
    more, fewer = ("largest", "smallest") if ratio > 1.0 else ("smallest", "largest")
    larger = max(ratio, 1.0 / ratio)
    times = f"about {format_number(larger, 2)}" if larger < _MOST_TOLD else f"more than {_MOST_TOLD:.0f}"
    message = (
        f"Runs of the {more} compute scatter {times} times as much as those of the {fewer}"
        f"{_weighted(evidence, sound, along, slope)}."
    )
    yield Finding("uneven-scatter", "warn", message)


def scatter_trend(sound: LeastSquares, along: Array, missing: Array, dilution: float) -> tuple[float, float]:
    """The slope κ of log scatter along log compute (n,) by restricted likelihood, and the chance of one so steep.

        log L(κ) = -(n - q)/2 log RSS_w - ½ log|JᵀWJ| + ½ Σ log w      w = exp(-2 κ x)

    with q directions of J and of the missing terms.

    Twice the gain over κ = 0 is χ² with one degree of freedom for normal errors; heavier tails are allowed for.

    Reference: patterson1971
    """
    place = along[sound.used] - along[sound.used].mean()
    reach = float(np.ptp(place))
    if reach <= 0.0:
        return 0.0, 1.0
    directions = np.linalg.qr(np.column_stack([sound.jacobian[sound.used] @ sound.root, missing]))[0]
    residuals = sound.residuals[sound.used]
    slopes = np.linspace(-_STEEPEST, _STEEPEST, 2 * _SLOPES + 1) / reach
    tried = [_restricted(residuals, directions, place, slope) for slope in slopes.tolist()]
    best = int(np.argmax([likelihood for likelihood, _ in tried]))
    gain = 2.0 * (tried[best][0] - tried[_SLOPES][0])
    standard = tried[best][1]
    # Squares of errors with heavy tails vary more than those of normal ones, which vary by 2.
    tails = max(1.0, (float(np.mean(standard**4)) / float(np.mean(standard**2)) ** 2 - 1.0) / 2.0)
    return float(slopes[best]), normal_tail(float(np.sqrt(max(gain, 0.0) / (tails * dilution))))


def _restricted(residuals: Array, directions: Array, place: Array, slope: float) -> tuple[float, Array]:
    """The restricted log-likelihood of one slope, and the residuals (n,) freed of it."""
    scale = np.exp(-slope * place)
    weighted = directions * scale[:, None]
    basis, triangle = np.linalg.qr(weighted)
    left = residuals * scale
    left = left - basis @ (basis.T @ left)
    freedom = len(residuals) - directions.shape[1]
    half = float(np.sum(np.log(np.abs(np.diag(triangle)) + 1e-300)))
    return -0.5 * freedom * np.log(float(left @ left) + 1e-300) - half - slope * float(place.sum()), left


def _weighted(evidence: Evidence, sound: LeastSquares, along: Array, slope: float) -> str:
    """What the exponents (else the first parameters) become when every row is weighted by its scatter."""
    weights = np.exp(-2.0 * slope * (along - along.mean()))
    refit = evidence.refit(sound.theta, sound.used, weights / weights.mean())
    if refit is None:
        return ""
    names = evidence.fit.law.parameter_names
    scales = [item.scale for item in evidence.fit.law.parameters]
    shown = [place for place, scale in enumerate(scales) if scale == "linear"][:3] or [0]
    changes = ", ".join(
        f"{names[place]} from {format_number(sound.theta[place])} to {format_number(refit.theta[place])}"
        for place in shown
    )
    return f": least squares with rows weighted accordingly takes {changes}"


def _percent(evidence: Evidence, deviation: float) -> str:
    return f"{format_number(100.0 * deviation, 2)} %" if evidence.on_log else format_number(float(deviation))


def _distinct(residuals: Array, labels: Index) -> tuple[Array, Index]:
    """Without copies: rows of one configuration with the same outcome to the last digit."""
    keys = np.stack([labels.astype(float), residuals], axis=1)
    kept = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    return residuals[kept], labels[kept]


def _directions(evidence: Evidence) -> dict[str, Array]:
    """What residuals may follow, by the name that a sentence gives it."""
    found = {} if evidence.log_compute is None else {"compute": evidence.log_compute}
    found |= {column: values for column, values in evidence.log_inputs.items() if column != "compute"}
    if {"params", "tokens"} <= set(found):
        found["tokens per parameter"] = found["tokens"] - found["params"]
    return found


def _by_run(evidence: Evidence, sound: LeastSquares, along: Array) -> tuple[Array, Array]:
    """Residuals and places of the rows used; of looks at one run, their means."""
    residuals, place, runs = sound.residuals[sound.used], along[sound.used], runs_of(evidence)
    if runs is None:
        return residuals, place
    groups = np.unique(runs[sound.used], return_inverse=True)[1].ravel()
    sizes = np.bincount(groups)
    return np.bincount(groups, residuals) / sizes, np.bincount(groups, place) / sizes
