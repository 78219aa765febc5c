"""Summaries of a learning-rate schedule, against their definitions; the multi-power law of any schedule."""

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import find
from isoflop.laws.schedule import annealing_columns, multi_power_loss

COSINE = 1e-3 * (0.55 + 0.45 * np.cos(np.linspace(0.0, np.pi, 60)))
THETA = {"L_0": 2.6, "A": 0.5, "B": 400.0, "C": 2.0, "alpha": 0.5, "beta": 0.6, "gamma": 0.55}


def test_annealing_is_the_double_sum_of_its_definition():
    columns = annealing_columns(COSINE, decay=0.97)
    for step in (0, 1, 30, 59):
        double = sum((COSINE[k - 1] - COSINE[k]) * 0.97 ** (i - k) for i in range(1, step + 1) for k in range(1, i + 1))
        assert columns["lr_annealing"][step] == pytest.approx(double, rel=1e-12)
        assert columns["lr_area"][step] == pytest.approx(sum(COSINE[: step + 1]))


def test_a_constant_rate_has_no_annealing():
    assert not annealing_columns([1e-3] * 20)["lr_annealing"].any()


def test_the_multi_power_law_is_the_double_sum_of_its_definition():
    loss = multi_power_loss(COSINE, THETA, warmup_area=0.002)
    for step in (0, 1, 40, 59):
        drop = 0.0
        for k in range(1, step + 1):
            x = COSINE[k] ** -THETA["gamma"] * sum(COSINE[k : step + 1])
            drop += (COSINE[k - 1] - COSINE[k]) * (1 - (1 + THETA["C"] * x) ** -THETA["beta"])
        area = sum(COSINE[: step + 1]) + 0.002
        assert loss[step] == pytest.approx(2.6 + 0.5 * area**-0.5 - 400 * drop, rel=1e-12)


def test_the_law_of_one_drop_agrees_with_the_law_of_any_schedule():
    rates = np.array([1e-3] * 50 + [2e-4] * 50)
    law = find("multi-power")
    point = {
        "lr_area": np.cumsum(rates)[50:],
        "lr_drop": np.full(50, 8e-4),
        "lr_low": np.full(50, 2e-4),
        "lr_area_after": 2e-4 * np.arange(1, 51),
    }
    theta = np.array([THETA[name] for name in law.parameter_names])
    assert predict(law, theta, point)[0] == pytest.approx(multi_power_loss(rates, THETA)[50:], rel=1e-12)


@pytest.mark.parametrize(("rates", "decay"), [([], 0.9), ([[1.0]], 0.9), ([1.0], 1.0), ([1.0], -0.1)])
def test_what_is_no_schedule_is_refused(rates, decay):
    with pytest.raises(UsageError):
        annealing_columns(rates, decay)


def test_the_rate_that_is_not_positive_is_named():
    with pytest.raises(UsageError, match="step 2"):
        multi_power_loss([1e-3, 1e-3, 0.0], THETA)
