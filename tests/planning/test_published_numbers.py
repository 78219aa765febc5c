"""Every number that a paper prints about a plan: computed again, equal to its digits or off for a recorded cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import published_plans
from tests.planning.published_numbers import ROWS, Row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_printed_number_is_computed_again(row: Row) -> None:
    ours = row.ours()
    assert row.agrees(ours), f"{ours:.6g} is {row.gap(ours):+.2%} off {row.printed}. {row.cause}"


def test_the_page_is_up_to_date(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "disagreements.md").read_text(encoding="utf-8")
    assert page == published_plans.page(), "run python -m benchmarks.published_plans"
