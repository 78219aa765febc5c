"""Optima that are none, or not to be trusted: D1 to D4."""

from __future__ import annotations

import numpy as np

from isoflop.fitting.estimation import fit
from isoflop.fitting.solver import Effort
from isoflop.laws.formula import law
from isoflop.runs.table import RunTable
from tests.diagnostics.clean_studies import LAW, clean_study
from tests.diagnostics.planted.designs import study_of
from tests.diagnostics.planted.kind import BRIEFLY, Outcome, fitted, generator, kind, said

CAPPED = law("E + A/N^alpha + B/D^beta", bounds={"alpha": (0.0, 0.2)})
FREE_FLOOR = law("E + A/N^alpha + B/D^beta", start={"E": 0.1, "A": 400.0, "B": 2000.0, "alpha": 0.35, "beta": 0.35})


def starved(seed: int) -> Outcome:
    """A solver stopped before the optimum: the objective is still a millionth above it, or more."""
    random = generator(seed)
    while True:
        table = clean_study(seed).table()
        effort = Effort(int(random.integers(0, 8)), 1e-7, int(random.integers(1, 5)), 0, 0)
        found = fit(LAW, table, starts="projected", draws=0, effort=effort)
        if found.objective_value > 1.000001 * fitted(table).objective_value:
            return Outcome(found.findings)
        seed += 1000


def many_optima(seed: int) -> Outcome:
    """A wave through scattered points, which has an optimum for almost every frequency."""
    random = generator(seed)
    place = np.sort(random.uniform(1.0, 4000.0, 50))
    value = 2.0 + np.sin(random.uniform(0.1, 1.4) * place) + 0.4 * random.normal(size=50)
    table = RunTable.from_columns({"x": place, "y": value})
    return Outcome(fit("a + b*sin(c*x)", table, x=("x",), y="y", objective="ls@value", draws=0).findings)


def two_sizes(seed: int) -> Outcome:
    """Two sizes for the three parameters that depend on size."""
    axes = np.array([3e7, 1e9]), np.geomspace(1e9, 1e11, 8)
    params, tokens = (axis.ravel() for axis in np.meshgrid(*axes))
    return said(study_of(seed, params, tokens))


def sizes_almost_alike(seed: int) -> Outcome:
    """Sizes within 3 %, with hardly any noise."""
    axes = np.geomspace(1e8, 1.03e8, 6), np.geomspace(1e9, 1e11, 6)
    params, tokens = (axis.ravel() for axis in np.meshgrid(*axes))
    return said(study_of(seed, params, tokens, 1e-6), effort=BRIEFLY)


def at_its_bound(seed: int) -> Outcome:
    """An exponent that may not exceed 0.2 and is 0.4 or more."""
    study = clean_study(seed, noise=(0.003, 0.006), metadata=False)
    while study.truth[3] < 0.4:
        seed += 1000
        study = clean_study(seed, noise=(0.003, 0.006), metadata=False)
    return said(study, law=CAPPED)


def floor_below_zero(seed: int) -> Outcome:
    """Losses that have had a constant taken off, so that they tend to less than nothing."""
    study, random = clean_study(seed, noise=(0.003, 0.005), metadata=False), generator(seed)
    excess = np.asarray(study.columns["loss"]) - study.truth[0]
    loss = excess - random.uniform(0.3, 0.7) * excess.min()
    return said(study.with_columns(loss=loss), law=FREE_FLOOR, effort=BRIEFLY)


def floor_above_losses(seed: int) -> Outcome:
    """A ladder that levels off and then falls again at its largest compute."""
    study = study_of(seed, *grid(), 0.003)
    compute = np.log(study.columns["params"] * study.columns["tokens"])
    last = np.argsort(compute)[-3:]
    flat = 2.5 + 60.0 / study.columns["params"] ** 0.3 + 2e3 / study.columns["tokens"] ** 0.45
    flat = flat * np.exp(0.002 * generator(seed).normal(size=len(flat)))
    flat[last] = 2.45 * (1.0 - generator(seed).uniform(0.03, 0.08))
    return said(study.with_columns(loss=flat))


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Eight sizes at eight lengths."""
    params, tokens = np.meshgrid(np.geomspace(3e7, 3e9, 8), np.geomspace(1e9, 1e11, 8))
    return params.ravel(), tokens.ravel()


def rising_loss(seed: int) -> Outcome:
    """A held-out loss that rises with more tokens, as when they are the same ones again and again."""
    random = generator(seed)
    params, tokens = grid()
    loss = 2.0 + 200.0 / params**0.3 + random.uniform(0.02, 0.1) * (tokens / 1e9) ** random.uniform(0.15, 0.4)
    return said(study_of(seed, params, tokens).with_columns(loss=loss * np.exp(0.005 * random.normal(size=len(loss)))))


KINDS = (
    kind(1, "a solver stopped too early", "not-stationary", starved),
    kind(2, "an objective with many optima", "few-starts-agree", many_optima),
    kind(3, "two sizes", "flat ill-conditioned degenerate", two_sizes),
    kind(3, "sizes within 3 %, next to no noise", "flat ill-conditioned degenerate", sizes_almost_alike),
    kind(4, "an exponent at its bound", "at-bound", at_its_bound),
    kind(4, "a floor below zero", "misplaced-floor", floor_below_zero),
    kind(4, "a floor above the least loss", "misplaced-floor", floor_above_losses),
    kind(4, "a loss that rises with tokens", "wrong-sign", rising_loss),
)
