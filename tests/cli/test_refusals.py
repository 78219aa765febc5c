"""What ends with exit code 1: the reason is told, the object is printed and written, and --force answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

FAR = ("--params", "110k", "--tokens", "8T")


@pytest.fixture
def in_proportion(tmp_path: Path) -> Path:
    """Runs whose model size and data rise together, so that no law can tell the two apart."""
    rows = [f"{1e6 * 2**step:.0f},{2e7 * 2**step:.0f},{2 + 3 * 0.8**step:.4f}" for step in range(10)]
    place = tmp_path / "proportion.csv"
    place.write_text("\n".join(["params,tokens,loss", *rows]))
    return place


def test_a_refused_forecast_is_withheld_from_the_page(isoflop: Command, saved_fit: Path) -> None:
    ended = isoflop("forecast", saved_fit, *FAR)
    assert ended.code == 1
    assert "refused: " in ended.stdout and "--force" in ended.stdout
    assert "90% interval" not in ended.stdout


def test_a_refused_forecast_is_still_printed_and_written_as_json(
    isoflop: Command, saved_fit: Path, tmp_path: Path
) -> None:
    place = tmp_path / "forecast.json"
    ended = isoflop("forecast", saved_fit, *FAR, "--json", "--out", place)
    assert ended.code == 1
    assert ended.record["refused"] is True and "forced" not in ended.record
    assert ended.record["points"][0]["tokens"] == 8e12
    assert json.loads(place.read_text()) == ended.record
    assert ended.record["warnings"][0]["severity"] == "refuse"


def test_force_answers_and_marks_the_answer(isoflop: Command, saved_fit: Path) -> None:
    ended = isoflop("forecast", saved_fit, *FAR, "--force")
    assert ended.code == 0 and "90% interval" in ended.stdout and "refused: " in ended.stdout
    forced = isoflop("forecast", saved_fit, *FAR, "--force", "--json")
    assert forced.code == 0 and forced.record["forced"] is True and forced.record["refused"] is True


def test_a_design_that_cannot_carry_the_law_is_refused(isoflop: Command, in_proportion: Path) -> None:
    ended = isoflop("fit", in_proportion, "--draws", "50", "--json")
    assert ended.code == 1 and ended.record["refused"] is True
    assert {"params", "certificate", "data"} <= set(ended.record)
    assert "collinear-design" in {warning["code"] for warning in ended.record["warnings"]}
    assert isoflop("fit", in_proportion, "--draws", "50", "--force", "--json").code == 0


def test_a_fit_that_was_forced_refuses_its_forecasts(isoflop: Command, in_proportion: Path, tmp_path: Path) -> None:
    place = tmp_path / "fit.json"
    assert isoflop("fit", in_proportion, "--draws", "50", "--force", "--out", place, "--json").code == 0
    assert json.loads(place.read_text())["forced"] is True
    assert isoflop("forecast", place, "--params", "1G", "--tokens", "20G").code in (1, 2)


def test_too_few_runs_leave_no_numbers_but_still_an_object(isoflop: Command, table: Path, tmp_path: Path) -> None:
    place = tmp_path / "fit.json"
    ended = isoflop("fit", table, "--law", "chinchilla", "--where", "params < 4000", "--json", "--out", place)
    assert ended.code == 1 and "cannot determine" in ended.stderr
    assert (ended.record["schema"], ended.record["refused"]) == ("isoflop.fit/1", True)
    assert json.loads(place.read_text()) == ended.record
    after = isoflop("forecast", place, "--params", "1M", "--tokens", "1M")
    assert after.code == 2 and "not a whole fit" in after.stderr


def test_a_backtest_that_hides_everything_is_refused(isoflop: Command, table: Path) -> None:
    ended = isoflop("backtest", table, "--hide", "1e9", "--json")
    assert ended.code == 1
    assert (ended.record["schema"], ended.record["refused"]) == ("isoflop.backtest/1", True)
