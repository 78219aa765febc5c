"""fit_isoflops(): exact cases, its measured bias, budgets that are left out, intervals, invariances, files."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.budgets import budgets_of
from isoflop.fitting.frontier_fit import load_frontier_fit
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.fitting.minima import minimum
from isoflop.fitting.power_law import power_law
from isoflop.fitting.surface_bias import Optima, exact_sizes
from isoflop.runs.table import RunTable

SYMMETRIC = (1.7, 400.0, 400.0, 0.35, 0.35)
SKEWED = (1.7, 400.0, 1500.0, 0.34, 0.28)
LOPSIDED = (2.5, 2e5, 3000.0, 0.68, 0.38)
BUDGETS = np.geomspace(1e18, 1e21, 5)


def surface(theta, size, tokens):
    e, a, b, alpha, beta = theta
    return e + a / size**alpha + b / tokens**beta


def best_size(theta, budget):
    _, a, b, alpha, beta = theta
    return (alpha * a / (beta * b)) ** (1 / (alpha + beta)) * (budget / 6) ** (beta / (alpha + beta))


def slices(theta=SKEWED, noise=0.0, seed=0, points=9, reach=4.0, drift=1.0, centre=1.0, budgets=BUDGETS):
    """Runs from 1/reach to reach times a middle that drifts from 1/drift to drift times the optimum."""
    steps = np.geomspace(1 / reach, reach, points) * centre
    budget = np.repeat(budgets, points)
    size = np.concatenate(
        [
            best_size(theta, flop) * steps * off
            for flop, off in zip(budgets, np.geomspace(1 / drift, drift, len(budgets)), strict=True)
        ]
    )
    tokens = budget / (6 * size)
    loss = surface(theta, size, tokens) * np.exp(noise * np.random.default_rng(seed).normal(size=len(size)))
    return RunTable.from_columns({"params": size, "tokens": tokens, "compute": budget, "loss": loss})


def codes(fitted):
    return [finding.code for finding in fitted.findings]


@pytest.mark.parametrize("curve", ["parabola", "cubic"])
def test_a_symmetric_surface_on_a_centred_grid_is_read_exactly(curve):
    fitted = fit_isoflops(slices(SYMMETRIC), curve=curve, draws=0)
    assert fitted.theta[[1, 3]] == pytest.approx([0.5, 0.5], abs=1e-9)
    assert [item.params.value for item in fitted.minima] == pytest.approx(best_size(SYMMETRIC, BUDGETS), rel=1e-7)
    assert fitted.bias.params_exponent == pytest.approx(0.0, abs=1e-7)


def test_the_measured_bias_is_the_error_on_noise_free_data():
    fitted = fit_isoflops(slices(LOPSIDED, reach=10.0, drift=2.0), draws=0)
    exact = 0.38 / (0.68 + 0.38)
    assert fitted.bias.exact_exponent == pytest.approx(exact, rel=1e-6)
    assert fitted.bias.params_exponent == pytest.approx(fitted.theta[1] - exact, abs=1e-6)
    found = fitted.minima[-1].params.value / best_size(LOPSIDED, BUDGETS[-1]) - 1
    assert fitted.bias.params_at_largest == pytest.approx(found, abs=1e-5)
    assert abs(found) > 0.1
    assert abs(fitted.bias.params_exponent) > 0.002
    assert "method-bias" in codes(fitted)


def test_a_window_and_a_cubic_both_reduce_the_bias():
    wide = slices(SKEWED, reach=12.0, points=25, centre=1.5)
    worst, windowed, cubic = (
        abs(fit_isoflops(wide, draws=0, **options).bias.params_at_largest)
        for options in ({}, {"window": 3.0}, {"curve": "cubic"})
    )
    assert windowed < 0.3 * worst
    assert cubic < 0.6 * worst


def test_the_exact_optimum_holds_where_compute_is_not_6nd():
    size = np.geomspace(1e5, 1e13, 2_000_001)
    tilt, level, compute = -0.05, math.log(6.0) + 0.5, 1e20
    tokens = compute / (np.exp(level) * size ** (1 + tilt))
    best = int(np.argmin(surface(SKEWED, size, tokens)))
    line = Optima(np.array([compute]), size[[1_000_000]], tokens[[1_000_000]], np.array([tilt]), 0.5)
    assert exact_sizes(np.array(SKEWED), line)[0] == pytest.approx(size[best], rel=1e-4)


def test_tokens_follow_the_compute_of_the_table_rather_than_6nd():
    table = slices(SYMMETRIC)
    counted = table["compute"] * (table["params"] / 1e8) ** -0.1
    table = table.with_columns({"compute": counted, "budget": table["compute"]})
    budgets = budgets_of(table, "budget")
    assert [budget.flop_tilt for budget in budgets] == pytest.approx([0.0] * 5, abs=1e-12)
    tilted = table.with_columns({"tokens": table["tokens"] * (table["params"] / 1e8) ** 0.1})
    for budget in budgets_of(tilted, "budget"):
        rows = tilted.select(budget.index)
        assert budget.tokens(np.log(rows["params"])) == pytest.approx(rows["tokens"], rel=1e-9)
        assert budget.flop_tilt == pytest.approx(-0.1, abs=1e-9)


def test_near_equal_computes_are_one_budget_and_scattered_ones_are_none():
    table = slices()
    jitter = np.exp(0.02 * np.random.default_rng(1).normal(size=len(table)))
    near = table.with_columns({"compute": table["compute"] * jitter})
    assert [len(budget.index) for budget in budgets_of(near)] == [9] * 5
    spread = table.with_columns({"compute": np.geomspace(1e18, 1e21, len(table))})
    with pytest.raises(Refusal, match="of 45 compute budgets have a minimum"):
        fit_isoflops(spread, draws=0)
    chained = table.with_columns({"compute": np.geomspace(1e18, 2e19, len(table))})
    with pytest.raises(Refusal, match="its compute spreads by 20"):
        fit_isoflops(chained, draws=0)


def test_a_budget_column_is_found_by_name_or_named():
    table = slices()
    stated = {**table.columns, "flops_budget": table["compute"], "compute": table["compute"] * 1.5}
    found = fit_isoflops(RunTable.from_columns(stated), draws=0)
    assert [item.compute for item in found.minima] == pytest.approx(BUDGETS)
    assert fit_isoflops(RunTable.from_columns(stated), budget="compute", draws=0).minima[0].compute == 1.5e18
    with pytest.raises(InputError, match="no column 'price'"):
        fit_isoflops(table, budget="price")


def test_budgets_that_cannot_be_read_are_left_out_with_the_reason_and_their_rows():
    table = slices()
    size, budget = table["params"], table["compute"]
    one_sided = (budget == BUDGETS[0]) & (size < 1.01 * best_size(SKEWED, BUDGETS[0]))
    few = (budget == BUDGETS[1]) & (np.arange(len(table)) % 4 == 0)
    kept = table.select(one_sided | few | (budget >= BUDGETS[2]))
    fitted = fit_isoflops(kept, draws=0)
    left_out = [finding for finding in fitted.findings if finding.code == "budget-left-out"]
    assert len(fitted.minima) == 3
    assert "1e18 FLOP" in left_out[0].message and "largest model" in left_out[0].message
    assert "a parabola needs 4" in left_out[1].message
    assert left_out[0].rows == tuple(int(row) for row in kept.row[kept["compute"] == BUDGETS[0]])
    assert "few-budgets" in codes(fitted)
    with pytest.raises(Refusal, match="0 of 1 compute budgets"):
        fit_isoflops(table.select(one_sided), draws=0)


def test_slices_of_an_unfortunate_shape_are_named():
    assert "wide-slice" in codes(fit_isoflops(slices(reach=10.0), draws=0))
    assert "narrow-slice" in codes(fit_isoflops(slices(reach=1.5), draws=0))
    assert "off-centre-slice" in codes(fit_isoflops(slices(reach=8.0, centre=3.0), draws=0))
    clean = codes(fit_isoflops(slices(SYMMETRIC, reach=3.9), draws=0))
    assert clean == []


def test_intervals_contain_the_truth_about_as_often_as_they_say():
    inside = []
    for seed in range(60):
        interval = fit_isoflops(slices(SYMMETRIC, noise=0.002, seed=seed), draws=200, seed=seed).params["a"]
        inside.append(interval.low <= 0.5 <= interval.high)
    assert 0.75 <= np.mean(inside) <= 0.99


def test_minima_that_scatter_beyond_the_noise_of_their_runs_are_named():
    table = slices(SYMMETRIC, noise=1e-4)
    moved = table["params"] * np.exp(0.4 * np.sin(7.0 * np.log(table["compute"])))
    fitted = fit_isoflops(table.with_columns({"params": moved, "tokens": table["compute"] / (6 * moved)}), draws=100)
    assert "scattered-minima" in codes(fitted)


def test_a_unit_of_size_changes_its_coefficient_alone():
    table = slices(noise=0.003)
    scaled = table.with_columns({"params": table["params"] * 1e3, "tokens": table["tokens"] / 1e3})
    first, second = (fit_isoflops(item, draws=0).theta for item in (table, scaled))
    assert second == pytest.approx(first * [1e3, 1.0, 1e-3, 1.0], rel=1e-9)


def test_the_order_of_rows_does_not_matter():
    table = slices(noise=0.003)
    shuffled = table.select(np.random.default_rng(3).permutation(len(table)))
    assert fit_isoflops(shuffled, draws=0).theta == pytest.approx(fit_isoflops(table, draws=0).theta, rel=1e-9)


def test_a_duplicated_table_moves_no_minimum():
    table = slices(noise=0.003)
    twice = table.select(np.tile(np.arange(len(table)), 2))
    assert fit_isoflops(twice, draws=0).theta == pytest.approx(fit_isoflops(table, draws=0).theta, rel=1e-9)


def test_the_same_seed_gives_the_same_bytes_and_a_file_gives_back_the_fit(tmp_path):
    first, second = (fit_isoflops(slices(noise=0.003), draws=50, seed=4) for _ in range(2))
    first.save(tmp_path / "one.json")
    second.save(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    load_frontier_fit(tmp_path / "one.json").save(tmp_path / "three.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "three.json").read_bytes()


def test_the_loss_along_the_frontier_needs_four_minima():
    fitted = fit_isoflops(slices(SYMMETRIC, budgets=np.geomspace(1e18, 1e22, 7)), draws=20)
    loss = surface(SYMMETRIC, best_size(SYMMETRIC, 1e20), 1e20 / 6 / best_size(SYMMETRIC, 1e20))
    assert fitted.loss_law.theta == pytest.approx([1.7, fitted.loss_law.theta[1], 0.175], rel=2e-2)
    assert np.interp(20.0, np.log10([m.compute for m in fitted.minima]), [m.loss for m in fitted.minima]) == (
        pytest.approx(loss, rel=1e-2)
    )
    three = fit_isoflops(slices(budgets=BUDGETS[:3]), draws=20)
    assert three.loss_law is None
    assert "3 minima" in three.loss_reason


def test_the_last_checkpoint_of_each_run_is_used():
    table = slices()
    names = [f"run-{number}" for number in range(len(table))]
    columns = {name: np.concatenate([values, values]) for name, values in table.columns.items()}
    columns["loss"][: len(table)] += 1.0
    columns["tokens"][: len(table)] /= 2.0
    fitted = fit_isoflops(RunTable.from_columns({**columns, "run": names * 2}), draws=0)
    assert "last-checkpoints" in codes(fitted)
    assert fitted.theta == pytest.approx(fit_isoflops(table, draws=0).theta, rel=1e-12)


@pytest.mark.parametrize("column", ["params", "compute", "tokens", "loss"])
@pytest.mark.parametrize("value", [math.nan, 0.0, -1.0, math.inf])
def test_a_cell_that_is_no_positive_number_is_named_with_its_row(column, value):
    table = slices()
    cells = table[column].copy()
    cells[7] = value
    with pytest.raises(InputError, match=f"row {table.row[7]}, column '"):
        fit_isoflops(table.with_columns({column: cells}), draws=0)


def test_a_budget_in_words_is_refused():
    table = slices().with_columns({"budget": np.full(45, "large", dtype=object)})
    with pytest.raises(InputError, match="'budget' holds text"):
        fit_isoflops(table)


@pytest.mark.parametrize(
    "options", [{"curve": "spline"}, {"draws": -1}, {"window": 1.0}, {"window": math.nan}, {"tolerance": 0.9}]
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(UsageError, match=f"{next(iter(options))}="):
        fit_isoflops(slices(), **options)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3.0, 3.0), min_size=3, max_size=4))
def test_the_minimum_of_a_curve_is_where_a_search_finds_it(coefficients):
    coefficients[2] = abs(coefficients[2]) + 0.5
    place, value = (float(item[0]) for item in minimum(np.array([coefficients])))
    grid = np.linspace(-1.0, 1.0, 20_001)
    losses = sum(coefficient * grid**power for power, coefficient in enumerate(coefficients))
    least = int(np.argmin(losses))
    if 0 < least < len(grid) - 1:
        assert place == pytest.approx(grid[least], abs=1e-3)
        assert value == pytest.approx(losses[least], abs=1e-6)
    elif math.isfinite(place) and abs(place) < 1.0:
        assert value >= losses[least] - 1e-9


def test_a_power_law_leaves_out_what_is_missing():
    compute = np.array([1e18, 1e19, 1e20, 1e21])
    values = np.stack([3.0 * compute**0.5, 3.0 * compute**0.5])
    values[1, 1] = np.nan
    coefficient, exponent = power_law(compute, values)
    assert coefficient == pytest.approx([3.0, 3.0], rel=1e-9)
    assert exponent == pytest.approx([0.5, 0.5], rel=1e-12)
    assert np.isnan(power_law(compute, np.array([[1.0, np.nan, np.nan, np.nan]]))[1][0])
