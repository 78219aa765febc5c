"""Searches for many problems at once: places of minima and roots, at ends, on plateaus, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.planning.search import minimise, root


def test_minima_of_many_curves_at_once() -> None:
    centres = np.linspace(-7.3, 7.1, 301).reshape(43, 7)
    steep = np.geomspace(0.3, 30.0, 7)
    place = minimise(
        lambda x: np.cosh(np.minimum(steep * np.abs(x - centres), 300.0)), np.full(centres.shape, -9.0), 9.0
    )
    assert place == pytest.approx(centres, abs=1e-6)


@pytest.mark.parametrize(("slope", "end"), [(1.0, -2.0), (-1.0, 3.0)])
def test_a_minimum_at_an_end(slope: float, end: float) -> None:
    assert minimise(lambda x: slope * x, np.array([-2.0]), np.array([3.0])) == pytest.approx([end], abs=1e-7)


def test_a_kink_and_an_asymmetric_curve() -> None:
    assert minimise(lambda x: np.abs(x - 0.7), np.array([-3.0]), np.array([4.0])) == pytest.approx([0.7], abs=1e-6)
    place = minimise(lambda x: np.exp(-3 * x) + np.exp(0.2 * x), np.array([-20.0]), np.array([40.0]))
    assert place == pytest.approx([np.log(15.0) / 3.2], abs=1e-6)


def test_what_is_no_number_is_never_the_minimum() -> None:
    place = minimise(lambda x: np.where(x < 0, np.nan, (x - 1.0) ** 2), np.array([-5.0]), np.array([5.0]))
    assert place == pytest.approx([1.0], abs=1e-6)


def test_roots_of_many_curves_at_once() -> None:
    wanted = np.geomspace(1e-3, 1e3, 50)
    found = root(lambda x: x**3 - wanted, np.zeros(50), np.full(50, 100.0))
    assert found == pytest.approx(np.cbrt(wanted), rel=1e-9)


def test_no_root_is_nan_and_a_jump_is_found() -> None:
    found = root(lambda x: np.where(x > np.array([0.3, 9.0]), 1.0, -1.0), np.zeros(2), np.ones(2))
    assert found[0] == pytest.approx(0.3, abs=1e-9)
    assert np.isnan(found[1])


def test_infinity_counts_as_above() -> None:
    found = root(lambda x: np.where(x > 2.0, np.inf, x - 1.0), np.zeros(1), np.full(1, 10.0))
    assert found == pytest.approx([1.0], abs=1e-9)
