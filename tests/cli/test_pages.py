"""The page of `fit`, letter by letter: it fits one screen and says what it promises.

Rewrite the golden text after a wanted change with ISOFLOP_REWRITE_GOLDEN=1.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isoflop.cli.pages import certificate_line
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.reporting.words import formula_with_numbers
from tests.cli.conftest import Command

GOLDEN = Path(__file__).parent / "golden"
LINES_OF_A_SCREEN = 30


@pytest.fixture(scope="module")
def fitted(table: Path) -> Fit:
    return fit("chinchilla", table, where="held_out == 0", draws=0)


def compare_with(name: str, text: str) -> None:
    """`text` is the golden one, but for the blanks at the ends of lines and what rounding in the last digit decides."""
    told = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    told = re.sub(r"gradient \S+, \d+ of", "gradient TINY, MANY of", told)
    place = GOLDEN / name
    if os.environ.get("ISOFLOP_REWRITE_GOLDEN"):
        place.write_text(told, encoding="utf-8")
    assert told == place.read_text(encoding="utf-8")


def test_the_page_of_a_fit(isoflop: Command, table: Path) -> None:
    ended = isoflop("fit", table, "--law", "chinchilla", "--where", "held_out == 0", "--draws", "200")
    assert ended.code == 0 and ended.stderr == ""
    assert len(ended.stdout.splitlines()) <= LINES_OF_A_SCREEN
    compare_with("fit.txt", ended.stdout)


def test_the_page_of_a_stack(isoflop: Command, table: Path) -> None:
    ended = isoflop("fit", table, "--where", "held_out == 0", "--draws", "200")
    assert ended.code == 0 and ended.stderr == ""
    assert len(ended.stdout.splitlines()) <= LINES_OF_A_SCREEN
    compare_with("fit-auto.txt", ended.stdout)


def test_the_page_of_a_comparison_of_laws(isoflop: Command, table: Path) -> None:
    named = ("--laws", "chinchilla,chinchilla-tied,kaplan-nd,coupled-0.5")
    ended = isoflop("compare", table, *named, "--where", "held_out == 0", "--draws", "200")
    assert ended.code == 0 and ended.stderr == ""
    assert len(ended.stdout.splitlines()) <= LINES_OF_A_SCREEN
    compare_with("compare-laws.txt", ended.stdout.replace(str(table), "runs.csv"))


def test_the_page_of_a_law(isoflop: Command) -> None:
    compare_with("laws-chinchilla.txt", isoflop("laws", "chinchilla").stdout)


def test_the_page_of_a_refusal(isoflop: Command, saved_fit: Path) -> None:
    ended = isoflop("forecast", saved_fit, "--params", "110k", "--tokens", "8T")
    compare_with("forecast-refused.txt", ended.stdout)


def test_a_negative_number_in_a_formula_stands_in_brackets(fitted: Fit) -> None:
    formula = formula_with_numbers(replace(fitted, theta=np.array([1.5, 2.0, 3.0, -0.25, 0.5])))
    assert formula == "1.5 + 2/N^(-0.25) + 3/D^0.5"


def test_the_certificate_is_one_line_of_evidence(fitted: Fit) -> None:
    line = certificate_line(fitted)
    assert line.startswith("Converged: ") and f"{fitted.certificate.agreeing} of 144 starts" in line
    assert "\n" not in line and len(line) < 100
