"""The best size and data: against closed forms, first-order conditions, and each constraint in turn."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.fitting.fit import Fit
from isoflop.laws.catalogue import find
from isoflop.laws.formula import law as formula
from isoflop.laws.frontier import frontier
from isoflop.planning.allocation import (
    Terms,
    for_loss,
    for_params,
    for_spend,
    for_tokens,
    for_training,
    gains,
    spend_to_match,
)
from isoflop.planning.landscape import Landscape, LawLandscape, landscape_of
from isoflop.planning.source import source_of

BUDGETS = np.geomspace(1e18, 1e27, 10)


def draws(count: int = 40) -> np.ndarray:
    """Parameters about those of Besiroglu et al."""
    generator = np.random.default_rng(0)
    middle = np.array([1.8172, 482.01, 2085.43, 0.3478, 0.3658])
    return middle * np.exp(generator.normal(0.0, [0.01, 0.2, 0.3, 0.04, 0.05], (count, 5)))


@pytest.fixture(scope="module")
def land() -> Landscape:
    return LawLandscape(find("chinchilla"), draws())


def test_the_search_finds_the_closed_form_for_every_draw(land: Landscape) -> None:
    found, exact = for_spend(land, Terms(), BUDGETS), frontier(find("chinchilla"), draws(), BUDGETS)
    assert found.params == pytest.approx(exact.params, rel=2e-6)
    assert found.tokens == pytest.approx(exact.tokens, rel=2e-6)
    assert found.loss == pytest.approx(exact.loss, rel=1e-13)


def test_a_formula_and_the_law_it_writes_out_agree(land: Landscape) -> None:
    own = formula("E + A*exp(-alpha*log(N)) + B*exp(-beta*log(D))")
    order = [("E", "A", "B", "alpha", "beta").index(name) for name in own.parameter_names]
    other = LawLandscape(own, draws()[:, order])
    assert for_spend(other, Terms(), 1e22).params == pytest.approx(for_spend(land, Terms(), 1e22).params, rel=1e-6)


@pytest.mark.parametrize("name", ["hoffmann2022-approach3", "krajewski2024-dense", "sardana2024-all", "besiroglu2024"])
def test_laws_of_the_literature(name: str) -> None:
    fit = source_of(f"published:{name}")
    assert isinstance(fit, Fit)
    found = for_spend(landscape_of(fit, {}), Terms(), BUDGETS)
    exact = frontier(fit.law, fit.theta[None], BUDGETS)
    assert found.params == pytest.approx(exact.params, rel=2e-6)


@pytest.mark.parametrize("compute", [1e18, 1e21, 1e25])
def test_a_law_without_closed_form_is_at_its_optimum(compute: float) -> None:
    fit = source_of("published:kaplan2020-nd")
    assert isinstance(fit, Fit)
    coupled = landscape_of(fit, {})
    best = for_spend(coupled, Terms(), compute)
    sizes = np.geomspace(1e3, compute / 6e3, 20_001)
    everywhere = coupled.losses(sizes[None], compute / 6 / sizes[None])[0]
    assert best.loss[0, 0] <= everywhere.min() * (1 + 1e-12)
    assert best.params[0, 0] == pytest.approx(sizes[np.argmin(everywhere)], rel=3e-3)


def test_limits_of_size_and_data(land: Landscape) -> None:
    free = for_spend(land, Terms(), 1e22)
    tight = for_spend(land, Terms(most_params=1e9), 1e22)
    assert tight.params == pytest.approx(1e9) and np.all(tight.loss > free.loss)
    assert tight.tokens == pytest.approx(1e22 / 6e9)
    loose = for_spend(land, Terms(most_params=1e13), 1e22)
    assert loose.params == pytest.approx(free.params, rel=1e-6)
    few = for_spend(land, Terms(most_tokens=1e10), 1e22)
    assert np.all(few.tokens <= 1e10 * (1 + 1e-9))
    assert few.params == pytest.approx(1e22 / 6e10, rel=1e-5)


def test_size_or_data_given(land: Landscape) -> None:
    size = for_spend(land, Terms(params=3e9), 1e22)
    assert size.params == pytest.approx(3e9) and size.tokens == pytest.approx(1e22 / 18e9)
    data = for_spend(land, Terms(tokens=1e11), 1e22)
    assert data.tokens == pytest.approx(1e11) and data.params == pytest.approx(1e22 / 6e11)


def test_the_cheapest_for_a_loss_is_the_best_for_its_cost(land: Landscape) -> None:
    best = for_spend(land, Terms(), 1e22)
    again = for_loss(land, Terms(), best.loss)
    assert again.params == pytest.approx(best.params, rel=1e-5)
    assert 6 * again.params * again.tokens == pytest.approx(np.full((land.rows, 1), 1e22), rel=1e-8)
    assert spend_to_match(land, Terms(), best.loss, 3e22) == pytest.approx(np.full((land.rows, 1), 1e22), rel=1e-8)
    assert spend_to_match(land, Terms(), best.loss, 1e22) == pytest.approx(np.full((land.rows, 1), 1e22), rel=1e-4)


def test_a_loss_below_the_floor_is_never_reached(land: Landscape) -> None:
    wanted = np.full((land.rows, 1), 1.5)
    assert np.all(np.isnan(for_loss(land, Terms(), wanted).params))
    assert spend_to_match(land, Terms(), wanted, 1e22) == pytest.approx(1e22)


def test_a_law_whose_loss_rises_again_is_reached_the_first_time() -> None:
    """With a size given, too many tokens may do harm: the cheapest spend that reaches the loss is taken."""
    turning = LawLandscape(formula("E + 300/N^0.3 + 1000/D^0.3 + G*(D/N)^0.5"), np.array([[1.5, 1e-6]]))
    fixed = Terms(params=1e9)
    reached = for_loss(turning, fixed, 2.9)
    assert reached.loss == pytest.approx(2.9)
    sizes = np.full((1, 200), 1e9)
    data = np.geomspace(1e6, float(reached.tokens[0, 0]) * 0.999, 200)[None]
    assert np.all(turning.losses(sizes, data) > 2.9)
    assert turning.losses(np.array([[1e9]]), np.array([[1e28]]))[0, 0] > 2.9


def test_the_spend_for_which_a_size_is_optimal(land: Landscape) -> None:
    found = for_params(land, Terms(), 7e9)
    assert found.params == pytest.approx(np.full((land.rows, 1), 7e9), rel=1e-5)
    best = for_spend(land, Terms(), 6 * found.params * found.tokens)
    assert best.tokens == pytest.approx(found.tokens, rel=1e-5)
    data = for_tokens(land, Terms(), 1e12)
    assert data.tokens == pytest.approx(np.full((land.rows, 1), 1e12), rel=1e-5)


def test_serving_balances_the_gains_of_size_and_data(land: Landscape) -> None:
    """The first-order condition of Sardana et al.: elasticity ratio = 1 + D_inf / (3·D)."""
    terms = Terms(serving=2 * 1e13)
    for best in (for_training(land, terms, 1e23), for_spend(land, terms, 5e23), for_loss(land, terms, 2.0)):
        size, data = gains(land, best.params, best.tokens)
        assert size / data == pytest.approx(1 + 1e13 / (3 * best.tokens), rel=1e-4)


def test_the_three_ways_along_one_path(land: Landscape) -> None:
    terms = Terms(serving=2 * 1e12)
    training = for_training(land, terms, 1e23)
    spend = for_spend(land, terms, terms.spend(training.params, training.tokens))
    loss = for_loss(land, terms, training.loss)
    for other in (spend, loss):
        assert other.params == pytest.approx(training.params, rel=1e-4)
        assert other.tokens == pytest.approx(training.tokens, rel=1e-4)
    assert 6 * training.params * training.tokens == pytest.approx(np.full((land.rows, 1), 1e23), rel=1e-12)
    plain = for_training(land, Terms(), 1e23)
    assert np.all(training.params < plain.params)


def test_serving_under_a_limit_of_size(land: Landscape) -> None:
    found = for_training(land, Terms(serving=2e12, most_params=1e9), 1e23)
    assert found.params == pytest.approx(1e9)
    fixed = for_training(land, Terms(serving=2e12, params=2e9), 1e23)
    assert fixed.tokens == pytest.approx(1e23 / 12e9)
    few = for_training(land, Terms(serving=2e12, most_tokens=1e11), 1e23)
    assert few.tokens == pytest.approx(1e11)


def test_all_of_it_is_the_same_for_one_row_and_for_many(land: Landscape) -> None:
    one = LawLandscape(find("chinchilla"), draws()[3:4])
    terms = Terms(serving=1e12, most_params=5e9)
    for way in (for_spend, for_training):
        assert way(one, terms, 1e22).params[0] == pytest.approx(way(land, terms, 1e22).params[3], rel=1e-6)
