"""What residuals say about errors: their size, how they hang together, and how they change with compute."""

import numpy as np
import pytest

from isoflop.fitting.noise import Noise, Structure, estimate_noise

RUNS, LOOKS = 12, 20
ROWS = RUNS * LOOKS
GROUPS = [np.arange(run * LOOKS, (run + 1) * LOOKS) for run in range(RUNS)]
SLOPES = np.column_stack([np.ones(ROWS), np.linspace(-1.0, 1.0, ROWS), np.tile(np.linspace(-1.0, 1.0, LOOKS), RUNS)])


def judged(errors, along=None, repeated=True, groups=GROUPS):
    residuals = errors - SLOPES @ np.linalg.lstsq(SLOPES, errors, rcond=None)[0]
    return estimate_noise(residuals, SLOPES, groups, along, repeated=repeated)


def errors_of(structure, seed):
    root = np.linalg.cholesky(structure.matrix(LOOKS))
    return (np.random.default_rng(seed).standard_normal((RUNS, LOOKS)) @ root.T).ravel()


@pytest.mark.parametrize("kind", ["exchangeable", "autoregressive"])
def test_correlation_within_runs_is_found_and_its_kind(kind):
    found = [judged(errors_of(Structure(kind, 0.9), seed)) for seed in range(8)]
    assert {noise.structure.kind for noise in found} == {kind}
    assert np.mean([noise.correlation for noise in found]) == pytest.approx(0.9, abs=0.04)
    assert np.mean([noise.sigma for noise in found]) == pytest.approx(1.0, abs=0.15)


def test_independent_rows_that_share_a_size_stay_independent():
    found = [judged(errors_of(Structure("independent"), seed), repeated=False) for seed in range(8)]
    assert sum(noise.structure.kind == "independent" for noise in found) >= 7
    assert np.mean([noise.correlation for noise in found]) < 0.05


def test_errors_that_fall_with_compute_are_weighted_by_it():
    along = np.random.default_rng(0).uniform(-4.0, 4.0, ROWS)
    drawn = [np.exp(-0.15 * along) * errors_of(Structure("independent"), seed) for seed in range(8)]
    assert np.mean([judged(errors, along, repeated=False).trend for errors in drawn]) == pytest.approx(0.15, abs=0.03)


def test_drawn_errors_are_like_those_that_were_judged():
    noise = judged(errors_of(Structure("exchangeable", 0.9), 3))
    drawn = noise.draw(4000, np.random.default_rng(1))
    assert drawn.shape == (4000, ROWS)
    within = np.corrcoef(drawn[:, 0], drawn[:, LOOKS - 1])[0, 1]
    between = np.corrcoef(drawn[:, 0], drawn[:, LOOKS])[0, 1]
    assert within == pytest.approx(noise.correlation, abs=0.05)
    assert abs(between) < 0.05
    assert drawn.std() == pytest.approx(noise.sigma, rel=0.05)


def test_whitening_makes_errors_independent_and_alike():
    noise = judged(errors_of(Structure("autoregressive", 0.9), 5))
    white = noise.whitening().apply(np.array([errors_of(noise.structure, seed) for seed in range(400)]))
    assert np.cov(white.T) == pytest.approx(np.eye(ROWS), abs=0.35)
    assert np.mean(np.diag(np.cov(white.T))) == pytest.approx(1.0, abs=0.02)


def test_groups_of_unequal_size_are_judged_as_one_by_one():
    """The sums over groups of one size are taken together; nothing depends on how rows fall into such classes."""
    groups = [np.arange(0, 20), np.arange(20, 25), np.arange(25, 60), np.arange(60, 65)]
    errors = errors_of(Structure("exchangeable", 0.5), 7)
    found: Noise = judged(errors, groups=groups)
    again = judged(errors, groups=groups[::-1])
    assert found.weights == pytest.approx(again.weights, abs=1e-12)
    assert found.variances == pytest.approx(again.variances, rel=1e-12)
