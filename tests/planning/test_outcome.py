"""The loss of a plan is that of the forecast of its run."""

from __future__ import annotations

import pytest

from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.forecasting.prediction import forecast
from isoflop.planning.outcome import forecast_runs
from isoflop.planning.planner import plan
from isoflop.readers.examples import example_runs


@pytest.fixture(scope="module")
def ladder() -> Fit:
    return fit("chinchilla", example_runs(), where="held_out == 0", draws=60)


def test_a_plan_gives_the_loss_that_forecast_gives(ladder: Fit) -> None:
    made = plan(ladder, compute=3e12)
    told = forecast(ladder, params=made.params.value, tokens=made.tokens.value).points[0]
    assert made.loss.value == pytest.approx(told.loss.value, rel=1e-9)
    assert (made.loss.low, made.loss.high) == (pytest.approx(told.loss.low), pytest.approx(told.loss.high))


def test_no_runs_are_no_forecast(ladder: Fit) -> None:
    assert forecast_runs(ladder, {}, 0.9).points == ()
