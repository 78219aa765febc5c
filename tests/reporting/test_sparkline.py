"""Profiles as lines of block characters."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.fitting.weak import WeakConstant
from isoflop.laws.law import coefficient, exponent
from isoflop.quantities import Estimate
from isoflop.reporting.sparkline import profile_lines, sparkline

VALLEY = WeakConstant(
    "power", exponent("alpha", "slope", "a"), Estimate(0.4, 0.3, 0.5), np.linspace(0.2, 0.6, 9),
    ((np.linspace(0.2, 0.6, 9) - 0.4) / 0.1) ** 2, False, False,
)  # fmt: skip
SLOPE = WeakConstant(
    "power", coefficient("E", "floor", (0.1, 10.0)), Estimate(0.1, None, 1.0), np.geomspace(0.01, 1.0, 9),
    np.array([0.2, 0.15, 0.1, 0.05, 0.0, 0.1, 0.4, 0.9, 1.4]), True, False,
)  # fmt: skip


def test_blocks_are_low_where_the_fit_is_good_and_full_where_it_is_refuted() -> None:
    line = sparkline(VALLEY, 17)
    assert line == "█████▄▂▁◆▁▂▄█████"
    assert set(line[:4] + line[-4:]) == {"█"}


def test_an_open_side_never_gets_a_full_block() -> None:
    line = sparkline(SLOPE)
    left, right = line.split("◆")
    assert "█" not in left and right.endswith("█")


@pytest.mark.parametrize(("value", "place"), [(0.01, 0), (5.0, -1)])
def test_a_fit_outside_of_the_profile_is_marked_at_its_end(value: float, place: int) -> None:
    moved = WeakConstant("power", VALLEY.parameter, Estimate(value), VALLEY.at, VALLEY.deviance, False, False)
    assert sparkline(moved)[place] == "◆"


def test_lines_are_aligned_and_say_which_side_is_open() -> None:
    heading, first, second = (line.plain for line in profile_lines([VALLEY, SLOPE], 0.9))
    assert "refuted at 90%" in heading
    assert first.startswith("  alpha  0.2 █") and first.endswith("█ 0.6")
    assert second.startswith("  E     0.01 ") and second.endswith(" 1  open below")


def test_laws_of_a_stack_are_named_and_nothing_weak_says_nothing() -> None:
    assert next(line for line in list(profile_lines([SLOPE], 0.9, stacked=True))[1:]).plain.startswith("  E of power ")
    assert list(profile_lines([], 0.9)) == []
