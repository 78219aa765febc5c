"""`isoflop compare`: the objects it promises, the pages, what it refuses, and what it asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoflop.runs.table import RunTable
from tests.cli.conftest import Command
from tests.forecasting.family_studies import TWINS, study

QUICK = ("--draws", "40")


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recipes") / "recipes.csv"
    study(TWINS, 1).to_csv(place)
    return place


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recipes of different tokenizers."""
    place = tmp_path_factory.mktemp("foreign") / "foreign.csv"
    runs = study(TWINS, 1)
    RunTable.from_columns({**runs.columns, "tokenizer": ["a"] * 20 + ["b"] * 20}).to_csv(place)
    return place


def test_it_prints_the_promised_object(isoflop: Command, recipes: Path, tmp_path: Path) -> None:
    place = tmp_path / "comparison.json"
    ended = isoflop("compare", recipes, "--by", "family", *QUICK, "--compute", "1e20", "--json", "--out", place)
    assert ended.code == 0
    record = ended.record
    assert record["schema"] == "isoflop.compare/1" and record["baseline"] == "plain" and record["refused"] is False
    (family,) = record["families"]
    assert {"family", "multiplier", "trend_per_decade", "trend", "points", "warnings"} <= set(family)
    for estimate in (family["multiplier"], family["trend_per_decade"], family["points"][0]["gap"]):
        assert set(estimate) == {"value", "low", "high"} and estimate["low"] <= estimate["value"] <= estimate["high"]
    assert [point["compute"] for point in family["points"]] == [1e20]
    assert json.loads(place.read_text()) == record


def test_laws_are_ranked_as_the_record_promises(isoflop: Command, recipes: Path) -> None:
    laws = "chinchilla,chinchilla-tied,coupled-0.5"
    asked = ("compare", recipes, "--laws", laws, "--where", "family == 'plain'", *QUICK, "--json")
    ended = isoflop(*asked)
    assert ended.code == 0
    record = ended.record
    assert record["schema"] == "isoflop.compare/1"
    assert sorted(item["law"] for item in record["laws"]) == sorted(laws.split(","))
    assert sum(item["weight"] for item in record["laws"]) == pytest.approx(1.0)
    errors = [item["mean_abs_error"] for item in record["laws"]]
    assert errors == sorted(errors)
    loss = record["forecast"]["loss"]
    assert loss["low"] < loss["value"] < loss["high"]


def test_the_page_shows_the_multiplier_its_trend_and_the_losses(isoflop: Command, recipes: Path) -> None:
    ended = isoflop("compare", recipes, "--by", "family", *QUICK)
    assert ended.code == 0
    assert "How much compute plain needs to match each family" in ended.stdout
    assert (
        "better" in ended.stdout and "per decade of compute" in ended.stdout and "Loss at equal compute" in ended.stdout
    )
    assert "Above 1×, plain needs more compute" in ended.stdout


def test_what_does_not_compare_is_withheld_and_can_be_forced(isoflop: Command, foreign: Path) -> None:
    asked = ("compare", foreign, "--by", "family", *QUICK)
    ended = isoflop(*asked)
    assert ended.code == 1
    assert "refused: plain and better differ in column 'tokenizer' (a against b)" in ended.stdout
    assert "multiplier" not in ended.stdout
    printed = isoflop(*asked, "--json")
    assert printed.code == 1 and printed.record["refused"] is True
    forced = isoflop(*asked, "--force")
    assert forced.code == 0 and "multiplier" in forced.stdout and "refused: " in forced.stdout
    assert isoflop(*asked, "--force", "--json").record["forced"] is True


def test_a_refusal_without_numbers_is_still_an_object(isoflop: Command, recipes: Path) -> None:
    ended = isoflop("compare", recipes, "--by", "family", "--where", "family == 'plain'", "--json")
    assert ended.code == 1
    assert (ended.record["schema"], ended.record["refused"]) == ("isoflop.compare/1", True)
    assert "one family" in ended.stderr


def test_the_reference_may_be_any_family(isoflop: Command, recipes: Path) -> None:
    asked = ("compare", recipes, "--by", "family", "--baseline", "better", "--draws", "0", "--json")
    (family,) = isoflop(*asked).record["families"]
    assert family["family"] == "plain" and family["multiplier"]["value"] < 1.0
    assert family["multiplier"]["low"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--law", "chinchilla"), "--laws"),
        (("--floor", "own"), "--by COLUMN"),
        (("--by", "family", "--params", "1e9"), "--compute"),
        (("--params", "1e9", "--params", "2e9"), "2 times"),
        (("--laws", ", "), "names no law"),
        (("--laws", "nosuch"), "nosuch"),
        (("--laws", "chinchilla,kaplan-n"), "same inputs"),
        (("--by", "family", "--laws", "chinchilla,kaplan-n"), "--law names"),
        (("--by", "recipe"), "'recipe'"),
        (("--by", "family", "--baseline", "best"), "plain, better"),
        (("--by", "family", "--objective", "l2"), "objective 'l2'"),
        (("--by", "family", "--law", "nosuch"), "nosuch"),
        (("--by", "family", "--compute", "much"), "--compute"),
        (("--by", "family", "--floor", "two"), "--floor"),
        (("--by", "family", "--cluster", "nosuch"), "nosuch"),
        (("--by", "family", "--weights", "nosuch"), "nosuch"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_a_sentence(
    isoflop: Command, recipes: Path, arguments: tuple[str, ...], words: str
) -> None:
    ended = isoflop("compare", recipes, *arguments, "--draws", "0")
    assert ended.code == 2 and words in ended.stderr


def test_tables_that_are_no_ladders_end_in_a_sentence(isoflop: Command, tmp_path: Path) -> None:
    for name, text, code in (
        ("empty.csv", "", 2),
        ("header.csv", "params,tokens,loss,family\n", 2),
        ("row.csv", "params,tokens,loss,family\n1e6,1e9,3.0,a\n", 1),
        ("two.csv", "params,tokens,loss,family\n1e6,1e9,3.0,a\n1e6,1e9,2.9,b\n", 1),
        ("text.csv", "params,tokens,loss,family\n1e6,1e9,low,a\n1e6,1e9,2.9,b\n", 2),
        ("same.csv", "params,tokens,loss,family\n" + "1e6,1e9,3.0,a\n1e6,1e9,2.9,b\n" * 9, 1),
    ):
        place = tmp_path / name
        place.write_text(text)
        ended = isoflop("compare", place, "--by", "family", *QUICK)
        assert ended.code == code, (name, ended)
