"""The frontier over a range of budgets: its rows, its limits, its CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.planning.budget import machine_of
from isoflop.planning.planner import plan
from isoflop.planning.request import Request
from isoflop.planning.sweep import MOST_POINTS, parse_sweep, sweep

ASKED = Request(machine_of(None, "h100"))


def test_ranges_as_people_write_them() -> None:
    assert parse_sweep("1e20:1e26").tolist() == pytest.approx(np.geomspace(1e20, 1e26, 25))
    assert len(parse_sweep("1e20 FLOP:1e4 PF-days:7")) == 7
    for text in ("1e20", "1e22:1e20", "1e20:1e22:1", "1e20:1e22:2.5", "1e20:1e22:3:4", "a:b", f"1:2:{MOST_POINTS + 1}"):
        with pytest.raises(UsageError, match="sweep"):
            parse_sweep(text)


def test_each_row_is_the_plan_of_its_budget(ladder: Fit) -> None:
    found = sweep(ladder, ASKED, np.array([1e20, 1e21, 1e22]))
    for step in found.steps:
        made = plan(ladder, compute=step.compute)
        for name in ("params", "tokens", "tokens_per_param", "loss"):
            one, other = getattr(step, name), getattr(made, name)
            expected = [pytest.approx(value, rel=1e-5) for value in (other.value, other.low, other.high)]
            assert [one.value, one.low, one.high] == expected
        assert step.gpu_hours == pytest.approx(made.scaled["gpu_hours"].value)


def test_distance_warns_until_every_row_is_too_far(ladder: Fit) -> None:
    mixed, far = (sweep(ladder, ASKED, np.geomspace(low, 1e26, 4)) for low in (1e20, 1e24))
    assert not mixed.refused and far.refused
    assert mixed.steps[0].decades_beyond_data == pytest.approx(-1.0, abs=1e-6)
    assert mixed.steps[-1].decades_beyond_data == pytest.approx(5.0, abs=1e-6)


def test_limits_apply_to_each_row(ladder: Fit) -> None:
    asked = replace(ASKED, max_params=1e9, unique_tokens=20e9)
    found = sweep(ladder, asked, np.geomspace(1e20, 1e22, 5))
    assert all(step.params.value <= 1e9 * (1 + 1e-9) for step in found.steps)
    assert found.steps[-1].loss.value > sweep(ladder, ASKED, np.array([1e21, 1e22])).steps[-1].loss.value


def test_a_frontier_is_swept_along_itself(slices: FrontierFit) -> None:
    found = sweep(slices, ASKED, np.geomspace(1e20, 1e22, 3))
    assert [step.params.value for step in found.steps] == pytest.approx(
        [slices.allocation(step.compute)[0].value for step in found.steps]
    )
    assert all(step.loss.low < step.loss.value < step.loss.high for step in found.steps)


def test_csv_keeps_every_digit_and_leaves_unknowns_empty(ladder: Fit) -> None:
    found = sweep(ladder, ASKED, np.geomspace(1e20, 1e22, 3))
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [float(row["loss_low"]) for row in rows] == [step.loss.low for step in found.steps]
    published = sweep_of_published()
    assert next(csv.DictReader(io.StringIO(published.to_csv())))["params_low"] == ""
    assert (
        len(published.to_pandas()) == 2 and "tabular" in published.to_latex() and "<table>" in published._repr_html_()
    )
    assert "FLOP:" in str(published)


def sweep_of_published():  # type: ignore[no-untyped-def]
    from isoflop.planning.source import source_of

    return sweep(source_of("published:besiroglu2024"), ASKED, np.array([1e20, 1e21]))


def test_goals_do_not_go_with_a_sweep(ladder: Fit) -> None:
    for goal in ({"target_loss": 2.0}, {"params": 1e9}, {"tokens": 1e9}):
        with pytest.raises(UsageError, match="the budget varies"):
            sweep(ladder, replace(ASKED, **goal), np.array([1e20, 1e21]))
    with pytest.raises(UsageError, match="one value"):
        from isoflop.planning.source import source_of

        asked = replace(ASKED, others={"sparsity": (0.1, 0.5)})
        sweep(source_of("published:abnar2025"), asked, np.array([1e20, 1e21]))
