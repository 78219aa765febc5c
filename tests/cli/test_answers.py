"""Every computing command on the example table: the keys that are promised, the page, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoflop.fitting.fit import load_fit
from isoflop.readers.read import read_runs
from tests.cli.conftest import Command

LADDER = ("--where", "held_out == 0")


def keys(record: object, *names: str) -> None:
    assert isinstance(record, dict)
    assert set(names) <= set(record), set(names) - set(record)


def is_estimate(record: object) -> None:
    assert isinstance(record, dict)
    assert set(record) == {"value", "low", "high"}
    assert record["low"] <= record["value"] <= record["high"]


def test_fit_prints_the_promised_object(isoflop: Command, table: Path) -> None:
    ended = isoflop("fit", table, *LADDER, "--law", "chinchilla", "--draws", "100", "--json")
    assert ended.code == 0
    fit = ended.record
    keys(fit, "schema", "law", "formula", "params", "objective", "status", "certificate", "frontier", "level")
    keys(fit, "interval_method", "draws", "refused", "data", "warnings")
    keys(fit["certificate"], "gradient", "starts", "agreeing", "condition")
    keys(fit["data"], "runs", "excluded", "param_count", "sha256")
    keys(fit["objective"], "name", "delta", "on", "value")
    assert (fit["schema"], fit["law"], fit["status"], fit["refused"]) == (
        "isoflop.fit/1", "chinchilla", "converged", False,
    )  # fmt: skip
    assert list(fit["params"]) == ["E", "A", "B", "alpha", "beta"]
    for estimate in (*fit["params"].values(), *fit["frontier"].values()):
        is_estimate(estimate)
    assert fit["data"]["runs"] == 24 and fit["draws"] == 100
    assert "ensemble" not in fit


def test_fit_is_written_whole_and_loads(isoflop: Command, table: Path, tmp_path: Path) -> None:
    place = tmp_path / "fit.json"
    ended = isoflop("fit", table, "--draws", "50", "--out", place, "--json")
    assert ended.code == 0 and str(place) in ended.stderr
    assert load_fit(place).to_dict(full=False) == {**load_fit(place).to_dict(full=False), **ended.record}
    keys(json.loads(place.read_text()), "ensemble", "rows")


def test_the_seed_decides_every_digit(isoflop: Command, table: Path) -> None:
    arguments = ("fit", table, "--draws", "50", "--json", "--seed")
    first, again, other = (isoflop(*arguments, seed).stdout for seed in ("3", "3", "4"))
    assert first == again
    assert first != other


def test_the_level_widens_intervals(isoflop: Command, table: Path) -> None:
    def width(level: str) -> float:
        asked = ("--law", "chinchilla", "--draws", "100", "--level", level, "--json")
        alpha = isoflop("fit", table, *asked).record["params"]["alpha"]
        return float(alpha["high"] - alpha["low"])

    assert width("0.5") < width("0.9") < width("0.99")


def test_where_and_law_and_objective_reach_the_fit(isoflop: Command, table: Path) -> None:
    fit = isoflop(
        "fit", table, "--law", "kaplan-n", "--where", "tokens > 3e6", "--objective", "ls", "--draws", "0", "--json"
    ).record
    kept = read_runs(table, where="tokens > 3e6")
    assert (fit["law"], fit["objective"]["name"], fit["data"]["runs"]) == ("kaplan-n", "ls", len(kept))
    assert fit["params"]["alpha"]["low"] is None


def test_several_sources_are_fitted_together(isoflop: Command, table: Path) -> None:
    assert isoflop("fit", table, table, "--draws", "0", "--json").record["data"]["runs"] == 50


def test_forecast_prints_the_promised_object(isoflop: Command, saved_fit: Path) -> None:
    ended = isoflop("forecast", saved_fit, "--params", "111k", "--tokens", "8M", "--json")
    assert ended.code == 0
    record = ended.record
    keys(record, "schema", "points", "backtest_coverage", "warnings")
    (point,) = record["points"]
    keys(point, "params", "tokens", "compute", "loss", "decades_beyond_data")
    assert (point["params"], point["tokens"], point["compute"]) == (111e3, 8e6, pytest.approx(6 * 111e3 * 8e6))
    is_estimate(point["loss"])
    assert point["loss"]["value"] == pytest.approx(1.29, abs=0.05)
    assert 0.4 < point["decades_beyond_data"] < 0.6


def test_forecast_of_a_budget_spends_it_in_the_optimal_way(isoflop: Command, saved_fit: Path) -> None:
    (point,) = isoflop("forecast", saved_fit, "--compute", "3e12 FLOP", "--json").record["points"]
    assert 6 * point["params"] * point["tokens"] == pytest.approx(3e12)
    (other,) = isoflop(
        "forecast", saved_fit, "--params", str(point["params"] * 1.5), "--tokens", str(point["tokens"] / 1.5), "--json"
    ).record["points"]
    assert point["loss"]["value"] < other["loss"]["value"]


def test_forecast_of_a_table_of_points(isoflop: Command, saved_fit: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("N,D\n50k,4M\n100k,8M\n")
    record = isoflop("forecast", saved_fit, "--table", points, "--json").record
    assert [(point["params"], point["tokens"]) for point in record["points"]] == [(5e4, 4e6), (1e5, 8e6)]


def test_forecast_level_is_that_of_the_fit_unless_given(isoflop: Command, saved_fit: Path) -> None:
    point = ("forecast", saved_fit, "--params", "111k", "--tokens", "8M", "--json")
    assert isoflop(*point).record["level"] == 0.9
    narrow = isoflop(*point, "--level", "0.5").record
    assert narrow["level"] == 0.5
    wide = isoflop(*point).record["points"][0]["loss"]
    assert narrow["points"][0]["loss"]["low"] > wide["low"]


def test_forecast_page_and_file(isoflop: Command, saved_fit: Path, tmp_path: Path) -> None:
    place = tmp_path / "forecast.json"
    ended = isoflop("forecast", saved_fit, "--params", "111k", "--tokens", "8M", "--out", place)
    assert ended.code == 0
    assert "111k" in ended.stdout and "90% interval" in ended.stdout and "ack-test" in ended.stdout
    assert json.loads(place.read_text())["schema"] == "isoflop.forecast/1"


def test_backtest_prints_the_promised_object(isoflop: Command, table: Path) -> None:
    ended = isoflop("backtest", table, "--hide", "4x", "--draws", "100", "--json")
    assert ended.code == 0
    verdict = ended.record
    keys(verdict, "schema", "hidden", "median_abs_error", "worst_abs_error", "coverage", "rows", "warnings")
    assert verdict["schema"] == "isoflop.backtest/1" and verdict["hidden"] == len(verdict["rows"]) == 2
    for row in verdict["rows"]:
        keys(row, "params", "tokens", "actual", "forecast")
        is_estimate(row["forecast"])
        assert abs(row["forecast"]["value"] / row["actual"] - 1) <= verdict["worst_abs_error"] < 0.1


def test_backtest_page(isoflop: Command, table: Path) -> None:
    ended = isoflop("backtest", table, "--hide", "4", "--draws", "50")
    assert ended.code == 0
    assert "median |error|" in ended.stdout and "outcome" in ended.stdout


def test_laws(isoflop: Command) -> None:
    told = isoflop("laws", "--json").record["laws"]
    assert {"chinchilla", "kaplan-n"} <= {law["name"] for law in told}
    for law in told:
        keys(law, "formula", "params", "domain", "references")
        page = isoflop("laws", law["name"])
        assert page.code == 0 and law["formula"] in page.stdout and law["name"] in page.stdout
        words = " ".join(page.stdout.split())
        assert all(parameter["name"] in words and parameter["meaning"] in words for parameter in law["params"])
    listed = isoflop("laws").stdout
    assert all(law["name"] in listed for law in told)


def test_read_explains_and_converts(isoflop: Command, table: Path, tmp_path: Path) -> None:
    source = tmp_path / "mine.csv"
    source.write_text("Model Size,D,val_loss,note\n1M,1B,4.1,a\n10M,1B,3.4,b\n")
    page = isoflop("read", source, "--explain")
    assert page.code == 0
    assert "Model Size" in page.stdout and "params" in page.stdout and "kept as text" in page.stdout
    record = isoflop("read", source, "--explain", "--json").record
    assert record["columns"]["params"] == [1e6, 1e7] and record["runs"] == 2
    assert {reading["column"]: reading["taken_for"] for reading in record["readings"]}["val_loss"] == "loss"
    original = read_runs(table)
    for name in ("runs.csv", "runs.jsonl", "runs.parquet"):
        assert isoflop("read", table, "--to", tmp_path / name).code == 0
        again = read_runs(tmp_path / name)
        assert list(again.columns) == list(original.columns)
        assert again["loss"].tolist() == original["loss"].tolist()
        assert again["run"].tolist() == original["run"].tolist()


def test_init_recipes_and_status(isoflop: Command, tmp_path: Path) -> None:
    names = {recipe["name"] for recipe in isoflop("recipes", "--json").record["recipes"]}
    assert "quickstart" in names and "quickstart" in isoflop("recipes").stdout
    begun = isoflop("init", "quickstart", "--seed", "7", "--text", "synthetic", "--out", tmp_path / "mine", "--json")
    place = Path(begun.record["study"])
    assert place == (tmp_path / "mine" / "study.toml").resolve()
    assert "seed = 7" in place.read_text() and 'source = "synthetic"' in place.read_text()
    assert isoflop("init", "quickstart", "--seed", "7", "--text", "synthetic", "--out", tmp_path / "mine").code == 0
    other = isoflop("init", "quickstart", "--seed", "8", "--out", tmp_path / "mine")
    assert other.code == 2 and "another study" in other.stderr
    assert "seed = 7" in place.read_text()
    assert "not started" in isoflop("status", tmp_path / "mine").stdout
    assert isoflop("status", place, "--json").record["runs"] is None
