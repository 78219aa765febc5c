"""Bounds of constants whose draws run off the scale: those of the profile, or none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import stdtrit

from isoflop.fitting.binding import bind
from isoflop.fitting.efficient import efficient_fit
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import load_fit
from isoflop.fitting.layout import layout_of
from isoflop.fitting.profiles import departure, hold
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable
from tests.fitting.studies import TRUTH, study

LAW = find("chinchilla")
SETTINGS = {"draws": 200, "starts": "projected"}


@pytest.fixture(scope="module")
def lost():
    """A fit whose draws lose the floor, where its profile does not."""
    return fit("chinchilla", study(0.03, seed=13, sizes=5, lengths=3), **SETTINGS)


@pytest.fixture(scope="module")
def unbounded():
    """A fit whose floor nothing bounds from below."""
    return fit("chinchilla", study(0.03, seed=2, sizes=5, lengths=3), **SETTINGS)


def _t(fitted, value):
    """|t| with the floor held at `value`, over what refutes it."""
    problem = bind(LAW, fitted.runs, fitted.objective)
    efficient = efficient_fit(
        problem, problem.surface.to_internal(fitted.theta[None])[:, 0], layout_of(fitted.runs, fitted.cluster)
    )
    held = bind(hold(LAW, "E", value), fitted.runs, fitted.objective)
    return departure(efficient, held, efficient.theta[None, 1:])[0] / float(stdtrit(efficient.noise.freedom, 0.95))


def test_a_bound_that_draws_lose_is_where_the_profile_reaches_the_level(lost):
    floor = lost.params["E"]
    assert np.quantile(lost.ensemble.draws[:, 0], 0.05) < 1e-4 * floor.value
    assert 0.01 < floor.low < floor.value < floor.high
    assert _t(lost, floor.low) == pytest.approx(1.0, abs=0.02)


def test_it_is_open_where_no_value_however_small_is_refuted(unbounded):
    floor = unbounded.params["E"]
    assert floor.low is None and floor.high < 3.0
    assert _t(unbounded, 1e-6) < 1.0


def test_a_floor_that_ran_to_nothing_is_bounded_from_above():
    """Without a floor in the truth all draws may lie at 1e-21: they would bound it from both sides."""
    fitted = fit("chinchilla", study(0.01, seed=2, theta=[1e-12, *TRUTH[1:]]), **SETTINGS)
    floor = fitted.params["E"]
    assert floor.value < 1e-6 and fitted.ensemble.draws[:, 0].max() < 1e-6
    assert floor.low is None and 1e-3 < floor.high < 0.1
    assert _t(fitted, floor.high) == pytest.approx(1.0, abs=0.02)


def test_nothing_is_profiled_where_the_draws_tell():
    assert not fit("chinchilla", study(0.003), draws=100, starts="projected").ensemble.profiled


def test_bounds_are_saved_with_the_fit_and_each_member_of_a_stack_has_its_own(unbounded, tmp_path):
    unbounded.save(tmp_path / "fit.json")
    assert load_fit(tmp_path / "fit.json").params == unbounded.params
    stack = fit("auto", unbounded.runs, **SETTINGS)
    assert any(part.params["E"].low is None for part in stack.parts if "E" in part.params)
    stack.save(tmp_path / "stack.json")
    assert [part.params for part in load_fit(tmp_path / "stack.json").parts] == [part.params for part in stack.parts]


def test_the_profile_of_a_tilted_objective_refutes_nothing(unbounded):
    fitted = fit("chinchilla", unbounded.runs, objective="huber:1e-3~0.7", **SETTINGS)
    draws, bounds = fitted.ensemble.draws[:, 0], fitted.ensemble.profiled["E"]
    assert bounds == (None, pytest.approx(float(np.quantile(draws, 0.95))))


def test_a_scale_that_nothing_bounds_is_open_above():
    """Errors of 10 % and a term that hardly matters: any scale goes with some exponent."""
    sizes, data = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e6, 1e9, 4), np.geomspace(1e8, 1e10, 3)))
    clean = 300.0 / sizes**0.34 + 400.0 / data**0.3
    errors = 0.1 * np.random.default_rng(3).standard_normal(12)
    runs = RunTable.from_columns({"params": sizes, "tokens": data, "loss": clean * np.exp(errors)})
    scale = fit("chinchilla", runs, draws=100, seed=3).params["B"]
    assert scale.high is None and 0.0 < scale.low < scale.value


def test_without_draws_there_are_no_bounds(unbounded):
    alone = replace(unbounded, ensemble=replace(unbounded.ensemble, draws=np.empty((0, 5))))
    assert alone.params["E"].low is None and alone.params["E"].high is None
