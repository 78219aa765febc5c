"""The quick back-test of planning finds the errors that the whole one finds, so plans and forecasts agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.forecasting.calibration import calibrate
from isoflop.forecasting.prediction import forecast
from isoflop.planning.outcome import forecast_runs, held_out_error
from isoflop.planning.planner import plan
from isoflop.readers.examples import example_runs
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable


@pytest.fixture(scope="module")
def ladder() -> Fit:
    return fit("chinchilla", example_runs(), where="held_out == 0", draws=60)


def test_the_example(ladder: Fit) -> None:
    assert held_out_error(ladder).error_per_decade == pytest.approx(calibrate(ladder).error_per_decade, rel=1e-6)


def test_the_240_points(public_data: Path) -> None:
    table = read_runs(public_data / "chinchilla-epoch" / "svg_extracted_data.csv")
    fitted = fit("chinchilla", table.select(np.asarray(table["loss"]) < np.sort(table["loss"])[-5]), draws=20)
    quick, whole = held_out_error(fitted), calibrate(fitted)
    assert quick.error_per_decade == pytest.approx(whole.error_per_decade, rel=1e-6)
    assert quick.tested == whole.tested


def test_too_few_runs_are_left_to_the_whole_back_test() -> None:
    generator = np.random.default_rng(0)
    sizes, tokens = np.geomspace(1e6, 1e8, 7), np.geomspace(1e9, 1e8, 7)
    loss = 1.8 + 400 / sizes**0.35 + 2000 / tokens**0.37 + generator.normal(0, 0.01, 7)
    runs = RunTable.from_columns({"params": sizes, "tokens": tokens, "loss": loss})
    fitted = fit("chinchilla", runs, draws=10)
    assert held_out_error(fitted) == calibrate(fitted)


def test_a_plan_gives_the_loss_that_forecast_gives(ladder: Fit) -> None:
    made = plan(ladder, compute=3e12)
    told = forecast(ladder, params=made.params.value, tokens=made.tokens.value).points[0]
    assert made.loss.value == pytest.approx(told.loss.value, rel=1e-9)
    assert (made.loss.low, made.loss.high) == (pytest.approx(told.loss.low), pytest.approx(told.loss.high))


def test_no_runs_are_no_forecast(ladder: Fit) -> None:
    assert forecast_runs(ladder, {}, 0.9).points == ()
