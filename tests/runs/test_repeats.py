"""Rows that are alike: found by hashing, equal to what a comparison of all pairs finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from isoflop.runs.repeats import alike, repeated_rows
from isoflop.runs.table import RunTable

CELLS = st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf"), 1e300])
ROWS = st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["", "a", "b"])), max_size=12)


@given(ROWS)
def test_repeated_rows_are_those_of_a_comparison_of_all_pairs(rows: list[tuple[float, float, str]]) -> None:
    table = RunTable.from_columns(
        {
            "x": np.array([row[0] for row in rows]),
            "y": np.array([row[1] for row in rows]),
            "name": np.array([row[2] for row in rows], dtype=object),
        }
    )
    expected = []
    texts = [tuple(map(repr, row)) for row in rows]
    for place, text in enumerate(texts):
        if text in texts[:place]:
            expected.append((place, texts.index(text)))
    assert repeated_rows(table) == expected


def test_the_name_of_the_source_is_ignored_and_groups_keep_their_order() -> None:
    columns = {"params": [1.0, 1.0, 2.0, 1.0], "source": np.array(["a", "b", "a", "c"], dtype=object)}
    table = RunTable.from_columns(columns)
    assert repeated_rows(table) == [(1, 0), (3, 0)]
    assert alike(table, ["params"]) == [[0, 1, 3]]
    assert repeated_rows(RunTable.from_columns({})) == []


def test_a_million_rows_take_less_than_seconds() -> None:
    numbers = np.arange(1_000_000, dtype=np.float64)
    numbers[-1] = 7.0
    assert repeated_rows(RunTable.from_columns({"x": numbers, "y": numbers * 2})) == [(999_999, 7)]
