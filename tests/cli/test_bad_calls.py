"""Bad input and usage: exit code 2, nothing on stdout, one sentence that names what is wrong, never a traceback."""

from __future__ import annotations

import pickle
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Command

# the call, with TABLE, FIT and TMP standing for paths; and what the message must name
CALLS = [
    ("fit", "SOURCE"),
    ("fit nosuch.csv", "nosuch.csv"),
    ("fit TMP", "holds no runs"),
    ("fit TMP/empty.csv", "empty.csv"),
    ("fit TMP/pickled.csv", "pickle"),
    ("fit TMP/binary.csv", "binary.csv"),
    ("fit TMP/words.csv", "row 3"),
    ("fit TABLE --law nosuch", "nosuch"),
    ("fit TABLE --law chinchila", "chinchilla"),
    ("fit TABLE --where 'nosuch > 1'", "nosuch"),
    ("fit TABLE --where 'params >'", "params >"),
    ("fit TABLE --where \"__import__('os').system('true')\"", "not allowed"),
    ("fit TABLE --where 'params < 1'", "keeps none"),
    ("fit TABLE --where params", "condition"),
    ("fit TABLE --objective nope", "nope"),
    ("fit TABLE --objective huber:-1", "huber"),
    ("fit TABLE --cluster nope", "nope"),
    ("fit TABLE --level 2", "--level"),
    ("fit TABLE --level nan", "level"),
    ("fit TABLE --level ninety", "--level"),
    ("fit TABLE --draws -1", "--draws"),
    ("fit TABLE --draws many", "--draws"),
    ("fit TABLE --seed 0.5", "--seed"),
    ("fit TABLE --param-count some", "--param-count"),
    ("fit TABLE --starts everywhere", "--starts"),
    ("fit TABLE --law kaplan-n --starts hoffmann4500", "hoffmann4500"),
    ("fit TABLE --nosuch", "--nosuch"),
    ("fit TABLE --draws 0 --out TMP/words.csv/fit.json", "cannot be written"),
    ("forecast nosuch.json --params 1B --tokens 1B", "nosuch.json"),
    ("forecast TABLE --params 1B --tokens 1B", "isoflop fit"),
    ("forecast FIT", "--params"),
    ("forecast FIT --params 1B", "--tokens"),
    ("forecast FIT --params 1B --params 2B --tokens 1B", "equal number"),
    ("forecast FIT --params seven --tokens 1B", "--params='seven'"),
    ("forecast FIT --params 1,5B --tokens 1B", "--params='1,5B'"),
    ("forecast FIT --params=-7B --tokens 1B", "must be positive"),
    ("forecast FIT --params 7B --tokens 0", "must be positive"),
    ("forecast FIT --compute '30 days'", "--compute"),
    ("forecast FIT --compute inf", "--compute"),
    ("forecast FIT --table nosuch.csv", "nosuch.csv"),
    ("forecast FIT --table TABLE --params 7B", "--table"),
    ("backtest TABLE --hide 1", "above 1"),
    ("backtest TABLE --hide ten", "--hide='ten'"),
    ("backtest TABLE --hide -3x", "above 1"),
    ("laws nosuch", "nosuch"),
    ("read nosuch.csv", "nosuch.csv"),
    ("read TABLE --to TMP/runs.xlsx", ".xlsx"),
    ("run nosuch.toml", "nosuch.toml"),
    ("run TABLE", "mini_study.csv"),
    ("run TMP/words.csv --on moon", "--on"),
    ("status nosuch", "nosuch"),
    ("status TMP", "study.toml"),
    ("init nosuch", "nosuch"),
    ("init quickstart --size huge", "huge"),
    ("init transfer --text synthetic --out TMP/mine", "transfer"),
    ("verify TMP", "study.toml"),
    ("demo --out TMP/demo --text TMP/nosuch", "--text"),
    ("demo --seed -1", "--seed"),
    ("nosuch", "nosuch"),
    ("--nosuch", "--nosuch"),
    ("", "Usage"),
]


@pytest.fixture
def places(table: Path, saved_fit: Path, tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "pickled.csv").write_bytes(pickle.dumps({"loss": [3.0]}))
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "words.csv").write_text("params,tokens,loss\n1e6,1e9,3.1\n2e6,plenty,3.0\n")
    return {"TABLE": table, "FIT": saved_fit, "TMP": tmp_path}


@pytest.mark.parametrize(("call", "named"), CALLS, ids=[call or "nothing" for call, _ in CALLS])
def test_bad_calls_end_in_one_sentence(call: str, named: str, isoflop: Command, places: dict[str, Path]) -> None:
    for name, place in places.items():
        call = call.replace(name, str(place))
    ended = isoflop(*shlex.split(call))
    assert ended.code == 2
    assert ended.stdout == ""
    assert named in ended.stderr
    assert "defect of isoflop" not in ended.stderr


def test_a_defect_is_told_in_a_sentence_and_shown_on_demand(isoflop: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise ZeroDivisionError("a deliberate one")

    monkeypatch.setattr("isoflop.laws.catalogue.find", broken)
    ended = isoflop("laws", "chinchilla")
    assert ended.code == 2
    assert "a deliberate one" in ended.stderr and "--debug" in ended.stderr
    with pytest.raises(ZeroDivisionError):
        isoflop("laws", "chinchilla", "--debug")


def test_ctrl_c_ends_with_130(isoflop: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("isoflop.laws.catalogue.find", interrupted)
    assert isoflop("laws", "chinchilla").code == 130
