"""What a study shows while it trains, and what it says it will cost."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from isoflop.runs.directory import RunDirectory
from isoflop.studies.cost import seconds_on_one_core, speed_ratio, study_cost, wall_seconds
from isoflop.studies.dispatch import train_runs
from isoflop.studies.driver import prepare_study, run_study
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import (
    LiveReporter,
    PlainReporter,
    QuietReporter,
    RunProgress,
    StudyProgress,
    reporter_for,
)
from isoflop.studies.watch import Watch


def progress(done: int, count: int = 3, dollars: float | None = None) -> StudyProgress:
    states = ["done"] * done + ["running"] + ["waiting"] * (count - done - 1)
    runs = tuple(
        RunProgress(str(place), f"width {place}", state, 1.0 if state == "done" else 0.5, 2.0)  # type: ignore[arg-type]
        for place, state in enumerate(states[:count])
    )
    return StudyProgress("Training", runs, 90.0, 1.2e12, dollars)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_tell_each_run_once_and_not_those_from_before() -> None:
    console = Console(file=io.StringIO(), width=200)
    with PlainReporter(console) as reporter:
        for done in (1, 1, 2, 2, 3):
            reporter.update(progress(done))
    lines = written(console).splitlines()
    assert lines == [
        "Training: 1 of 3 runs are there.",
        "  [2/3] width 1: held-out loss 2.0000",
        "  [3/3] width 2: held-out loss 2.0000",
    ]


def test_plain_lines_give_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isoflop.studies.progress.SECONDS_BETWEEN_LINES", 0.0)
    console = Console(file=io.StringIO(), width=200)
    reporter = PlainReporter(console)
    for dollars in (None, 12.5, 0.004):
        reporter.update(progress(1, dollars=dollars))
    assert "1 of 3 runs done, 1 training, about 90 s and 1.2e12 FLOP to go" in written(console)
    assert "about 90 s and $12.50 to go" in written(console)
    assert "about 90 s and under a cent to go" in written(console)


def test_a_terminal_gets_a_table_and_a_pipe_gets_lines() -> None:
    console = Console(file=io.StringIO(), width=100, height=12, force_terminal=True, color_system=None)
    reporter = reporter_for(console)
    assert isinstance(reporter, LiveReporter)
    with reporter:
        reporter.update(progress(1))
        reporter.note("Next.")
        reporter.update(progress(3))
        reporter.update(progress(2, count=40))
    text = written(console)
    assert "width 1" in text and "50%" in text and "Next." in text and "and 32 more" in text
    assert isinstance(reporter_for(Console(file=io.StringIO())), PlainReporter)


def test_the_longest_jobs_first_fill_the_slots() -> None:
    assert wall_seconds([5.0, 4.0, 3.0, 3.0, 3.0], 2) == pytest.approx(10.0)
    assert wall_seconds([], 2) == 0.0
    assert wall_seconds([2.0, 1.0], 8) == 2.0


def test_speed_is_what_was_seen_over_what_was_expected() -> None:
    assert speed_ratio([(3.0, 1.0), (1.0, 1.0)]) == 2.0
    assert speed_ratio([]) == 1.0


def test_cost_counts_what_is_left_and_learns_from_what_is_done(make_study: Callable[..., Path]) -> None:
    prepared = prepare_study(make_study())
    assert prepared.cost.runs == 10 and prepared.cost.done == 0
    assert prepared.cost.compute == pytest.approx(sum(run.compute for run in prepared.planned))
    ladder = prepared.of("ladder")
    train_runs(
        prepared.directory,
        ladder[:2],
        engine_for(prepared.directory / "study.toml", "inline"),
        QuietReporter(),
        "the first two",
    )
    after = study_cost(prepared.directory, prepared.planned, 1)
    assert after.done == 2
    assert after.compute == pytest.approx(sum(run.compute for run in prepared.planned[2:]))
    seen = [RunDirectory(prepared.directory / "runs" / run.spec.identifier).result() for run in ladder[:2]]
    ratio = sum(run.seconds for run in seen if run) / sum(seconds_on_one_core(run.spec) for run in ladder[:2])
    left = sum(seconds_on_one_core(run.spec) for run in prepared.planned[2:])
    assert after.seconds == pytest.approx(ratio * left, abs=2 * 3.0 + 8 * 0.3 + 1e-9)
    assert after.seconds > ratio * left


def test_a_running_run_shows_how_far_it_is(make_study: Callable[..., Path]) -> None:
    prepared = prepare_study(make_study())
    run = prepared.planned[0]
    train_runs(
        prepared.directory, [run], engine_for(prepared.directory / "study.toml", "inline"), QuietReporter(), "one"
    )
    directory = RunDirectory(prepared.directory / "runs" / run.spec.identifier)
    directory.reopen()
    attempt = directory.start_attempt()
    assert attempt is not None
    attempt.log({"step": run.spec.steps // 2, "tokens": run.spec.tokens // 2, "loss": 1.5})
    seen = Watch("Training", [run], {run.spec.identifier: directory}, 1).look({run.spec.identifier})
    assert seen.runs[0].state == "running" and seen.runs[0].fraction == pytest.approx(0.5) and seen.runs[0].loss == 1.5
    assert seen.remaining_seconds == pytest.approx(seconds_on_one_core(run.spec) / 2)
    assert seen.remaining_compute == pytest.approx(run.compute / 2) and seen.remaining_dollars is None
    priced = Watch("Training", [run], {run.spec.identifier: directory}, 1, 3600.0).look({run.spec.identifier})
    assert priced.remaining_dollars == pytest.approx(seen.remaining_seconds)


@pytest.mark.slow
def test_what_is_left_goes_down_to_nothing_in_seconds_flop_and_dollars(make_study: Callable[..., Path]) -> None:
    place = make_study(("[fit]", '[cost]\nprice_per_hour = "$3600"\n[fit]'))
    seen: list[StudyProgress] = []

    class Watching(QuietReporter):
        def update(self, progress: StudyProgress) -> None:
            seen.append(progress)

    run_study(place, engine=engine_for(place, "inline"), reporter=Watching())
    ladder = [progress for progress in seen if progress.title == "Training the ladder"]
    compute = [progress.remaining_compute for progress in ladder]
    assert compute == sorted(compute, reverse=True) and compute[0] > compute[-1] == 0.0
    assert [progress.remaining_dollars for progress in (ladder[-1], seen[-1])] == [0.0, 0.0]
    assert any(progress.remaining_dollars for progress in ladder)
