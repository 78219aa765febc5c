"""`isoflop read` and `isoflop convert`: logs in, one table out; what is open is a question with exit code 1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoflop.readers.read import read_runs
from tests.cli.conftest import Command
from tests.readers import golden
from tests.readers.test_trackers import HISTORY, write_wandb


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for number, name in enumerate(("small", "medium", "large"), start=1):
        config = {"n_params": number * 1e6, "batch_size": 8, "seq_len": 64, "max_steps": 40}
        write_wandb(tmp_path, name, golden.wandb_file(HISTORY, config, name=name))
    return tmp_path / "wandb"


def test_read_explains_logs_column_by_column(logs: Path, isoflop: Command) -> None:
    ended = isoflop("read", logs, "--explain")
    assert ended.code == 0
    for words in (
        "val/loss",
        "the plainest held-out loss that is logged",
        "value at the last step",
        "n_params",
        "params",
    ):
        assert words in ended.stdout
    assert "3 rows" in ended.stdout


def test_read_as_json_carries_the_readings_and_the_questions(logs: Path, isoflop: Command) -> None:
    record = isoflop("read", logs, "--explain", "--json").record
    assert record["schema"] == "isoflop.runs/1"
    assert record["runs"] == 3
    taken = {item["column"]: item["taken_for"] for item in record["readings"]}
    assert taken["val/loss"] == "loss" and taken["seq_len"] == "context"
    (question,) = [item for item in record["warnings"] if item["code"] == "ask-tokens"]
    assert "--set batch_unit=sequences" in question["message"]


def test_a_question_is_answered_by_the_option_it_names(logs: Path, isoflop: Command, tmp_path: Path) -> None:
    asked = isoflop("fit", logs, "--law", "power", "--x", "tokens", "--draws", "0")
    assert asked.code == 1
    assert "--set batch_unit=sequences" in asked.stderr
    told = isoflop("read", logs, "--set", "batch_unit=sequences", "--to", tmp_path / "runs.csv")
    assert told.code == 0
    assert read_runs(tmp_path / "runs.csv")["tokens"].tolist() == [40 * 8 * 64] * 3
    assert "Written to" in told.stderr


def test_rows_maps_and_conditions(logs: Path, isoflop: Command) -> None:
    checkpoints = isoflop("read", logs, "--rows", "checkpoints", "--json").record
    assert checkpoints["runs"] == 6
    mapped = isoflop("read", logs, "--map", "train/loss=loss", "--where", "params > 1e6", "--json").record
    assert mapped["columns"]["loss"] == [3.0, 3.0]


@pytest.mark.parametrize(
    ("call", "code", "named"),
    [
        (("--map", "loss"), 2, "--map HEADER=COLUMN"),
        (("--set", "=3"), 2, "--set COLUMN=VALUE"),
        (("--set", "context=long"), 2, "--set context='long'"),
        (("--rows", "some"), 2, "--rows"),
        (("--format", "excel"), 2, "format='excel' must be one of"),
        (("--mapping", "nosuch.toml"), 2, "nosuch.toml does not exist"),
    ],
)
def test_bad_options_of_reading(logs: Path, isoflop: Command, call: tuple[str, ...], code: int, named: str) -> None:
    ended = isoflop("read", logs, *call)
    assert ended.code == code
    assert named in ended.stderr


def test_an_ambiguous_comma_is_a_question_and_answered(tmp_path: Path, isoflop: Command) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params;tokens;loss\n1,234;1000000000;3\n2,345;1000000000;2\n")
    asked = isoflop("read", path)
    assert asked.code == 1
    assert "row 2, column 'params': '1,234' is 1.234 with a decimal comma" in asked.stderr
    record = isoflop("read", path, "--json").record
    assert record["refused"] is True and "--decimal" in record["warnings"][0]["message"]
    assert isoflop("read", path, "--decimal", "point", "--json").record["columns"]["params"] == [1234, 2345]


def test_convert_counts_anew_and_writes_what_is_read_back(tmp_path: Path, isoflop: Command) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        "params_total,params_non_embedding,tokens,loss\n300,100,1e9,3\n600,300,1e9,2.5\n".replace("00,", "0000,")
    )
    ended = isoflop("convert", path, "--count", "non-embedding", "--to", tmp_path / "kaplan.csv", "--json")
    assert ended.code == 0
    assert ended.record["param_count"] == "non-embedding"
    again = read_runs(tmp_path / "kaplan.csv")
    assert again.param_count == "non-embedding"
    assert again["params"].tolist() == [1e4, 3e4]
    assert again["compute"].tolist() == [6e13, 18e13]
    assert "6nd" in isoflop("convert", path, "--count", "total").stdout


def test_convert_asks_and_refuses_in_a_sentence(tmp_path: Path, isoflop: Command) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("params,tokens,loss\n1e6,1e9,3\n")
    asked = isoflop("convert", path, "--count", "total")
    assert asked.code == 1
    assert "--param-count" in asked.stderr
    assert isoflop("convert", path).code == 2
    wrong = isoflop("convert", path, "--count", "total", "--flops", "7nd")
    assert wrong.code == 2
    assert "7nd" in wrong.stderr


def test_json_of_a_read_is_one_object_without_infinities(tmp_path: Path, isoflop: Command) -> None:
    (tmp_path / "runs.csv").write_text("params,tokens,loss,x\n1e6,1e9,3,inf\n2e6,1e9,2,\n")
    record = isoflop("read", tmp_path / "runs.csv", "--json").record
    assert record["columns"]["x"] == [None, None]
    json.dumps(record, allow_nan=False)
