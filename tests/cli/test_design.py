"""`isoflop design` from outside: its page, its JSON, its CSV, its errors."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.conftest import Command

CALL = ("design", "--budget", "3e19", "--target", "1e22", "--runs", "12")


def test_the_page_and_the_object(isoflop: Command, tmp_path: Path) -> None:
    page = isoflop(*CALL)
    assert page.code == 0
    for words in ("Train 12 runs", "per param", "Forecast at", "best isoFLOP grid", "budget ×2", "published-prior"):
        assert words in page.stdout
    place = tmp_path / "ladder.csv"
    record = isoflop(*CALL, "--json", "--csv", place).record
    assert record["schema"] == "isoflop.design/1"
    assert sum(run["seeds"] for run in record["runs"]) == 12
    assert record["target"]["loss"]["low"] < record["target"]["loss"]["value"] < record["target"]["loss"]["high"]
    assert len(list(csv.DictReader(place.read_text().splitlines()))) == 12


def test_a_law_by_its_name_starts_from_published_constants(isoflop: Command) -> None:
    named, constants = (
        isoflop(*CALL, "--law", law, "--json").record for law in ("chinchilla", "published:besiroglu2024")
    )
    assert named == constants
    assert isoflop(*CALL, "--law", "farseer").code == 2
    assert isoflop(*CALL, "--law", "kaplan-nd", "--json").record["law"] == "kaplan-nd"


def test_the_same_call_gives_the_same_bytes(isoflop: Command) -> None:
    first, again = (isoflop(*CALL, "--json").stdout for _ in range(2))
    assert first == again


def test_runs_in_hand_and_a_prior_of_ones_own(isoflop: Command, saved_fit: Path, table: Path) -> None:
    call = ("design", saved_fit, "--given", table, "--budget", "3e12", "--target", "1e13", "--runs", "6", "--json")
    record = isoflop(*call).record
    assert record["given"]["runs"] > 0 and record["deviation"] < record["given"]["deviation"]
    page = isoflop(*call[:-1]).stdout
    assert "runs in hand alone" in page


def test_devices_time_and_shapes(isoflop: Command) -> None:
    call = ("design", "--gpus", "8xa100", "--time", "1 day", "--longest", "6h", "--target", "1e22", "--runs", "8")
    ended = isoflop(*call, "--vocab", "32000", "--context", "2048", "--batch-tokens", "524288")
    assert ended.code == 0 and "hours of one" in ended.stdout and "heads" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--budget", "3e19"), "target"),
        (("--target", "1e22"), "budget is missing"),
        (("--budget", "much", "--target", "1e22"), "--budget='much'"),
        (("--budget", "3e19", "--target", "-1"), "must be positive"),
        (("--budget", "3e19", "--target", "1e22", "--ratio", "5"), "LOW:HIGH"),
        (("--budget", "3e19", "--target", "1e22", "--ratio", "9:2"), "ratio"),
        (("--budget", "3e19", "--target", "1e22", "--runs", "0"), "--runs"),
        (("--budget", "3e19", "--target", "1e22", "--time", "1 day"), "gpus"),
        (("--budget", "3e19", "--target", "1e22", "--given", "nosuch.csv"), "nosuch.csv"),
        (("--budget", "3e19", "--target", "1e22", "--law", "published:nosuch"), "nosuch"),
        (("--budget", "3e19", "--target", "1e22", "--largest", "1e10"), "below largest"),
    ],
)
def test_bad_calls_end_in_one_sentence(arguments: tuple[str, ...], named: str, isoflop: Command) -> None:
    ended = isoflop("design", *arguments)
    assert ended.code == 2 and ended.stdout == ""
    assert named in ended.stderr and "defect of isoflop" not in ended.stderr
