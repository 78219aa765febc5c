"""Two trials of the solver on random studies: noise-free data give back the truth; starved fits claim no success."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import predict
from isoflop.fitting.solver import Effort
from isoflop.runs.table import RunTable
from tests.properties.relations import LAW, random_study

_AT_OPTIMUM = 1e-9  # relative excess of the objective over that of the full fit


@dataclass(frozen=True)
class Recovery:
    """Correct digits of the worst parameter, and of the loss at a thousand times the largest size and data."""

    parameters: float
    forecast: float


@dataclass(frozen=True)
class Starved:
    """Whether a fit with few steps said `converged`, and whether it had reached the optimum."""

    converged: bool
    at_optimum: bool


def recover(seed: int) -> Recovery:
    """Fit noise-free runs of a random truth and compare with that truth."""
    study = random_study(seed, noise=False)
    theta = fit(LAW, RunTable.from_columns(dict(study.columns)), starts="projected", draws=0).theta
    far = {name: 1e3 * study.columns[name].max(keepdims=True) for name in ("params", "tokens")}
    errors = theta / study.truth - 1.0, predict(LAW, theta, far) / predict(LAW, study.truth, far) - 1.0
    return Recovery(*(float(-np.log10(max(np.max(np.abs(error)), 1e-16))) for error in errors))


def starve(seed: int) -> Starved:
    """Fit a noisy study with a random, small number of steps of each phase."""
    generator = np.random.default_rng(seed)
    table = RunTable.from_columns(dict(random_study(seed).columns))
    effort = Effort(
        gauss_newton_steps=int(generator.integers(0, 30)),
        newton_steps=int(generator.integers(1, 12)),
        patience=0,
        refinements=0,
    )
    best = fit(LAW, table, starts="projected", draws=0)
    found = fit(LAW, table, starts="projected", draws=0, effort=effort)
    excess = found.objective_value / best.objective_value - 1.0
    return Starved(found.status is FitStatus.CONVERGED, bool(excess <= _AT_OPTIMUM))
