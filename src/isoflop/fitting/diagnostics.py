"""What the data and the fit say about themselves: the rules that raise findings about a fit.

Each rule is one function Fit → findings; `examine` runs them all. Thresholds carry their reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.fit import Fit
from isoflop.quantities import format_number


def examine(fitted: Fit, draws: int) -> tuple[Finding, ...]:
    """Every finding about this fit; `draws` is how many resamples were asked for."""
    return (
        *_not_an_optimum(fitted),
        *_few_runs(fitted),
        *_narrow_range(fitted),
        *_collinear(fitted),
        *_unsettled_draws(fitted, draws),
        *_open_bounds(fitted),
        *_few_draws(draws),
        *_few_clusters(fitted),
    )


def _not_an_optimum(fitted: Fit) -> Iterator[Finding]:
    if fitted.status is FitStatus.NOT_STATIONARY:
        yield Finding("not-stationary", "refuse", fitted.status.sentence)
    elif fitted.status is FitStatus.DEGENERATE:
        names = ", ".join(fitted.certificate.dead)
        yield Finding("degenerate", "refuse", f"{fitted.status.sentence} It concerns {names}.")
    elif fitted.status is FitStatus.FLAT:
        yield Finding("flat", "refuse", fitted.status.sentence)
    if fitted.certificate.agreeing < 3:
        yield Finding(
            "few-starts-agree",
            "warn",
            f"Only {fitted.certificate.agreeing} of {fitted.certificate.starts} starts reached this optimum.",
        )


def _few_runs(fitted: Fit) -> Iterator[Finding]:
    columns = [fitted.runs.column(name) for name in fitted.law.columns if fitted.runs.has(name)]
    distinct = len(np.unique(np.stack(columns, axis=1), axis=0)) if columns else len(fitted.runs)
    parameters = fitted.size
    if distinct < parameters + 3:
        yield Finding(
            "few-runs",
            "refuse" if distinct <= parameters else "warn",
            f"{distinct} distinct configurations for {parameters} parameters: at least {parameters + 3} are needed to "
            "see how well the law fits.",
        )


def _narrow_range(fitted: Fit) -> Iterator[Finding]:
    for item in fitted.law.inputs:
        if not fitted.runs.has(item.column):
            continue
        values = np.asarray(fitted.runs.column(item.column), dtype=float)
        if values.min() <= 0.0:
            continue
        decades = float(np.log10(values.max() / values.min()))
        if decades < 1.0:
            yield Finding(
                "narrow-range",
                "warn" if decades >= 0.3 else "refuse",
                f"{item.column} spans {format_number(values.max() / values.min(), 2)}×, less than one decade: its "
                "exponent is weakly determined.",
            )


def _collinear(fitted: Fit) -> Iterator[Finding]:
    """With N and D in proportion their two terms cannot be told apart."""
    if not ({"params", "tokens"} == set(fitted.law.columns) and len(fitted.law.parameters) >= 4):
        return
    size = np.log(np.asarray(fitted.runs.column("params"), dtype=float))
    data = np.log(np.asarray(fitted.runs.tokens(), dtype=float))
    if size.std() == 0.0 or data.std() == 0.0:
        return
    correlation = float(np.corrcoef(size, data)[0, 1])
    ratio = float(np.exp((data - size).max() - (data - size).min()))
    if correlation > 0.95 or ratio < 4.0:
        yield Finding(
            "collinear-design",
            "refuse" if correlation > 0.99 or ratio < 2.0 else "warn",
            f"Model size and data rise together (correlation of logarithms {correlation:.2f}, tokens per parameter "
            f"span {ratio:.1f}×): vary one at a time.",
        )


def _unsettled_draws(fitted: Fit, draws: int) -> Iterator[Finding]:
    missing = draws - len(fitted.ensemble)
    if draws and missing > 0.02 * draws:
        yield Finding(
            "unsettled-draws",
            "warn",
            f"{missing} of {draws} resamples did not settle and are left out: the intervals are too narrow.",
        )


def _open_bounds(fitted: Fit) -> Iterator[Finding]:
    if len(fitted.ensemble) < 2:
        return
    everything = [item for part in fitted.parts for item in part.params.items()]
    for name, estimate in dict(everything).items():
        sides = [side for side, bound in (("below", estimate.low), ("above", estimate.high)) if bound is None]
        if sides:
            yield Finding(
                "open-bound",
                "warn",
                f"The data do not bound {name} from {' or from '.join(sides)}: a law without it fits some resamples as "
                "well.",
            )


def _few_draws(draws: int) -> Iterator[Finding]:
    if 0 < draws < 100:
        yield Finding("few-draws", "note", f"Percentiles of {draws} draws are rough: use 1,000 to rely on.")


def _few_clusters(fitted: Fit) -> Iterator[Finding]:
    count = int(fitted.clusters.max()) + 1
    if count == 1 and len(fitted.ensemble):
        yield Finding(
            "one-cluster",
            "refuse",
            f"The {len(fitted.clusters)} rows form one group, which cannot be resampled: the intervals mean nothing. "
            "Group by another column with --cluster, or give no intervals with --draws 0.",
        )
    elif 1 < count < 8 and count < len(fitted.clusters):
        yield Finding(
            "few-clusters",
            "note",
            f"The {len(fitted.clusters)} rows form {count} groups; intervals from fewer than 8 groups are rough.",
        )
