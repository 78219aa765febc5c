"""The catalogue of codes: it lists every code that the package can give, no other, with the severities it has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import isoflop
from isoflop.codes import codes, find_code, questions
from isoflop.errors import UsageError

PACKAGE = Path(isoflop.__file__).parent
SEVERITIES = ("note", "warn", "refuse")
MADE_UP = {"unreadable-runs", "unreadable-files"}  # of a variable part, in isoflop.readers.read


def given() -> Iterator[tuple[str, set[str]]]:
    """Every code written in a call of Finding (or of a helper `_note`), with the severities that may go with it."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                continue
            first = node.args[0]
            if node.func.id not in ("Finding", "_note") or not isinstance(first, ast.Constant):
                continue
            written = ast.unparse(node.args[1]) if node.func.id == "Finding" else "'note'"
            yield str(first.value), {name for name in SEVERITIES if f"'{name}'" in written}


def test_every_code_that_can_be_given_is_in_the_catalogue_and_no_other() -> None:
    assert {code.name for code in codes()} == {name for name, _ in given()} | MADE_UP


def test_codes_have_the_severities_that_they_are_given_with() -> None:
    allowed = {code.name: set(code.severities) for code in codes()}
    wrong = [(name, severities) for name, severities in given() if not severities <= allowed[name]]
    assert not wrong


def test_entries_are_whole_sentences_of_known_severity_and_diagnostic() -> None:
    for code in codes():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code.name), code.name
        assert code.severities and set(code.severities) <= set(SEVERITIES), code.name
        assert code.meaning.endswith(".") and code.advice.endswith("."), code.name
        assert code.diagnostic is None or code.diagnostic in questions(), code.name


def test_a_code_spelled_wrong_is_told_those_alike() -> None:
    with pytest.raises(UsageError, match=r"code 'narow-range' is unknown: did you mean narrow-range"):
        find_code("narow-range")
