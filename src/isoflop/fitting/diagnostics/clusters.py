"""Rows that are looks at one run, and so share its luck: D11."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.laws.graph import Array, Index

_FEWEST = 8  # groups; below, percentiles of resamples are rough whatever is done


def grouped_rows(evidence: Evidence, sound: LeastSquares | None) -> Iterator[Finding]:
    """How rows hang together, how they were resampled, and whether there are enough groups."""
    fit = evidence.fit
    runs = runs_of(evidence)
    count = int(fit.clusters.max(initial=-1)) + 1
    if count == 1 and len(fit.ensemble):
        yield Finding(
            "one-cluster",
            "refuse",
            f"The {len(fit.clusters)} rows form one group, which cannot be resampled: the intervals mean nothing. "
            "Group by another column with --cluster, or give no intervals with --draws 0.",
        )
    elif 1 < count < _FEWEST and count < len(fit.clusters):
        message = (
            f"The {len(fit.clusters)} rows form {count} groups; intervals from fewer than {_FEWEST} groups are rough."
        )
        yield Finding("few-clusters", "note" if runs is None else "warn", message)
    if runs is None:
        return
    total = int(runs.max()) + 1
    if count == len(fit.clusters):
        message = (
            f"The {len(runs)} rows are looks at {total} runs and were taken for independent ones, so intervals are too "
            "narrow: use --cluster auto."
        )
        yield Finding("ignored-clusters", "warn", message)
    else:
        share = None if sound is None else intraclass_correlation(sound.residuals, runs, sound.freedom)
        alike = "" if share is None else f" Within a run their errors are correlated by {share:.2f}."
        message = f"The {len(runs)} rows are looks at {total} runs, which are resampled as wholes.{alike}"
        yield Finding("clustered-rows", "note", message)


def runs_of(evidence: Evidence) -> Index | None:
    """Which run each row belongs to, counted from 0; None where every run has one row or runs are not named."""
    table = evidence.fit.runs
    if not table.has("run") or len(set(table["run"].tolist())) == len(table):
        return None
    return table.clusters("run")


@dataclass(frozen=True)
class Dilution:
    """What looks at few runs are worth: sums of squares count `factor` times too much, and few degrees of freedom."""

    factor: float
    freedom: int


def dilution_of(evidence: Evidence, sound: LeastSquares) -> Dilution:
    """How much tests that take rows for independent must be toned down.

    Rows that may share an error are looks at one run, else runs of one configuration, which share what the law does
    not know about it. The factor is 1 + (m - 1)·ρ for m rows a group with correlation ρ, or (1 + r)/(1 - r) where
    neighbours along a run are correlated by r, whichever is larger.

    Reference: kish1965
    """
    runs = runs_of(evidence)
    groups = evidence.configurations if runs is None else runs
    if groups is None or len(np.unique(groups[sound.used])) == sound.used.sum():
        return Dilution(1.0, sound.freedom)
    groups, residuals = groups[sound.used], sound.residuals[sound.used]
    count = len(np.unique(groups))
    share = intraclass_correlation(residuals, groups, sound.freedom) or 0.0
    factor = 1.0 + (len(groups) / count - 1.0) * share
    if runs is None:
        return Dilution(factor, sound.freedom if share == 0.0 else max(count - len(sound.theta), 3))
    order = _in_order(evidence, sound, groups)
    beside = groups[order][1:] == groups[order][:-1]
    pairs = residuals[order][1:][beside] * residuals[order][:-1][beside]
    neighbours = float(pairs.mean() / np.mean(residuals**2)) if beside.any() and sound.squares > 0.0 else 0.0
    neighbours = float(np.clip(neighbours, 0.0, 0.95))
    return Dilution(max(factor, (1.0 + neighbours) / (1.0 - neighbours)), max(count - len(sound.theta), 3))


def _in_order(evidence: Evidence, sound: LeastSquares, runs: Index) -> Index:
    """The rows used by run, and along each run by its compute."""
    along = evidence.log_compute
    place = np.arange(len(runs)) if along is None else along[sound.used]
    return np.lexsort((place, runs))


def intraclass_correlation(residuals: Array, groups: Index, freedom: int) -> float | None:
    """How alike residuals (n,) of one group are: the share of variance between groups, from analysis of variance.

    Example:
        >>> intraclass_correlation(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]), 4)
        1.0
    """
    groups = np.unique(groups, return_inverse=True)[1].ravel()
    sizes = np.bincount(groups)
    count = len(sizes)
    if count < 2 or len(residuals) <= count or freedom < 1:
        return None
    means = np.bincount(groups, residuals) / sizes
    within = float(np.sum((residuals - means[groups]) ** 2)) / (len(residuals) - count)
    between = float(np.sum(sizes * means**2)) / (count - 1)
    usual = (len(residuals) - float(np.sum(sizes**2)) / len(residuals)) / (count - 1)
    total = between + (usual - 1.0) * within
    return float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0.0 else None
