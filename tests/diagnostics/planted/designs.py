"""Designs that cannot carry the law: D5 to D7, D9, D11."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoflop.laws.graph import Array
from tests.diagnostics.clean_studies import Study, clean_study, loss_of
from tests.diagnostics.planted.kind import BRIEFLY, Outcome, fitted, generator, kind, said


def study_of(seed: int, params: Array, tokens: Array, noise: float = 0.005) -> Study:
    """Runs of this design with a random truth and even noise."""
    truth = clean_study(seed).truth
    loss = loss_of(truth, params, tokens) * np.exp(noise * generator(seed).normal(size=len(params)))
    return Study(truth, noise, {"params": params, "tokens": tokens, "loss": loss})


def in_proportion(seed: int) -> Outcome:
    """So many tokens per parameter in every run, give or take 15 %."""
    random = generator(seed)
    params = np.geomspace(2e7, 2e9, int(random.integers(12, 40)))
    tokens = 20.0 * params * np.exp(random.uniform(-0.15, 0.15, len(params)))
    return said(study_of(seed, params, tokens), effort=BRIEFLY)


def one_budget(seed: int) -> Outcome:
    """Every run at one compute: the larger the model, the fewer its tokens."""
    random = generator(seed)
    params = np.geomspace(2e7, 4e8, int(random.integers(12, 30)))
    tokens = 10 ** random.uniform(17.5, 19.0) / (6.0 * params) * np.exp(random.uniform(-0.05, 0.05, len(params)))
    return said(study_of(seed, params, tokens), effort=BRIEFLY)


def narrow(seed: int) -> Outcome:
    """Sizes or data over a factor of 1.5 to 7, the other over two decades."""
    random = generator(seed)
    span = random.uniform(1.5, 7.0)
    spans = (span, 100.0) if seed % 2 else (100.0, span)
    axes = np.geomspace(3e7, 3e7 * spans[0], 6), np.geomspace(1e9, 1e9 * spans[1], 6)
    params, tokens = (axis.ravel() for axis in np.meshgrid(*axes))
    return said(study_of(seed, params, tokens))


def losses_alike(seed: int) -> Outcome:
    """Losses that differ by 1.5 to 4 times their noise."""
    study, random = clean_study(seed), generator(seed)
    size = float(random.uniform(0.001, 0.01))
    wave = np.log(np.asarray(study.columns["tokens"], dtype=float))
    wave = (wave - wave.min()) / np.ptp(wave)
    loss = 3.0 * np.exp(-size * random.uniform(0.5, 1.5) * wave + size * random.uniform(-1.7, 1.7, study.size))
    return said(study.with_columns(loss=loss), effort=BRIEFLY)


def too_few(seed: int) -> Outcome:
    """Five to seven configurations for five parameters."""
    study, random = clean_study(seed, metadata=False), generator(seed)
    chosen = random.choice(study.size, int(random.integers(5, 8)), replace=False)
    return said(replace(study, columns={name: values[chosen] for name, values in study.columns.items()}))


def two_levels(seed: int) -> Outcome:
    """Two sizes, or two lengths."""
    axes = [np.geomspace(3e7, 1e9, 8), np.geomspace(1e9, 5e10, 8)]
    axes[seed % 2] = axes[seed % 2][[0, -1]]
    params, tokens = (axis.ravel() for axis in np.meshgrid(*axes))
    return said(study_of(seed, params, tokens))


def no_seed_twice(seed: int) -> Outcome:
    return said(clean_study(seed))


def looks(seed: int, runs: int, count: int) -> Study:
    """Runs looked at often, whose errors along a run are correlated by 0.9 from look to look."""
    random = generator(seed)
    size = np.geomspace(3e7, 3e9, runs)
    length = np.geomspace(3e9, 6e10, runs)[random.permutation(runs)]
    params, tokens = np.repeat(size, count), (length[:, None] * np.geomspace(0.1, 1.0, count)).ravel()
    study = study_of(seed, params, tokens, 0.0)
    place = np.arange(count)
    root = np.linalg.cholesky(0.9 ** np.abs(place[:, None] - place[None, :]))
    error = 0.006 * (random.normal(size=(runs, count)) @ root.T).ravel()
    names = np.repeat([f"run-{number:02d}" for number in range(runs)], count)
    return study.with_columns(loss=study.columns["loss"] * np.exp(error), run=names)


def looks_taken_for_runs(seed: int) -> Outcome:
    return Outcome(fitted(looks(seed, 12, 12), cluster="none").findings)


def looks_at_few_runs(seed: int) -> Outcome:
    return Outcome(fitted(looks(seed, 4 + seed % 4, 15)).findings)


def looks_at_runs(seed: int) -> Outcome:
    return Outcome(fitted(looks(seed, 12, 12)).findings)


KINDS = (
    kind(5, "data in proportion to size", "collinear-design", in_proportion),
    kind(5, "a single compute budget", "collinear-design", one_budget),
    kind(6, "sizes or data over a factor of 1.5 to 7", "narrow-range", narrow),
    kind(6, "losses within 4 standard deviations", "loss-range", losses_alike),
    kind(7, "five to seven configurations", "few-runs", too_few),
    kind(7, "two sizes, or two lengths", "few-levels", two_levels),
    kind(9, "no configuration trained twice", "no-replicates", no_seed_twice),
    kind(11, "looks at runs taken for independent runs", "ignored-clusters", looks_taken_for_runs),
    kind(11, "looks at four to seven runs", "few-clusters", looks_at_few_runs),
    kind(11, "looks at twelve runs, resampled by run", "clustered-rows", looks_at_runs),
)
