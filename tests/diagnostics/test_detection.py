"""Planted faults are named: at least 20 of each of the 26 diagnostics; 60 and more run in `make check-statistics`."""

import re

import pytest

from isoflop.codes import codes, questions
from tests.diagnostics.trials import KINDS, LEAST_FLAGGED, LEAST_ROWS, kinds_of, seeds_each, tally

PLANTED = 20


@pytest.mark.parametrize("diagnostic", range(1, 27), ids=lambda number: f"D{number}")
def test_planted_faults_are_named_by_code_and_row(diagnostic):
    seeds = seeds_each(diagnostic, PLANTED)
    found = [tally(kind, seeds) for kind in kinds_of(diagnostic)]
    planted, flagged = sum(item.planted for item in found), sum(item.flagged for item in found)
    asked, right = sum(item.asked for item in found), sum(item.right_rows for item in found)
    assert planted >= PLANTED
    assert flagged >= LEAST_FLAGGED * planted
    # With some twenty faults one may fail; 98 % are asked of all together at full size.
    assert right >= min(LEAST_ROWS * asked, asked - 1)


def test_every_diagnostic_has_a_question_and_codes_and_is_planted():
    assert sorted(questions()) == list(range(1, 27))
    for number in range(1, 27):
        own = {code.name for code in codes() if code.diagnostic == number}
        planted = {name for kind in kinds_of(number) for name in kind.codes}
        assert own and planted & own, number


def test_every_planted_code_is_in_the_catalogue():
    known = {code.name for code in codes()}
    assert {name for kind in KINDS for name in kind.codes} <= known


def test_kinds_have_names_of_their_own():
    names = [kind.name for kind in KINDS]
    assert len(names) == len(set(names))
    assert not [name for name in names if re.search(r"[|\n]", name)]
