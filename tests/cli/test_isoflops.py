"""`isoflop isoflops` and `isoflop envelope`: the promised object, the page, the file that forecast takes, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from isoflop.runs.table import RunTable
from tests.cli.conftest import Command


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    budget, step = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e18, 1e21, 5), np.geomspace(0.2, 5.0, 9)))
    size = 0.012 * np.sqrt(budget) * step
    loss = 1.7 + 400 / size**0.34 + 1500 / (budget / (6 * size)) ** 0.28
    loss = loss * np.exp(0.003 * np.random.default_rng(0).normal(size=len(loss)))
    place = tmp_path_factory.mktemp("slices") / "runs.csv"
    RunTable.from_columns({"params": size, "flops_budget": budget, "compute": budget, "loss": loss}).to_csv(place)
    return place


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    size, seen = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e8, 9), np.geomspace(3e7, 8e9, 25)))
    loss = 1.7 + 400 / size**0.35 + 1140 / seen**0.35
    place = tmp_path_factory.mktemp("curves") / "curves.csv"
    names = [f"size {value:.0f}" for value in size]
    RunTable.from_columns({"run": names, "params": size, "tokens": seen, "loss": loss}).to_csv(place)
    return place


@pytest.mark.parametrize("method", ["isoflops", "envelope"])
def test_the_promised_object_is_printed(isoflop: Command, slices: Path, curves: Path, method: str) -> None:
    ended = isoflop(method, slices if method == "isoflops" else curves, "--draws", "50", "--json")
    assert ended.code == 0
    record = ended.record
    assert (record["schema"], record["method"]) == ("isoflop.fit/1", method)
    assert 45 <= record["draws"] <= 50  # resamples of nine runs may leave one winner, which fixes no power law
    assert {"law", "params", "frontier", "minima", "bias", "level", "data", "warnings", "refused"} <= set(record)
    assert {"params_exponent", "tokens_exponent"} == set(record["frontier"])
    exponents = [estimate["value"] for estimate in record["frontier"].values()]
    assert sum(exponents) == pytest.approx(1.0, abs=1e-9)
    assert 0.4 < exponents[0] < 0.55
    for minimum in record["minima"]:
        assert minimum["params"]["value"] * minimum["tokens"]["value"] * 6 == pytest.approx(
            minimum["compute"], rel=1e-6
        )
    assert abs(record["bias"]["params_exponent"]) < 0.05
    assert "ensemble" not in record and "rows" not in record


@pytest.mark.parametrize("method", ["isoflops", "envelope"])
def test_the_page_names_minima_laws_bias_and_the_next_command(
    isoflop: Command, slices: Path, curves: Path, method: str
) -> None:
    ended = isoflop(method, slices if method == "isoflops" else curves, "--draws", "50")
    assert ended.code == 0
    for text in ("k_N", "Bias of the method on this grid", "Loss along the frontier", "--out fit.json"):
        assert text in ended.stdout


@pytest.mark.parametrize("method", ["isoflops", "envelope"])
def test_forecast_takes_what_is_written(
    isoflop: Command, slices: Path, curves: Path, tmp_path: Path, method: str
) -> None:
    place = tmp_path / "fit.json"
    source = slices if method == "isoflops" else curves
    assert isoflop(method, source, "--draws", "50", "--out", place, "--json").code == 0
    written = json.loads(place.read_text())
    compute = 3.0 * written["minima"][-1]["compute"]
    ended = isoflop("forecast", place, "--compute", f"{compute:.6g}", "--json")
    assert ended.code == 0
    point = ended.record["points"][0]
    assert point["params"] * point["tokens"] * 6 == pytest.approx(point["compute"], rel=1e-3)
    assert 1.7 < point["loss"]["low"] <= point["loss"]["value"] <= point["loss"]["high"]
    assert point["loss"]["value"] < written["minima"][-1]["loss"]
    wrong = isoflop("forecast", place, "--params", "1B", "--tokens", "20B")
    assert wrong.code == 2 and "give --compute" in wrong.stderr


def test_three_budgets_forecast_size_and_data_without_a_loss(isoflop: Command, slices: Path, tmp_path: Path) -> None:
    place = tmp_path / "fit.json"
    kept = ("--where", "flops_budget < 1e20", "--draws", "50")
    assert isoflop("isoflops", slices, *kept, "--out", place, "--json").code == 0
    ended = isoflop("forecast", place, "--compute", "1e20", "--json")
    point = ended.record["points"][0]
    assert point["loss"]["value"] is None and point["params"] > 1e7
    assert any(warning["code"] == "no-loss-law" for warning in ended.record["warnings"])
    assert isoflop("forecast", place, "--compute", "1e20").code == 0


def test_data_without_budgets_or_curves_are_refused_and_the_object_is_written(
    isoflop: Command, table: Path, tmp_path: Path
) -> None:
    for method in ("isoflops", "envelope"):
        place = tmp_path / f"{method}.json"
        ended = isoflop(method, table, "--json", "--out", place)
        assert ended.code == 1
        assert ended.record["refused"] is True and ended.record == json.loads(place.read_text())
        assert "Error:" in ended.stderr


def test_settings_reach_the_fit(isoflop: Command, slices: Path, tmp_path: Path) -> None:
    place = tmp_path / "fit.json"
    options = ("--curve", "cubic", "--window", "4", "--budget", "flops_budget", "--tolerance", "0.05", "--seed", "7")
    assert isoflop("isoflops", slices, *options, "--draws", "20", "--level", "0.5", "--out", place, "--json").code == 0
    written = json.loads(place.read_text())
    assert written["law"] == "isoflop-cubic" and written["seed"] == 7 and written["level"] == 0.5
    assert written["settings"] == {
        "curve": "cubic", "budget": "flops_budget", "tolerance": 0.05, "window": 4.0, "draws": 20,
    }  # fmt: skip
    assert isoflop("isoflops", slices, "--curve", "spline").code == 2
    assert isoflop("isoflops", slices, "--window", "1").code == 2


def test_a_report_on_a_frontier_says_what_reports_are_on(isoflop: Command, slices: Path, tmp_path: Path) -> None:
    assert isoflop("isoflops", slices, "--draws", "20", "--out", tmp_path / "fit.json").code == 0
    ended = isoflop("report", tmp_path / "fit.json", "--out", tmp_path / "report.html")
    assert ended.code == 2
    assert "is a fit of the frontier alone" in ended.stderr
