"""`isoflop diagnostics`: the list, one code, and one that there is not."""

from __future__ import annotations

from isoflop.codes import codes, questions
from tests.cli.conftest import Command


def test_the_list_has_every_code_and_question(isoflop: Command) -> None:
    ended = isoflop("diagnostics")
    assert ended.code == 0
    assert all(code.name in ended.stdout for code in codes())
    assert all(question in ended.stdout for question in questions().values())


def test_one_code_is_explained_with_what_to_do(isoflop: Command) -> None:
    ended = isoflop("diagnostics", "collinear-design")
    assert ended.code == 0
    assert "warn or refuse" in ended.stdout
    assert "D5 Can size and data be told apart?" in ended.stdout
    assert "What to do: Add runs" in ended.stdout


def test_json_of_one_code(isoflop: Command) -> None:
    record = isoflop("diagnostics", "unit-slip", "--json").record
    assert record["schema"] == "isoflop.diagnostics/1"
    (code,) = record["codes"]
    assert (code["code"], code["diagnostic"], code["severities"]) == ("unit-slip", 25, ["refuse"])


def test_an_unknown_code_is_refused_with_those_alike(isoflop: Command) -> None:
    ended = isoflop("diagnostics", "unit-slp")
    assert ended.code == 2
    assert "unit-slip" in ended.stderr
