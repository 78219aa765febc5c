"""Ensembles: every method, which one is chosen, and what open bounds say."""

import numpy as np
import pytest

from isoflop.cli.options import INTERVALS
from isoflop.errors import UsageError
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import interval
from isoflop.fitting.layout import layout_of
from isoflop.fitting.objective import parse_objective
from isoflop.fitting.uncertainty import METHODS, choose_method
from isoflop.runs.table import RunTable
from tests.fitting.studies import TRUTH, study

HUBER = parse_objective("huber:1e-3")


@pytest.fixture(scope="module")
def runs():
    return study(0.005)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "auto"])
def test_every_method_gives_draws_around_the_optimum(runs, method):
    fitted = fit("chinchilla", runs, draws=200, intervals=method, starts="projected")
    draws = fitted.ensemble.draws
    assert fitted.ensemble.method == method
    assert len(draws) >= 190
    low, high = interval(draws, 0.9)
    assert np.all(low < high)
    spread = (high - low)[3:] / 3.3
    assert np.all((0.002 < spread) & (spread < 0.03))
    assert np.all(np.abs(np.median(draws, axis=0) - TRUTH)[3:] < 5.0 * spread)


def test_methods_agree_where_errors_are_small_and_rows_many():
    runs = study(0.002, sizes=10, lengths=10)
    names = ("pairs-bootstrap", "parametric-bootstrap", "wald-t", "bca", "profile-likelihood")
    widths = {}
    for name in names:
        draws = fit("chinchilla", runs, draws=600, intervals=name, cluster="none", objective="ls").ensemble.draws
        low, high = interval(draws, 0.9)
        widths[name] = (high - low)[3:]
    for name in names:
        assert widths[name] == pytest.approx(widths["wald-t"], rel=0.25), name


def test_the_command_line_names_the_same_methods():
    assert INTERVALS == METHODS


def columns_of(rows, names=None):
    size = np.geomspace(1e7, 1e9, rows)
    columns = {"params": size, "tokens": np.geomspace(1e9, 1e11, rows), "loss": 2.0 + 1e3 / size**0.4}
    return RunTable.from_columns(columns if names is None else {**columns, "run": names})


@pytest.mark.parametrize(
    ("rows", "looks", "cluster", "chosen"),
    [
        (36, 1, "none", "parametric-bootstrap"),
        (50, 1, "none", "pairs-bootstrap"),
        (240, 20, "auto", "parametric-bootstrap"),
        (240, 4, "auto", "cluster-bootstrap"),
    ],
)
def test_the_method_follows_from_the_number_of_clusters(rows, looks, cluster, chosen):
    names = None if looks == 1 else np.array([f"run-{row // looks}" for row in range(rows)], dtype=object)
    layout = layout_of(columns_of(rows, names), cluster)
    assert layout.repeated == (looks > 1)
    assert choose_method(HUBER, 5, layout) == chosen
    assert choose_method(HUBER, 5, layout, "bca") == "bca"


def test_a_tilted_objective_is_not_simulated():
    assert choose_method(parse_objective("huber:1e-3~0.9"), 5, layout_of(columns_of(20), "none")) == "wild-bootstrap"


def test_an_unknown_method_is_refused_with_the_names(runs):
    with pytest.raises(UsageError, match="intervals='bootstrap' is unknown: use auto, cluster-bootstrap"):
        fit("chinchilla", runs, intervals="bootstrap")


def test_a_floor_that_the_data_do_not_bound_is_open_below():
    """With errors of 3 % on 15 runs nothing refutes E = 0: the bound is null and a finding says so."""
    fitted = fit("chinchilla", study(0.03, seed=2, sizes=5, lengths=3), draws=300)
    assert fitted.params["E"].low is None
    assert any("E" in finding.message and finding.severity != "refuse" for finding in fitted.findings)
    assert fit("chinchilla", study(0.003, seed=2), draws=300).params["E"].low is not None


def test_checkpoints_of_few_runs_do_not_count_as_so_many_runs():
    """Twelve runs looked at twenty times, errors of one run alike: intervals are far wider than rows would say."""
    generator = np.random.default_rng(1)
    ends = np.geomspace(8e9, 8e10, 12)[[3, 8, 1, 10, 5, 0, 7, 11, 2, 9, 4, 6]]
    tokens = (ends[:, None] * np.geomspace(0.03, 1.0, 20)).ravel()
    params = np.repeat(np.geomspace(4e7, 4e9, 12), 20)
    shared = np.repeat(generator.standard_normal(12), 20)
    errors = np.sqrt(0.9) * shared + np.sqrt(0.1) * generator.standard_normal(240)
    clean = TRUTH[0] + TRUTH[1] / params ** TRUTH[3] + TRUTH[2] / tokens ** TRUTH[4]
    names = np.array([f"run-{row // 20}" for row in range(240)], dtype=object)
    columns = {"params": params, "tokens": tokens, "loss": clean * np.exp(0.01 * errors), "run": names}
    widths = []
    for cluster in ("auto", "none"):
        draws = fit("chinchilla", RunTable.from_columns(columns), draws=200, cluster=cluster).ensemble.draws
        low, high = interval(draws, 0.9)
        widths.append((high - low)[3])
    assert widths[0] > 1.5 * widths[1]
