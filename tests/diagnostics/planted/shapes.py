"""Residuals that are not noise: D10, D12 to D15."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoflop.fitting.diagnostics import examine
from isoflop.fitting.fit import Ensemble
from isoflop.laws.graph import Array
from isoflop.runs.checks.cells import levels
from tests.diagnostics.clean_studies import Study, clean_study, grid, loss_of
from tests.diagnostics.planted.kind import Outcome, fitted, generator, kind, said


def plain(seed: int, least_runs: int = 30) -> Study:
    """A grid of 30 runs and more with little noise."""
    return clean_study(seed, design=grid, least_runs=least_runs, noise=(0.003, 0.008), metadata=False)


def logs(study: Study) -> tuple[Array, Array]:
    return np.log(np.asarray(study.columns["params"])), np.log(np.asarray(study.columns["tokens"]))


def misfit_beside_seeds(seed: int) -> Outcome:
    """Every configuration trained three times, and off the law by five times as much as its seeds differ."""
    study, random = clean_study(seed, noise=(0.003, 0.008), metadata=False), generator(seed)
    off = study.noise * 5.0 * random.normal(size=study.size)
    columns = {name: np.repeat(values, 3) for name, values in study.columns.items()}
    errors = np.repeat(off, 3) + study.noise * random.normal(size=3 * study.size)
    columns["loss"] = loss_of(study.truth, columns["params"], columns["tokens"]) * np.exp(errors)
    columns["seed"] = np.tile(np.arange(3), study.size)
    return said(Study(study.truth, study.noise, columns))


def sizes_off_the_law(seed: int) -> Outcome:
    """Sizes that were tuned well and badly in turn: runs of one size share an error ten times their noise."""
    random = generator(seed)
    size, data = (axis.ravel() for axis in np.meshgrid(np.geomspace(3e7, 3e9, 8), np.geomspace(1e9, 1e11, 8)))
    truth = clean_study(seed).truth
    order = np.argsort(np.argsort(size, kind="stable")) // 8
    shared = 0.02 * np.where(order % 2, 1.0, -1.0) * random.uniform(0.7, 1.3, 8)[order]
    loss = loss_of(truth, size, data) * np.exp(shared + 0.002 * random.normal(size=len(size)))
    return said(Study(truth, 0.002, {"params": size, "tokens": data, "loss": loss}))


def draws_too_narrow(seed: int) -> Outcome:
    """Draws a quarter as far from the optimum as resamples of good data lie."""
    return _with_draws(seed, 0.25)


def draws_too_wide(seed: int) -> Outcome:
    """Draws five times as far."""
    return _with_draws(seed, 5.0)


def _with_draws(seed: int, factor: float) -> Outcome:
    """A fit whose draws are those of least squares, the sampling distribution of even and independent noise, scaled."""
    from isoflop.fitting.diagnostics.evidence import Evidence
    from isoflop.laws.surface import from_log

    while True:
        study = clean_study(seed, noise=(0.003, 0.006), least_runs=20)
        found = fitted(study)
        here = Evidence(found).at(found.theta, np.ones(study.size, dtype=bool))
        if found.status.value == "converged" and here is not None:
            break
        seed += 1000
    steps = generator(seed).normal(size=(200, here.root.shape[1])) @ here.root.T * here.deviation
    centre = Evidence(found).coordinates(found.theta)
    draws = from_log(found.law.parameters, centre + factor * steps.T)
    return Outcome(examine(replace(found, ensemble=Ensemble(found.law.parameter_names, draws, "scaled")), 200))


def uneven(seed: int) -> Outcome:
    """Noise that changes by a factor of 15 to 50 from one end of the ladder to the other."""
    study, random = plain(seed, 40), generator(seed)
    compute = sum(logs(study))
    place = (compute - compute.min()) / np.ptp(compute)
    spread = 0.03 * random.uniform(15.0, 50.0) ** -(place if seed % 2 else 1.0 - place)
    loss = loss_of(study.truth, study.columns["params"], study.columns["tokens"])
    return said(study.with_columns(loss=loss * np.exp(spread * random.normal(size=study.size))))


def largest_runs_off(seed: int) -> Outcome:
    """The runs of the two largest computes are 4 to 10 % above the law, or below: made by another recipe."""
    study, random = plain(seed), generator(seed)
    steps = levels(np.exp(sum(logs(study))), 0.1)
    late = steps >= steps.max() - 1
    loss = np.array(study.columns["loss"])
    loss[late] *= np.exp(random.choice([-1.0, 1.0]) * random.uniform(0.04, 0.1))
    return said(study.with_columns(loss=loss), np.flatnonzero(late))


def coupled(seed: int) -> Outcome:
    """Terms that are raised to a power of 0.3 to 0.6 together, as those of public ladders are."""
    study, random = plain(seed), generator(seed)
    power = random.uniform(0.3, 0.6)
    size, data = np.asarray(study.columns["params"]), np.asarray(study.columns["tokens"])
    loss = 1.5 + ((size / 1e8) ** -0.9 + (data / 5e9) ** -0.9) ** power
    return said(study.with_columns(loss=loss * np.exp(study.noise * random.normal(size=study.size))))


def broken(seed: int) -> Outcome:
    """An exponent of data that falls to a third inside a ladder of five lengths and more."""
    study, random = plain(seed), generator(seed)
    while len(np.unique(study.columns["tokens"])) < 5:
        seed += 1000
        study = plain(seed)
    size, data = np.asarray(study.columns["params"]), np.asarray(study.columns["tokens"])
    middle = np.sqrt(data.min() * data.max())
    before = random.uniform(0.5, 0.7)
    ratio = data / middle
    term = np.where(ratio < 1.0, ratio**-before, ratio ** (-before / 3.0))
    loss = 1.8 + 0.4 * (size / np.median(size)) ** -0.35 + 0.5 * term
    return said(study.with_columns(loss=loss * np.exp(0.003 * random.normal(size=study.size))))


KINDS = (
    kind(10, "off the law by five times what seeds differ", "lack-of-fit", misfit_beside_seeds),
    kind(10, "sizes off the law by ten times the noise", "lack-of-fit", sizes_off_the_law),
    kind(12, "draws four times too close", "interval-disagreement", draws_too_narrow),
    kind(12, "draws five times too far", "interval-disagreement", draws_too_wide),
    kind(13, "noise that changes 15 to 50 times along the ladder", "uneven-scatter", uneven),
    kind(14, "the largest runs 4 to 10 % off", "backtest-miss", largest_runs_off),
    kind(15, "coupled terms", "bend drift", coupled),
    kind(15, "an exponent that breaks", "bend drift", broken),
)
