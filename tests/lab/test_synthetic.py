"""The synthetic source: a proper law, an entropy that is exact, samples that follow it."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.lab import synthetic


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return synthetic.conditional_table()


@pytest.fixture(scope="module")
def pairs(table: np.ndarray) -> np.ndarray:
    return synthetic.stationary_pairs(table)


@pytest.fixture(scope="module")
def sample() -> synthetic.SyntheticText:
    return synthetic.generate(1_000_000, seed=11)


def test_every_context_has_a_probability_law(table: np.ndarray) -> None:
    assert table.min() > 0
    assert np.allclose(table.sum(axis=-1), 1.0, atol=1e-12)


def test_the_stationary_law_is_one(table: np.ndarray, pairs: np.ndarray) -> None:
    assert pairs.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.allclose(np.einsum("bl,bln->ln", pairs, table), pairs, atol=1e-14)
    assert np.allclose(pairs.sum(axis=0), pairs.sum(axis=1), atol=1e-12)


def test_the_exact_entropy_is_the_mean_surprise_of_a_sample(
    table: np.ndarray, pairs: np.ndarray, sample: synthetic.SyntheticText
) -> None:
    exact = synthetic.entropy_rate(table, pairs)
    estimate, standard_error = sample.entropy_rate()
    assert standard_error < 0.003
    assert abs(estimate - exact) < 4 * standard_error + 0.001
    assert exact < synthetic.entropy_after_one_token(table, pairs) < np.log(synthetic.VOCAB)


def test_samples_have_the_frequencies_of_the_law(pairs: np.ndarray, sample: synthetic.SyntheticText) -> None:
    counted = np.bincount(sample.tokens, minlength=synthetic.VOCAB) / len(sample.tokens)
    assert np.abs(counted - pairs.sum(axis=0)).max() < 0.003


def test_log_probability_is_that_of_the_table(table: np.ndarray, sample: synthetic.SyntheticText) -> None:
    start = 5000
    before, last, token = sample.tokens[start : start + 3]
    assert sample.log_probability[start + 2] == pytest.approx(np.log(table[before, last, token]))


def test_the_seed_picks_the_sample_and_not_the_source(sample: synthetic.SyntheticText) -> None:
    again, other = synthetic.generate(20_000, seed=11), synthetic.generate(20_000, seed=12)
    assert np.array_equal(again.tokens, synthetic.generate(20_000, seed=11).tokens)
    assert not np.array_equal(again.tokens, other.tokens)
    assert len(again.tokens) >= 20_000
