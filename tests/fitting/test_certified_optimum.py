"""The certified optimum of Epoch's 240 digitised points of Hoffmann et al."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from isoflop.fitting.binding import bind
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import Effort, solve
from isoflop.fitting.starts import hoffmann_grid
from isoflop.laws.catalogue import find
from isoflop.readers.read import read_runs

DATA = os.environ.get("ISOFLOP_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="ISOFLOP_DATA does not point at the public run data")


@pytest.fixture(scope="module")
def runs():
    table = read_runs(Path(DATA) / "chinchilla-epoch" / "svg_extracted_data.csv")
    return table.select(np.asarray(table["loss"]) < np.sort(table["loss"])[-5])


@pytest.fixture(scope="module")
def certified():
    return json.loads((Path(DATA) / "chinchilla-epoch" / "certified_optimum.json").read_text())


def test_the_default_fit_reaches_the_certified_optimum(runs, certified):
    fitted = fit("chinchilla", runs, draws=0)
    assert len(runs) == 240
    assert fitted.status is FitStatus.CONVERGED
    assert abs(fitted.objective_value / certified["objective_value"] - 1.0) < 1e-12
    optimum = certified["optimum"]
    exact = [*(np.exp(optimum[name]) for name in ("e", "a", "b")), optimum["alpha"], optimum["beta"]]
    assert fitted.theta == pytest.approx(exact, rel=1e-10)
    assert fitted.certificate.quadratic == 39
    assert fitted.certificate.agreeing > 100
    assert fitted.frontier["params_exponent"].value == pytest.approx(certified["a_opt"], abs=1e-9)


def test_most_of_hoffmanns_starts_arrive(runs, certified):
    """A slice of the 4,500 starts here; the whole grid is in the benchmarks."""
    problem = bind(find("chinchilla"), runs, Objective())
    grid = hoffmann_grid()
    assert grid.shape == (4500, 5)
    found = solve(problem, grid[::20], effort=Effort(gauss_newton_tolerance=1e-6))
    assert np.mean(found.value <= certified["objective_value"] * (1.0 + 1e-9)) >= 0.95


def test_the_printed_parameters_are_those_of_least_absolute_deviations(runs):
    """Besiroglu et al. print A = 482.01 and B = 2085.43 for Huber's δ = 1e-3; they are the optimum of LAD."""
    fitted = fit("chinchilla", runs, objective="lad", draws=0)
    assert fitted.theta == pytest.approx([1.81686, 482.01, 2085.43, 0.34781, 0.36585], rel=2e-4)


def test_starved_fits_are_never_called_converged(runs):
    starved = Effort(gauss_newton_steps=2, newton_steps=2, patience=0, refinements=0)
    statuses = [fit("chinchilla", runs, draws=0, seed=seed, effort=starved).status for seed in range(5)]
    assert FitStatus.CONVERGED not in statuses


def test_the_bootstrap_reproduces_the_published_standard_errors(runs):
    """Besiroglu et al.: A 124.5, B 1293, E 0.026, alpha 0.015, beta 0.021, from rows drawn one by one."""
    draws = fit("chinchilla", runs, draws=2000, cluster="none").ensemble.draws
    errors = dict(zip(("E", "A", "B", "alpha", "beta"), draws.std(axis=0), strict=True))
    assert errors["E"] == pytest.approx(0.0257, rel=0.1)
    assert errors["A"] == pytest.approx(124.5, rel=0.15)
    assert errors["B"] == pytest.approx(1293.0, rel=0.25)
    assert errors["alpha"] == pytest.approx(0.0154, rel=0.1)
    assert errors["beta"] == pytest.approx(0.0206, rel=0.1)
