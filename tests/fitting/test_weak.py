"""Profiles of weak constants: which are drawn, and that they say what the intervals say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.fitting.weak import WeakConstant, weak_constants
from isoflop.laws.law import exponent
from isoflop.quantities import Estimate
from isoflop.readers.examples import example_runs
from isoflop.runs.table import RunTable


def ladder(noise: float, sizes: int = 6, floor: float = 1.7, widest: float = 3e9) -> RunTable:
    size, data = (grid.ravel() for grid in np.meshgrid(np.geomspace(5e7, widest, sizes), np.geomspace(1e9, 1e11, 6)))
    loss = floor + 480.0 / size**0.35 + 2100.0 / data**0.37
    scattered = loss * np.exp(noise * np.random.default_rng(3).standard_normal(len(loss)))
    return RunTable.from_columns({"params": size, "tokens": data, "loss": scattered})


@pytest.fixture(scope="module")
def vague() -> Fit:
    """A law whose floor lies far below every run: no small value of it is refuted."""
    return fit("data-demand", example_runs(), where="held_out == 0", draws=300)


def test_what_is_well_determined_is_not_drawn() -> None:
    assert weak_constants(fit("chinchilla", ladder(1e-4), draws=200)) == ()


def test_the_weakest_are_drawn_and_coefficients_are_left_to_their_exponents() -> None:
    fitted = fit("chinchilla", ladder(0.02, widest=2e8), draws=200)
    found = weak_constants(fitted)
    assert 1 <= len(found) <= 2
    assert {item.parameter.name for item in found} <= {"E", "alpha", "beta"} or any(
        item.open_below or item.open_above for item in found
    )
    assert len(weak_constants(fitted, most=1)) == 1
    assert weak_constants(fitted, most=1)[0].parameter.name == found[0].parameter.name


def test_the_profile_crosses_the_level_where_the_profile_interval_ends() -> None:
    fitted = fit("chinchilla", ladder(0.02, widest=2e8), draws=500, intervals="profile-likelihood")
    for item in weak_constants(fitted):
        inside = item.at[item.deviance < 1.0]
        for bound, edge, is_open in (
            (item.estimate.low, inside[0], item.open_below),
            (item.estimate.high, inside[-1], item.open_above),
        ):
            if bound is not None and not is_open:
                position = int(np.argmin(np.abs(item.at - edge)))
                near = item.at[max(position - 1, 0) : position + 2]
                assert near[0] <= bound <= near[-1]


def test_an_open_side_is_told_and_never_refuted(vague: Fit) -> None:
    item = next(item for item in weak_constants(vague) if item.parameter.name == "E")
    assert item.open_below and not item.open_above
    assert item.deviance[0] < 1.0 <= item.deviance[-1]
    assert np.all(np.diff(item.at) > 0.0)


def test_values_between_follow_the_parabola() -> None:
    at = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    item = WeakConstant("line", exponent("a", "slope", "a"), Estimate(0.0), at, at**2, False, False)
    values, deviance = item.resampled(17)
    assert deviance == pytest.approx(values**2)


def test_nothing_is_drawn_where_nothing_was_drawn_or_settled(vague: Fit) -> None:
    assert weak_constants(fit("data-demand", vague.runs, draws=0)) == ()
    assert weak_constants(replace(vague, status=FitStatus.NOT_STATIONARY)) == ()


def test_a_constant_that_ran_away_has_nothing_to_show() -> None:
    size = np.geomspace(1e6, 1e8, 14)
    loss = 50.0 / size**0.2 * np.exp(0.01 * np.random.default_rng(0).standard_normal(14))
    fitted = fit("power-floor-n", RunTable.from_columns({"params": size, "loss": loss}), draws=100)
    assert fitted.params["E"].value < 1e-9
    assert "E" not in {item.parameter.name for item in weak_constants(fitted)}


def test_a_stack_shows_its_weightiest_law() -> None:
    fitted = fit("auto", ladder(0.02, widest=2e8), draws=200)
    heaviest = max(fitted.parts, key=lambda part: part.weight).law.name
    found = weak_constants(fitted)
    assert found and {item.law for item in found} == {heaviest}
