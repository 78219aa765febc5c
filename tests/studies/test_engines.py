"""What every engine must do. A new engine adds one line to `ENGINES`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isoflop.runs.directory import RunDirectory, create_run_directory
from isoflop.runs.run import Run
from isoflop.studies.driver import PreparedStudy, prepare_study
from isoflop.studies.engine import BUSY, CANNOT_GO_ON, DONE, STOPPED, Engine, Job, JobStatus
from isoflop.studies.inline import InlineEngine
from isoflop.studies.launchers import NurseryLauncher, SpawnLauncher
from isoflop.studies.processes import ProcessEngine
from isoflop.studies.study import PlannedRun

ENGINES: dict[str, Callable[[Path], Engine]] = {
    "inline": InlineEngine,
    "processes": lambda place: ProcessEngine(place, 2, SpawnLauncher(place)),
    "nursery": lambda place: ProcessEngine(place, 2, NurseryLauncher(place)),
}
# Long enough that it is still training when a test stops it, short enough to be trained to its end.
LONG = ('"4k", "8k", "16k"', '"200k"')


@pytest.fixture(params=sorted(ENGINES))
def make_engine(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Engine]]:
    made: list[Engine] = []

    def make(place: Path) -> Engine:
        made.append(ENGINES[request.param](place))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def submit(engine: Engine, prepared: PreparedStudy, planned: list[PlannedRun]) -> None:
    for run in planned:
        create_run_directory(prepared.directory, run.spec)
    engine.submit([Job(run.spec.identifier, run.compute / 1e9) for run in planned])


def until_ended(engine: Engine, count: int, seconds: float = 60.0) -> dict[str, JobStatus]:
    ended: dict[str, JobStatus] = {}
    deadline = time.monotonic() + seconds
    while len(ended) < count:
        assert time.monotonic() < deadline, f"only {ended} ended"
        for identifier, status in engine.poll().items():
            assert identifier not in ended, "a job that ended was told twice"
            if status.state == "ended":
                ended[identifier] = status
        time.sleep(0.02)
    assert not engine.poll()
    return ended


def result_of(prepared: PreparedStudy, run: PlannedRun) -> Run:
    result = RunDirectory(prepared.directory / "runs" / run.spec.identifier).result()
    assert result is not None
    return result


@pytest.fixture(scope="module")
def reference() -> Callable[[PreparedStudy, PlannedRun], Run]:
    """A run as the inline engine trains it without interruption; `elsewhere` is a study that has it too."""
    kept: dict[str, Run] = {}

    def train(elsewhere: PreparedStudy, run: PlannedRun) -> Run:
        if run.spec.identifier not in kept:
            engine = InlineEngine(elsewhere.directory)
            submit(engine, elsewhere, [run])
            until_ended(engine, 1)
            kept[run.spec.identifier] = result_of(elsewhere, run)
        return kept[run.spec.identifier]

    return train


def assert_same_bits(first: Run, second: Run) -> None:
    assert first.state == second.state == "done"
    assert (first.loss, first.loss_standard_error, first.curve) == (
        second.loss,
        second.loss_standard_error,
        second.curve,
    )


def test_jobs_end_done_with_the_bits_of_the_reference(
    make_study: Callable[..., Path],
    make_engine: Callable[[Path], Engine],
    reference: Callable[[PreparedStudy, PlannedRun], Run],
) -> None:
    prepared, elsewhere = prepare_study(make_study()), prepare_study(make_study())
    chosen = list(prepared.planned[:2])
    engine = make_engine(prepared.directory)
    submit(engine, prepared, chosen)
    ended = until_ended(engine, 2)
    assert {status.exit_code for status in ended.values()} == {DONE}
    for run in chosen:
        assert_same_bits(result_of(prepared, run), reference(elsewhere, run))
    # A run that is done is left as it is.
    first = RunDirectory(prepared.directory / "runs" / chosen[0].spec.identifier)
    before = first.result_path.read_bytes()
    submit(engine, prepared, chosen[:1])
    assert until_ended(engine, 1)[first.identifier].exit_code == DONE
    assert first.result_path.read_bytes() == before and len(first.attempts()) == 1


def test_a_cancelled_job_saves_and_goes_on_to_the_same_bits(
    make_study: Callable[..., Path],
    make_engine: Callable[[Path], Engine],
    reference: Callable[[PreparedStudy, PlannedRun], Run],
) -> None:
    prepared, elsewhere = prepare_study(make_study(LONG)), prepare_study(make_study(LONG))
    run = prepared.planned[0]
    directory = create_run_directory(prepared.directory, run.spec)
    engine = make_engine(prepared.directory)
    submit(engine, prepared, [run])

    def cancel_when_under_way() -> None:
        while not (directory.attempts() and directory.attempts()[0].metrics_path.exists()):
            time.sleep(0.01)
        time.sleep(0.1)
        engine.cancel()

    canceller = threading.Thread(target=cancel_when_under_way)
    canceller.start()
    assert until_ended(engine, 1)[run.spec.identifier].exit_code == STOPPED
    canceller.join()
    assert not directory.is_done() and directory.checkpoints()
    assert "interrupted" in engine.logs(directory.identifier)

    again = make_engine(prepared.directory)
    submit(again, prepared, [run])
    assert until_ended(again, 1)[directory.identifier].exit_code == DONE
    assert_same_bits(result_of(prepared, run), reference(elsewhere, run))
    assert directory.attempts()[1].metrics().records[0]["step"] > 1
    assert not directory.checkpoints()


def test_a_run_that_a_living_worker_has_is_busy(
    make_study: Callable[..., Path], make_engine: Callable[[Path], Engine]
) -> None:
    prepared = prepare_study(make_study())
    run = prepared.planned[0]
    assert create_run_directory(prepared.directory, run.spec).start_attempt() is not None
    engine = make_engine(prepared.directory)
    submit(engine, prepared, [run])
    assert until_ended(engine, 1)[run.spec.identifier].exit_code == BUSY


def test_damaged_text_stops_the_study_and_names_the_file(
    make_study: Callable[..., Path], make_engine: Callable[[Path], Engine]
) -> None:
    prepared = prepare_study(make_study())
    tokens = next(prepared.directory.glob("corpus/*/tokens.npy"))
    damaged = bytearray(tokens.read_bytes())
    damaged[5000] ^= 1
    tokens.write_bytes(bytes(damaged))
    run = prepared.planned[0]
    engine = make_engine(prepared.directory)
    submit(engine, prepared, [run])
    status = until_ended(engine, 1)[run.spec.identifier]
    assert status.exit_code == CANNOT_GO_ON
    assert "tokens.npy" in status.message and "Traceback" not in status.message


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("make_engine", ["processes"], indirect=True)
def test_a_run_on_two_devices_has_the_losses_of_one(
    make_study: Callable[..., Path],
    make_engine: Callable[[Path], Engine],
    reference: Callable[[PreparedStudy, PlannedRun], Run],
) -> None:
    # At a low rate: rounding grows with it.
    rate = ("coefficient = 0.25", "coefficient = 0.02")
    prepared = prepare_study(make_study(rate, ("[fit]", '[devices]\nprocesses = 2\nstrategy = "fsdp"\n[fit]')))
    elsewhere = prepare_study(make_study(rate))
    run = prepared.planned[0]
    create_run_directory(prepared.directory, run.spec).set_launch(prepared.study.launch)
    engine = make_engine(prepared.directory)
    submit(engine, prepared, [run])
    assert until_ended(engine, 1, 200.0)[run.spec.identifier].exit_code == DONE
    result, alone = result_of(prepared, run), reference(elsewhere, run)
    assert result.curve.step == alone.curve.step
    assert result.curve.loss == pytest.approx(alone.curve.loss, abs=1e-4)
    assert result.loss == pytest.approx(alone.loss, abs=1e-4)
