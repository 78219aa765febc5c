"""Forecasts and back-tests: what they cover, what they refuse."""

import numpy as np
import pytest

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import predict
from isoflop.forecasting.backtest import backtest
from isoflop.forecasting.calibration import calibrate
from isoflop.forecasting.prediction import forecast
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable

LAW = find("chinchilla")
TRUTH = np.array([1.7, 400.0, 1500.0, 0.34, 0.37])


def ladder(noise=0.01, seed=0, bend=0.0, budgets=5):
    size, data = (a.ravel() for a in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, budgets)))
    loss = predict(LAW, TRUTH, {"params": size, "tokens": data})[0]
    compute = np.log10(6 * size * data)
    loss = loss * np.exp(noise * np.random.default_rng(seed).normal(size=loss.shape) + bend * (compute - 18) ** 2)
    return RunTable.from_columns({"params": size, "tokens": data, "loss": loss})


def truth(params, tokens):
    return float(predict(LAW, TRUTH, {"params": np.array([params]), "tokens": np.array([tokens])})[0, 0])


def test_prediction_intervals_cover_new_noisy_runs():
    covered = 0
    for seed in range(30):
        point = forecast(fit(LAW, ladder(seed=seed), draws=200, seed=seed), params=3e9, tokens=1e11).points[0]
        outcome = truth(3e9, 1e11) * np.exp(0.01 * np.random.default_rng(1000 + seed).normal())
        covered += point.loss.low <= outcome <= point.loss.high
    assert covered >= 24


def test_a_forecast_says_how_far_it_reaches_and_when_that_is_too_far():
    fitted = fit(LAW, ladder(), draws=100)
    near = forecast(fitted, params=1e9, tokens=3e11)
    assert near.points[0].decades_beyond_data == pytest.approx(np.log10(3.0))
    assert not near.refused
    far = forecast(fitted, params=1e12, tokens=1e13)
    assert far.refused
    assert [f.code for f in far.findings if f.severity == "refuse"] == ["far-extrapolation"]


def test_compute_alone_is_forecast_at_its_optimal_size():
    fitted = fit(LAW, ladder(), draws=100)
    point = forecast(fitted, compute=1e21).points[0]
    assert point.params is not None and point.tokens is not None
    assert 6 * point.params * point.tokens == pytest.approx(1e21)
    same = forecast(fitted, params=point.params, tokens=point.tokens).points[0]
    assert same.loss.value == pytest.approx(point.loss.value, rel=1e-12)


def test_several_points_are_forecast_at_once():
    fitted = fit(LAW, ladder(), draws=100)
    both = forecast(fitted, params=[1e9, 2e9], tokens=[1e11, 1e11]).points
    alone = forecast(fitted, params=2e9, tokens=1e11).points[0]
    assert both[1].loss.value == alone.loss.value


def test_a_ladder_that_bends_gets_wider_intervals():
    straight, bent = (calibrate(fit(LAW, ladder(0.002, bend=bend), draws=100)) for bend in (0.0, 0.02))
    assert straight.error_per_decade is not None and bent.error_per_decade is not None
    assert bent.error_per_decade > 3 * straight.error_per_decade
    assert bent.coverage < straight.coverage


@pytest.mark.parametrize(
    "arguments",
    [{}, {"params": 1e9}, {"tokens": 1e9}, {"params": 1e9, "compute": 1e20}, {"params": [1e9, 2e9], "tokens": 1e9}],
)
def test_points_that_do_not_suit_the_law_are_refused(arguments):
    with pytest.raises(UsageError, match="needs params and tokens"):
        forecast(fit(LAW, ladder(), draws=10), **arguments)


def test_nonsense_points_are_refused_by_name():
    with pytest.raises(UsageError, match=r"params=-1.* must be a positive number"):
        forecast(fit(LAW, ladder(), draws=10), params=-1.0, tokens=1e9)


def test_a_fit_without_draws_gives_no_interval():
    with pytest.raises(Refusal, match="no draws"):
        forecast(fit(LAW, ladder(), draws=0), params=1e9, tokens=1e11)


def test_a_backtest_hides_by_compute_and_scores_what_it_hid():
    table = ladder()
    verdict = backtest(LAW, table, hide=10, draws=200)
    compute = 6 * table["params"] * table["tokens"]
    assert len(verdict.outcomes) == np.sum(compute > compute.max() / 10)
    assert len(verdict.fit.runs) == np.sum(compute <= compute.max() / 10)
    assert verdict.median_abs_error < 0.03
    assert verdict.coverage > 0.6
    record = verdict.to_dict()
    assert record["schema"] == "isoflop.backtest/1" and record["hidden"] == len(record["rows"])
    assert {row["row"] for row in record["rows"]} == set(table.row[compute > compute.max() / 10].tolist())


def test_a_backtest_that_hides_everything_is_refused():
    with pytest.raises(Refusal, match="leaves none to fit"):
        backtest(LAW, ladder(), hide=1e9)
    with pytest.raises(UsageError, match="must be a factor above 1"):
        backtest(LAW, ladder(), hide=0.5)


def test_a_backtest_needs_draws_and_an_order_of_the_runs():
    with pytest.raises(UsageError, match="draws=0: a back-test scores intervals"):
        backtest("chinchilla", ladder(), draws=0)
    seen = RunTable.from_columns({"samples": np.geomspace(1e6, 1e9, 9), "loss": np.geomspace(4.0, 2.0, 9)})
    with pytest.raises(InputError, match="which are the largest is not known"):
        backtest("E + A/samples^a", seen, draws=20)


def test_a_value_for_what_is_no_input_is_refused():
    with pytest.raises(UsageError, match="'experts' is no input of law chinchilla: params and tokens"):
        forecast(fit(LAW, ladder(), draws=20), params=1e9, tokens=1e11, at={"experts": 8.0})
