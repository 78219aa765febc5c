"""Self-consistency of Kaplan et al.: what their constants give, beside what the paper prints."""

import pytest

from isoflop.errors import UsageError
from isoflop.laws import kaplan_frontier as kaplan
from isoflop.laws.kaplan_frontier import EQUATION_6_7_DATA, TABLE_3, TABLE_5
from isoflop.laws.published import find_published
from isoflop.quantities import FLOP_PER_PF_DAY as PF_DAY

T2 = find_published("kaplan2020-nd").values


def test_doubling_and_eightfold_size():
    assert 2**-TABLE_5.alpha_N == pytest.approx(0.9487, abs=5e-5)  # the paper: 0.95
    ratio = kaplan.tokens_without_overfitting(8e6) / kaplan.tokens_without_overfitting(1e6)
    assert ratio == pytest.approx(4.66, abs=5e-3)  # the paper: about 5


def test_the_ratio_of_exponents_needs_table_2():
    assert T2["alpha_N"] / T2["alpha_D"] == pytest.approx(0.738, abs=5e-4)  # the paper: 0.74
    alpha_D = find_published("kaplan2020-d").values["alpha"]
    assert TABLE_5.alpha_N / alpha_D == pytest.approx(0.800, abs=5e-4)


@pytest.mark.parametrize(
    ("constants", "alpha", "size", "scale"),
    [(TABLE_3, 0.0525, 0.681, 1.61e8), (TABLE_5, 0.0520, 0.684, 2.22e8)],
    ids=["table 3", "table 5"],
)
def test_the_frontier(constants, alpha, size, scale):
    """The paper: 0.054 and 0.052 for the exponent of compute, 0.71 for that of size, 3.1e8 PF-days."""
    growth = kaplan.growth_exponents(constants)
    assert kaplan.compute_exponent(constants) == pytest.approx(alpha, abs=5e-5)
    assert growth["params"] == pytest.approx(size, abs=6e-4)
    assert growth["batch"] == pytest.approx(0.250, abs=3e-3)
    assert growth["steps"] == pytest.approx(0.069, abs=1e-3)
    assert sum(growth.values()) == pytest.approx(1.0)
    assert kaplan.compute_scale(constants) == pytest.approx(scale, rel=4e-3)


def test_the_closed_form_is_the_minimum_of_b3():
    for compute in (1e-3, 1.0, 1e4):
        best = kaplan.frontier_params(TABLE_5, compute)
        loss = kaplan.frontier_loss(TABLE_5, compute)
        assert kaplan.loss_of_compute(TABLE_5, best, compute) == pytest.approx(loss, rel=1e-9)
        assert all(kaplan.loss_of_compute(TABLE_5, best * factor, compute) > loss for factor in (0.9, 1.1))
        assert kaplan.compute_to_reach(TABLE_5, best, loss) == pytest.approx(compute, rel=1e-9)
        assert loss == pytest.approx((1 + kaplan.stopping_excess(TABLE_5)) * (TABLE_5.N_c / best) ** TABLE_5.alpha_N)
        batch = TABLE_5.B_star * loss ** (-1 / TABLE_5.alpha_B)
        flop = 6 * best * batch * kaplan.frontier_steps(TABLE_5, compute)
        assert flop == pytest.approx(compute * PF_DAY, rel=1e-9)


def test_stopping_early():
    assert kaplan.stopping_excess(TABLE_5) == pytest.approx(0.1, abs=1e-9)  # 10 % above the converged loss
    ratios = kaplan.convergence_ratios(TABLE_3, 0.10, 0.02)  # the paper: 2.7, 0.13, 0.35
    assert ratios["params"] == pytest.approx(2.67, abs=5e-3)
    assert ratios["steps"] == pytest.approx(0.133, abs=5e-4)
    assert ratios["compute"] == pytest.approx(0.354, abs=5e-4)


def test_sizes_off_the_optimum():
    """The paper: 20 % more compute at 0.6 and at 2.2 times the best size, 45 % fewer steps at 2.2."""
    assert kaplan.off_optimum_compute(TABLE_3, 0.6) == pytest.approx(1.165, abs=6e-4)
    assert kaplan.off_optimum_compute(TABLE_3, 2.2) == pytest.approx(1.204, abs=6e-4)
    assert kaplan.off_optimum_steps(TABLE_3, 2.2) == pytest.approx(0.547, abs=6e-4)
    compute = kaplan.compute_to_reach(
        TABLE_3, kaplan.frontier_params(TABLE_3, 1.0) * 2.2, kaplan.frontier_loss(TABLE_3, 1.0)
    )
    assert compute == pytest.approx(kaplan.off_optimum_compute(TABLE_3, 2.2), rel=1e-9)


def test_batch_and_overfitting():
    assert 1 - 2**-TABLE_5.alpha_B == pytest.approx(0.135, abs=5e-4)  # the critical batch doubles every 13.5 % of loss
    assert kaplan.tokens_without_overfitting(1e9) == pytest.approx(2.29e10, rel=2e-3)
    assert kaplan.tokens_without_overfitting(1e13) == pytest.approx(2.08e13, abs=5e10)
    for params in (1e7, 1e8, 1e9):
        tokens = kaplan.tokens_without_overfitting(params)
        assert kaplan.overfitting(params, tokens, **T2) == pytest.approx(0.021, abs=5e-4)
    assert kaplan.minimum_steps(100, 1e6, 1e6) == 50 and kaplan.minimum_compute(3.0, 2e6, 1e6) == pytest.approx(1.0)
    assert kaplan.earliest_stop(TABLE_3, 3.0, 2.0) == TABLE_3.S_c


def test_table_6_multiplies_to_one_pf_day():
    size, batch, steps = (table.at(1.0) for table in (kaplan.TABLE_6_SIZE, kaplan.TABLE_6_BATCH, kaplan.TABLE_6_STEPS))
    assert 6 * size * batch * steps / PF_DAY == pytest.approx(0.975, abs=5e-4)
    assert EQUATION_6_7_DATA.coefficient / kaplan.TABLE_6_DATA.coefficient == 2.0


def test_the_crossing_and_how_it_moves():
    """The paper: 1e4 PF-days, 1e12 parameters, 1e12 tokens, 1.7 nats, each within an order of magnitude."""
    point = kaplan.crossing()
    assert point.compute == pytest.approx(1.12e4, rel=5e-3)
    assert point.params == pytest.approx(1.17e12, rel=5e-3)
    assert point.loss == pytest.approx(1.668, abs=5e-4)
    assert point.tokens == pytest.approx(2.5e11, rel=2e-2)
    other = kaplan.crossing(EQUATION_6_7_DATA)
    assert other.compute == pytest.approx(1.06e5, rel=5e-3)
    assert other.params == pytest.approx(6.1e12, rel=1e-2)
    assert other.loss == pytest.approx(1.49, abs=5e-3)


def test_what_cannot_be_reached_is_refused():
    with pytest.raises(UsageError, match="use a larger model"):
        kaplan.compute_to_reach(TABLE_3, 1e6, 2.0)
    with pytest.raises(UsageError, match="never reaches"):
        kaplan.off_optimum_compute(TABLE_3, 0.1)
