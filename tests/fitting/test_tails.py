"""Tail probabilities beside SciPy's, down to the far tails that alarms are raised by."""

from __future__ import annotations

import pytest
from scipy import stats

from isoflop.fitting.diagnostics.tails import fisher_tail, student_tail


@pytest.mark.parametrize("value", [0.1, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("below", [3, 20, 200])
@pytest.mark.parametrize("above", [1, 2, 5])
def test_fisher_tails_are_those_of_scipy(value: float, above: int, below: int) -> None:
    assert fisher_tail(value, above, below) == pytest.approx(stats.f.sf(value, above, below), rel=1e-9)


@pytest.mark.parametrize("value", [0.1, 1.0, 5.0, 20.0])
@pytest.mark.parametrize("freedom", [1, 5, 50])
def test_student_tails_are_those_of_scipy(value: float, freedom: int) -> None:
    assert student_tail(value, freedom) == pytest.approx(2.0 * stats.t.sf(value, freedom), rel=1e-9)
