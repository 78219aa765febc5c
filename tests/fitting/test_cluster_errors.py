"""Standard errors from few groups: what they are in the cases that have a textbook answer, and what they leave open."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.fitting.cluster_errors import ClusterError, cluster_errors
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.runs.table import RunTable

SLOPE = np.array([[0.0, 1.0]])


def line(noise: np.ndarray, cluster: str = "none", objective: str = "ls@value", **columns: object) -> Fit:
    place = np.linspace(0.0, 1.0, len(noise)) ** 2
    runs = RunTable.from_columns({"place": place, "height": 1.0 + 2.0 * place + noise, **columns})
    return fit("a + b*place", runs, y="height", objective=objective, cluster=cluster, draws=0)


def test_rows_alone_give_the_heteroscedasticity_robust_error_hc2() -> None:
    noise = np.random.default_rng(1).normal(size=12)
    fitted = line(noise)
    design = np.stack([np.ones(12), fitted.runs["place"]], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    leverage = np.einsum("ni,ij,nj->n", design, inverse, design)
    meat = design.T * (fitted.residuals**2 / (1.0 - leverage)) @ design
    (error,) = cluster_errors(fitted, SLOPE)
    assert error.standard_error == pytest.approx(np.sqrt((inverse @ meat @ inverse)[1, 1]), rel=1e-9)
    assert 2.0 < error.degrees < 10.0


def test_one_mean_from_alike_groups_has_a_degree_less_than_groups() -> None:
    group = np.repeat(np.arange(6.0), 4)
    noise = np.random.default_rng(2).normal(size=6)[group.astype(int)]
    runs = RunTable.from_columns({"one": np.ones(24), "height": 3.0 + noise, "group": group})
    fitted = fit("a*one", runs, y="height", objective="ls@value", cluster="group", draws=0)
    (error,) = cluster_errors(fitted, np.array([[1.0]]))
    means = noise[::4]
    assert error.degrees == pytest.approx(5.0, rel=1e-9)
    assert error.standard_error == pytest.approx(means.std(ddof=1) / np.sqrt(6.0), rel=1e-9)


def test_doubling_every_row_within_its_group_changes_nothing() -> None:
    noise = np.random.default_rng(3).normal(size=10)
    once = line(noise, "group", group=np.arange(10.0))
    place = np.repeat(once.runs["place"], 2)
    runs = RunTable.from_columns(
        {"place": place, "height": 1.0 + 2.0 * place + np.repeat(noise, 2), "group": np.repeat(np.arange(10.0), 2)}
    )
    twice = fit("a + b*place", runs, y="height", objective="ls@value", cluster="group", draws=0)
    (first,), (second,) = cluster_errors(once, SLOPE), cluster_errors(twice, SLOPE)
    assert second.standard_error == pytest.approx(first.standard_error, rel=1e-9)
    assert second.degrees == pytest.approx(first.degrees, rel=1e-9)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(300):
        fitted = line(np.random.default_rng(seed).normal(size=9))
        (error,) = cluster_errors(fitted, SLOPE)
        held.append(abs(fitted.theta[1] - 2.0) <= error.half_width(0.9))
    assert 0.85 <= np.mean(held) <= 0.95


def test_huber_counts_an_outlier_by_its_side_alone() -> None:
    noise = 0.01 * np.random.default_rng(4).normal(size=30)
    noise[15] = 50.0
    (robust,) = cluster_errors(line(noise, objective="huber:0.02@value"), SLOPE)
    (plain,) = cluster_errors(line(noise), SLOPE)
    assert robust.standard_error < 0.05 < plain.standard_error


def test_weights_count_as_copies_do() -> None:
    noise = np.random.default_rng(5).normal(size=10)
    weight = np.where(np.arange(10) < 5, 1.0, 3.0)
    place = np.linspace(0.0, 1.0, 10)
    columns = {"place": place, "height": 1.0 + 2.0 * place + noise, "group": np.arange(10.0)}
    weighted = fit(
        "a + b*place", RunTable.from_columns({**columns, "w": weight}), y="height", objective="ls@value",
        cluster="group", weights="w", draws=0,
    )  # fmt: skip
    copies = {name: np.repeat(values, weight.astype(int)) for name, values in columns.items()}
    copied = fit(
        "a + b*place", RunTable.from_columns(copies), y="height", objective="ls@value", cluster="group", draws=0
    )
    (first,), (second,) = cluster_errors(weighted, SLOPE), cluster_errors(copied, SLOPE)
    assert first.standard_error == pytest.approx(second.standard_error, rel=1e-9)


def test_a_direction_that_the_data_do_not_know_spoils_no_other() -> None:
    runs = RunTable.from_columns({"place": np.zeros(8), "height": np.arange(8.0)})
    fitted = fit("a + b*place", runs, y="height", objective="ls@value", cluster="none", draws=0)
    (mean,) = cluster_errors(fitted, np.array([[1.0, 0.0]]))
    assert mean.standard_error == pytest.approx(np.arange(8.0).std(ddof=1) / np.sqrt(8.0), rel=1e-9)


def test_noise_free_runs_have_no_error() -> None:
    (error,) = cluster_errors(line(np.zeros(8)), SLOPE)
    assert error.standard_error < 1e-9
    assert np.isfinite(error.half_width(0.9))


def test_few_degrees_widen_the_interval() -> None:
    assert ClusterError(1.0, 3.0).half_width(0.9) == pytest.approx(2.3534, abs=1e-4)
    assert ClusterError(1.0, 1e6).half_width(0.9) == pytest.approx(1.6449, abs=1e-4)
