"""A whole study through the command line, small enough for a test: dry run, run, run again, status, report."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from isoflop.studies import engines
from isoflop.studies.engine import JobStatus
from isoflop.studies.inline import InlineEngine
from tests.cli.conftest import Command

STUDY = """
name = "tiny"
[text]
source = "directory"
directory = "text"
[ladder]
widths = [8, 16, 24]
layers = 1
head_width = 8
tokens = ["2k", "4k", "8k"]
[training]
context = 32
batch_tokens = 256
[training.learning_rate]
coefficient = 0.25
[evaluation]
windows = 16
[fit]
law = "chinchilla-no-floor"
draws = 30
[[held_out]]
width = 24
tokens = "16k"
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("study")
    words = random.Random(0).choices(
        ["model", "size", "and", "data", "fall", "as", "a", "power", "law", "\n"], k=160_000
    )
    (place / "text").mkdir()
    (place / "text" / "words.txt").write_text(" ".join(words))
    (place / "study.toml").write_text(STUDY)
    return place / "study.toml"


def test_a_study_from_dry_run_to_report(isoflop: Command, study: Path, tmp_path: Path) -> None:
    planned = isoflop("run", study, "--on", "inline", "--dry-run", "--json")
    assert planned.code == 0
    assert [run["role"] for run in planned.record["runs"]] == ["ladder"] * 9 + ["held-out"]
    assert planned.record["done"] == 0 and planned.record["remaining_compute"] > 0
    assert not (study.parent / "fits").exists()
    shown = isoflop("run", study, "--on", "inline", "--dry-run").stdout
    assert "On one rented h100, at 30 % of its peak: under a second and under a cent." in shown
    too_early = isoflop("report", study.parent)
    assert too_early.code == 2 and "no fit yet" in too_early.stderr

    ended = isoflop("run", study, "--on", "inline", "--force", "--json")
    assert ended.code == 0
    outcome = ended.record
    assert outcome["schema"] == "isoflop.study/1" and outcome["study"] == "tiny"
    assert {"done": 10, "failed": 0, "diverged": 0}.items() <= outcome["runs"].items()
    for key in ("fit", "report", "forecast"):
        assert Path(outcome[key]).is_absolute() and Path(outcome[key]).is_file()
    (row,) = outcome["held_out"]
    assert row["error"] == pytest.approx(row["forecast"]["value"] / row["actual"] - 1)
    assert "Cost:" in ended.stderr and "Training" in ended.stderr

    again = isoflop("run", study.parent, "--on", "inline", "--force")
    assert again.code == 0 and "nothing is left to train" in again.stderr
    assert "What was forecast, and what came" in again.stdout and outcome["report"] in again.stdout
    assert json.loads(Path(outcome["forecast"]).read_text())["written"] in again.stdout

    assert "complete" in isoflop("status", study.parent).stdout
    assert isoflop("status", study, "--json").record["runs"]["done"] == 10
    report = tmp_path / "report.html"
    assert isoflop("report", study.parent, "--out", report, "--force").code == 0
    assert "tiny" in report.read_text(encoding="utf-8")


def test_reports_of_fits_and_tables(isoflop: Command, saved_fit: Path, table: Path, tmp_path: Path) -> None:
    for name, source in (("fit", saved_fit), ("table", table)):
        place = tmp_path / f"{name}.html"
        ended = isoflop("report", source, "--out", place, "--draws", "50", "--json")
        assert ended.code == 0 and ended.record["report"] == str(place)
        assert "</html>" in place.read_text(encoding="utf-8")


@pytest.fixture
def narrow(study: Path, tmp_path: Path) -> Path:
    (tmp_path / "text").symlink_to(study.parent / "text")
    told = STUDY.replace('["2k", "4k", "8k"]', '["2k", "2.5k", "3k"]').replace("[8, 16, 24]", "[8]")
    (tmp_path / "study.toml").write_text(told.replace('width = 24\ntokens = "16k"', 'width = 8\ntokens = "8k"'))
    return tmp_path / "study.toml"


def test_a_study_that_the_data_do_not_carry_ends_with_1(isoflop: Command, narrow: Path) -> None:
    ended = isoflop("run", narrow, "--on", "inline", "--json")
    assert ended.code == 1
    assert ended.record["refused"] is True and ended.record["schema"] == "isoflop.study/1"


def test_what_an_engine_prints_is_no_part_of_the_outcome(
    isoflop: Command, narrow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Talkative(InlineEngine):
        def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
            print("(raylet) a node has gone")
            return super().poll(wait)

    monkeypatch.setattr(engines, "InlineEngine", Talkative)
    ended = isoflop("run", narrow, "--on", "inline", "--json")
    assert ended.record["schema"] == "isoflop.study/1" and "a node has gone" in ended.stderr


def test_what_the_fits_of_an_analysis_warn_of_is_told_and_refuses(
    isoflop: Command, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "text").symlink_to(study.parent / "text")
    told = STUDY.replace('name = "tiny"', 'name = "tiny"\nanalysis = "model-size"').partition("[[held_out]]")[0]
    told = told.replace('["2k", "4k", "8k"]', '["4k"]').replace('law = "chinchilla-no-floor"', "")
    (tmp_path / "study.toml").write_text(told)

    # Three sizes are not more than the law with a floor has constants.
    ended = isoflop("run", tmp_path, "--on", "inline", "--json")
    assert ended.code == 1 and "every fit" in ended.stderr
    assert ended.record["refused"] is True and "forced" not in ended.record
    found = {(warning["code"], warning["severity"]) for warning in ended.record["warnings"]}
    assert ("few-runs", "refuse") in found
    assert any(warning["message"].startswith("with-floor: ") for warning in ended.record["warnings"])

    forced = isoflop("run", tmp_path, "--on", "inline", "--json", "--force")
    assert forced.code == 0 and forced.record == {**ended.record, "forced": True}

    shown = isoflop("run", tmp_path, "--on", "inline")
    assert shown.code == 1
    assert all(f"({code})" in " ".join(shown.stdout.split()) for code, _ in found)

    # Other code that comes to the same numbers is no contradiction.
    record = json.loads((tmp_path / "study.json").read_text())
    assert len(record["sources"]) == 12
    (tmp_path / "study.json").write_text(json.dumps({**record, "sources": "0" * 12}))
    assert isoflop("verify", tmp_path).code == 0
