"""Small models side by side in a study: who goes with whom, and what is left when a whole stack is shot."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from isoflop import records
from isoflop.runs.directory import RunDirectory, create_run_directory
from isoflop.runs.run import Run
from isoflop.studies.dispatch import train_runs
from isoflop.studies.driver import PreparedStudy, prepare_study
from isoflop.studies.engine import CRASHED, STOPPED
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import QuietReporter
from isoflop.studies.stacks import FILE, claim_mates, stacks_of, write_stacks

SWEEP = (
    ('name = "tiny"', 'name = "tiny"\nstack = 4'),
    ("widths = [8, 16, 24]", "widths = [8, 16]\nseeds = 3"),
    ('"4k", "8k", "16k"', '"8k", "20k"'),
)
LONGER = (*SWEEP[:2], ('"4k", "8k", "16k"', '"500k"'))


def train(prepared: PreparedStudy, engine: str, stack: int) -> dict[str, Run]:
    place = prepared.directory
    held = engine_for(place / "study.toml", engine)
    try:
        train_runs(place, prepared.of("ladder"), held, QuietReporter(), "ladder", stack=stack)
    finally:
        held.close()
    runs = {
        name: RunDirectory(place / "runs" / name).result()
        for name in (run.spec.identifier for run in prepared.of("ladder"))
    }
    return {name: run for name, run in runs.items() if run is not None}


def test_stacks_are_even_and_of_one_kind(make_study: Callable[..., Path]) -> None:
    prepared = prepare_study(make_study(*SWEEP))
    assert prepared.study.stack == 4
    planned = prepared.of("ladder")
    stacks = stacks_of(planned, 4)
    assert [len(stack) for stack in stacks] == [3, 3, 3, 3], "two kinds of six: not four and two"
    assert all(len({run.spec.shape for run in stack}) == 1 for stack in stacks)
    assert stacks_of(planned, 1) == ()
    ordered = write_stacks(prepared.directory, planned, 4)
    assert set(ordered) == set(planned)
    assert [run in ordered[:4] for run in (stack[0] for stack in stacks)] == [True] * 4
    write_stacks(prepared.directory, planned, 1)
    assert not (prepared.directory / FILE).exists()


def test_a_run_for_several_devices_is_in_no_stack(make_study: Callable[..., Path]) -> None:
    several = ('tokens = "48k"\n', 'tokens = "48k"\n[devices]\nprocesses = 2\n')
    prepared = prepare_study(make_study(*SWEEP, several))
    planned, devices = prepared.of("ladder"), prepared.study.launch.devices
    assert stacks_of(planned, 4) and stacks_of(planned, 4, devices) == ()
    write_stacks(prepared.directory, planned, 4)
    assert write_stacks(prepared.directory, planned, 4, devices) == tuple(planned)
    assert not (prepared.directory / FILE).exists(), "nothing that was said before holds"


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_study_in_stacks_comes_to_the_same(make_study: Callable[..., Path], engine: str) -> None:
    together = train(prepare_study(make_study(*SWEEP)), engine, stack=4)
    alone = train(prepare_study(make_study(*SWEEP[1:])), "inline", stack=1)
    assert together.keys() == alone.keys() and len(alone) == 12
    for name, run in together.items():
        assert run.state == "done"
        assert run.loss == pytest.approx(alone[name].loss, abs=1e-4)
        assert run.curve.step == alone[name].curve.step


@pytest.mark.slow
def test_a_stack_that_is_shot_costs_no_result_and_is_not_tried_again(make_study: Callable[..., Path]) -> None:
    prepared = prepare_study(make_study(*LONGER))
    place = prepared.directory
    shot: list[int] = []

    def shoot() -> None:
        deadline = time.monotonic() + 60.0
        while not shot and time.monotonic() < deadline:
            attempts = [run.attempts()[-1] for run in map(RunDirectory, place.glob("runs/*")) if run.attempts()]
            owners = Counter(owner.pid for each in attempts if each.metrics_path.exists() and (owner := each.owner()))
            shot.extend(pid for pid, count in owners.most_common(1) if count == 3)
            time.sleep(0.02)
        os.kill(shot[0], signal.SIGKILL)

    marksman = threading.Thread(target=shoot)
    marksman.start()
    runs = train(prepared, "local", stack=4)
    marksman.join()
    assert len(runs) == 6 and all(run.state == "done" for run in runs.values())
    again = [RunDirectory(place / "runs" / name).attempts() for name in runs]
    hit = [attempts for attempts in again if len(attempts) > 1]
    assert len(hit) == 3, "the three of the stack"
    assert all(attempts[0].end() is None for attempts in hit)
    starts = [{owner.pid for attempts in hit if (owner := attempts[-1].owner())}]
    assert len(starts[0]) == 3, "each was tried again in a process of its own"


def test_mates_are_free_runs_that_were_stopped_in_order(make_study: Callable[..., Path]) -> None:
    prepared = prepare_study(make_study(*SWEEP))
    place, planned = prepared.directory, prepared.of("ladder")
    write_stacks(place, planned, 6)
    names = records.read_record(place / FILE, "isoflop.stacks/1")["stacks"][0]
    first, taken, crashed, stopped, cut_off, free = (RunDirectory(place / "runs" / name) for name in names)
    for run in planned:
        create_run_directory(place, run.spec)
    for run, code in ((taken, None), (crashed, CRASHED), (stopped, STOPPED)):
        attempt = run.start_attempt()
        assert attempt is not None
        if code is not None:
            attempt.record_end(code, "")
            attempt.release()
    cut = cut_off.start_attempt()
    assert cut is not None
    cut.release()
    assert first.start_attempt() is not None
    mates = list(claim_mates(place, first))
    assert [mate.identifier for mate, _ in mates] == [stopped.identifier, free.identifier]
    assert [attempt.number for _, attempt in mates] == [2, 1]
    own = crashed.start_attempt()
    assert own is not None
    assert list(claim_mates(place, crashed)) == [], "one that crashed is tried again alone"
