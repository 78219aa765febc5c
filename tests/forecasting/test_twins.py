"""The rows of a joint fit: twins become a mean and a ratio, and are resampled together."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.fitting.fit import predict
from isoflop.forecasting.comparability import meeting_of
from isoflop.forecasting.joint_law import Freedom, joint_law
from isoflop.forecasting.twins import GROUP, Ladders, near, twinned
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable

LAW = find("chinchilla")
STARTS = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}


def ladders(**more: object) -> Ladders:
    """Two twins (one of them doubled by a second seed of the baseline) and a run of either recipe alone."""
    columns = {
        "params": [1e8, 2e8, 4e8, 1e8, 2.001e8, 9e8, 1e8],
        "tokens": [1e9, 1e9, 1e9, 1e9, 1e9, 1e9, 1e9],
        "loss": [3.0, 2.8, 2.6, 2.9, 2.7, 2.2, 3.2],
        **more,
    }
    other = np.array([False, False, False, True, True, True, False])
    runs = RunTable.from_columns(columns)
    return Ladders(runs, other, runs.compute(), LAW)


def test_twins_are_a_mean_and_a_ratio_and_the_rest_stay_themselves() -> None:
    rows = twinned(ladders(), 1e18, "auto", "none")
    table = rows.table
    assert rows.twins == 2
    shares = list(zip(table["baseline_share"], table["family_share"], strict=True))
    assert shares.count((0.5, 0.5)) == shares.count((-1.0, 1.0)) == 2
    assert shares.count((1.0, 0.0)) == shares.count((0.0, 1.0)) == 1
    ratio = table["loss"][shares.index((-1.0, 1.0))]
    assert ratio == pytest.approx(2.9 / np.sqrt(3.0 * 3.2))
    assert table["loss"][shares.index((0.5, 0.5))] == pytest.approx(np.sqrt(2.9 * np.sqrt(3.0 * 3.2)))


def test_twins_are_resampled_together_and_others_alone() -> None:
    groups = twinned(ladders(), 1e18, "auto", "none").table[GROUP]
    assert len(set(groups.tolist())) == 4  # two sets of twins, two runs alone
    apart = twinned(ladders(), 1e18, "none", "none")
    assert apart.twins == 0 and len(set(apart.table[GROUP].tolist())) == 7


def test_checkpoints_of_a_run_draw_their_twins_into_one_group() -> None:
    both = ladders(run=["a", "a", "b", "x", "y", "y", "c"])
    groups = twinned(both, 1e18, "auto", "run").table[GROUP]
    # a and c are twins of x, a of y: all of them vary together, and b alone
    assert len(set(groups.tolist())) == 2
    alone = twinned(both, 1e18, "none", "run").table[GROUP]
    assert len(set(alone.tolist())) == 5


def test_groups_of_one_size_are_those_of_a_recipe_where_nothing_is_paired() -> None:
    groups = twinned(ladders(), 1e18, "none", "auto").table[GROUP]
    assert len(set(groups.tolist())) == 6


def test_rows_name_the_line_of_the_recipe_that_is_compared() -> None:
    table = twinned(ladders(), 1e18, "auto", "none").table
    assert set(table.row.tolist()) == {4, 5, 6, 7}


def test_weights_follow_their_runs() -> None:
    plain = ladders(w=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    table = twinned(Ladders(plain.runs, plain.other, plain.compute, LAW, "w"), 1e18, "auto", "none").table
    assert sorted(table["w"].tolist()) == [3.0, 3.5, 3.5, 4.0, 4.0, 6.0]


def test_the_joint_law_of_a_pair_is_their_mean_and_their_ratio() -> None:
    law = joint_law(LAW, Freedom(), STARTS)
    theta = np.array([[*STARTS.values(), np.log(1.5), 0.1]])
    point = {"params": 1e8, "tokens": 1e9, "decades_from_reference": 2.0}

    def at(baseline: float, family: float) -> float:
        shares = {"baseline_share": baseline, "family_share": family}
        return float(predict(law, theta, {name: np.array([v]) for name, v in {**point, **shares}.items()})[0, 0])

    gain = np.exp(0.5 * (np.log(1.5) + 0.2))
    base = np.array([list(STARTS.values())])
    plain, grown = (
        float(predict(LAW, base, {"params": np.array([1e8 * g]), "tokens": np.array([1e9 * g])})[0, 0])
        for g in (1.0, gain)
    )
    assert (at(1.0, 0.0), at(0.0, 1.0)) == (pytest.approx(plain), pytest.approx(grown))
    assert at(-1.0, 1.0) == pytest.approx(grown / plain)
    assert at(0.5, 0.5) == pytest.approx(np.sqrt(grown * plain))


def test_recipes_meet_where_both_have_runs() -> None:
    meeting = meeting_of(ladders())
    assert (meeting.low, meeting.high) == (6e17, 2.4e18)
    assert (meeting.baseline_runs, meeting.family_runs) == (3, 2)
    assert not meeting.tells_trend


def test_near_values_have_one_number() -> None:
    assert near(np.array([2.0, 1.0, 1.0099, 1.02, 2.0])).tolist() == [2, 0, 0, 1, 2]
    assert near(np.array([0.0, 0.0, -1.0])).tolist() == [1, 1, 0]
