"""Stitching: restarted runs become one rising series, what was replaced is counted, and endings are told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoflop.readers.log import Overlap, Recorder, RunLog, Series, flattened, number_of, summed
from isoflop.readers.outcomes import outcome_of


def recorded(*pieces: dict[str, list[tuple[float, float]]]) -> Recorder:
    recorder = Recorder()
    for piece in pieces:
        recorder.begin_piece()
        for metric, points in piece.items():
            for step, value in points:
                recorder.add(step, metric, value)
    return recorder


def points(series: Series) -> list[tuple[float, float]]:
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def test_a_later_piece_replaces_what_earlier_ones_logged_from_its_start_on() -> None:
    first = {"loss": [(10, 3.0), (20, 2.9), (30, 2.8), (40, 9.9)], "val": [(20, 3.1), (40, 9.9)]}
    series, overlap = recorded(first, {"loss": [(25, 2.7), (35, 2.6)]}).stitched()
    assert points(series["loss"]) == [(10, 3.0), (20, 2.9), (25, 2.7), (35, 2.6)]
    assert points(series["val"]) == [(20, 3.1)], "the branch that was given up took its held-out loss with it"
    assert overlap == Overlap(points=3, start=30, end=40)


def test_files_without_a_metric_in_common_are_writers_beside_each_other() -> None:
    series, overlap = recorded({"loss": [(10, 3.0), (20, 2.9)]}, {"val": [(5, 3.3), (20, 3.1)]}).stitched()
    assert points(series["loss"]) == [(10, 3.0), (20, 2.9)]
    assert points(series["val"]) == [(5, 3.3), (20, 3.1)]
    assert overlap is None


def test_steps_that_go_back_begin_a_piece_and_a_step_written_twice_counts_once() -> None:
    series, overlap = recorded({"loss": [(1, 3.0), (2, 2.9), (3, 2.8), (2, 2.5), (3, 2.4)]}).stitched()
    assert points(series["loss"]) == [(1, 3.0), (2, 2.5), (3, 2.4)]
    assert overlap == Overlap(2, 2, 3)
    series, overlap = recorded({"loss": [(1, 3.0), (1, 2.0)]}).stitched()
    assert (points(series["loss"]), overlap) == ([(1, 2.0)], None)


def test_ten_pieces_of_a_job_that_was_killed_again_and_again_are_one_run() -> None:
    pieces = [
        {"loss": [(float(step), float(piece)) for step in range(100 * piece, 100 * piece + 150, 10)]}
        for piece in range(10)
    ]
    series, overlap = recorded(*pieces).stitched()
    assert series["loss"].steps.tolist() == list(range(0, 1050, 10))
    assert series["loss"].values[:10].tolist() == [0.0] * 10
    assert series["loss"].last == 9.0
    assert overlap is not None and overlap.points == 9 * 5


def test_tokens_of_steps_add_up_whether_every_step_is_logged_or_not() -> None:
    every = Series(np.array([0.0, 1.0, 2.0]), np.array([8.0, 8.0, 8.0]))
    tenth = Series(np.array([10.0, 20.0]), np.array([8.0, 8.0]))
    assert summed(every).values.tolist() == [8, 16, 24]
    assert summed(tenth).values.tolist() == [80, 160]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0),
        (2.5, 2.5),
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("3", None),
        (True, None),
        (None, None),
        (10**400, None),
    ],
)
def test_what_counts_as_a_logged_number(value: object, number: float | None) -> None:
    found = number_of(value)
    assert found is number or found == number or (found != found and number != number)


def test_settings_are_flattened_to_scalars_of_bounded_depth_and_size() -> None:
    nested: dict[str, object] = {"a": 1}
    for _ in range(30):
        nested = {"b": nested, "c": 2}
    assert all(name.count(".") <= 8 for name in flattened(nested))
    assert flattened({"x": [1], "y": {"z": "w"}, "big": 10**400}) == {"y.z": "w"}


def log_of(values: list[float], steps: list[float] | None = None, **fields: object) -> RunLog:
    places = np.arange(1.0, len(values) + 1) if steps is None else np.array(steps)
    return RunLog("a", "a", {"val": Series(places, np.array(values))}, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("log", "state", "reason"),
    [
        (log_of([4.0, 3.0, 2.0]), "", ""),
        (log_of([4.0, 3.0, 2.0], ending="finished"), "finished", ""),
        (log_of([4.0, 3.0, 2.0], ending="failed"), "failed", "killed"),
        (log_of([4.0, 3.0, 2.0], ending="running"), "unfinished", "running"),
        (log_of([4.0, 3.0, 2.0], facts={"total_steps": 3.0}), "finished", ""),
        (log_of([4.0, 3.0, 2.0], facts={"total_steps": 3.0}, ending="failed"), "finished", ""),
        (log_of([4.0, 3.0, 2.0], facts={"total_steps": 10.0}), "unfinished", "step 3 of 10"),
        (log_of([4.0, 3.0, 2.0], config={"max_steps": "10"}), "unfinished", "step 3 of 10"),
        (log_of([4.0, 3.0, math.nan, math.nan]), "diverged", "from step 3 on"),
        (log_of([4.0, 3.0, 2.0, 7.0, 7.1, 7.2]), "diverged", "above the 4"),
        (log_of([4.0, 3.0, 2.0, 3.9]), "", ""),
        (log_of([2.0, 3.0]), "", ""),
    ],
)  # fmt: skip
def test_how_a_run_ended(log: RunLog, state: str, reason: str) -> None:
    outcome = outcome_of(log, ("val",))
    assert outcome.state == state
    assert reason in outcome.reason
