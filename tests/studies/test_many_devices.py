"""A run on several processes: how a study asks for it, and what its worker survives."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

from isoflop.errors import InputError, MissingExtraError, UsageError
from isoflop.runs.directory import Attempt, RunDirectory, create_run_directory
from isoflop.runs.run import Run
from isoflop.runs.spec import Devices, Launch
from isoflop.studies.driver import PreparedStudy, prepare_study
from isoflop.studies.engine import BUSY, CANNOT_GO_ON, CRASHED, DONE, STOPPED
from isoflop.studies.engines import engine_for
from isoflop.studies.rank import SECONDS_TO_SAVE
from isoflop.studies.study_file import read_study
from isoflop.studies.worker import Outcome, work

MakeStudy = Callable[..., Path]
AT_THE_END = 'tokens = "48k"\n'
finds_processes = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
# At higher rates rounding grows to differences that can be seen, between one process and itself in micro-batches too.
ONE_LONG_RUN = (('"4k", "8k", "16k"', '"400k"'), ("[8, 16, 24]", "[16]"), ("coefficient = 0.25", "coefficient = 0.02"))


def with_devices(told: str) -> tuple[str, str]:
    return AT_THE_END, f"{AT_THE_END}[devices]\n{told}\n"


def test_a_study_says_how_many_devices_train_a_run(make_study: MakeStudy) -> None:
    study = read_study(make_study(with_devices('processes = 4\nstrategy = "fsdp"')))
    assert study.launch.devices == Devices("fsdp", 4)
    assert (study.site.slurm.cpus, study.site.ray.cpus) == (4, 4.0), "a core for each process"
    plain = read_study(make_study())
    assert (plain.launch, plain.site.slurm.cpus) == (Launch(), 1)
    assert [run.spec for run in prepare_study(make_study(with_devices("processes = 2"))).planned] == [
        run.spec for run in prepare_study(make_study()).planned
    ], "the runs are the same ones"


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        (
            'processes = 2\nstrategy = "zero"',
            r"devices\.strategy='zero' is not possible: input should be 'ddp', 'fsdp'",
        ),
        ('strategy = "ddp"', r"devices\.processes is missing"),
        ("processes = 0", r"devices\.processes=0 is not possible"),
        ("processes = 2\ncount = 3", r"devices\.count is not a key of a study: allowed here are processes, strategy"),
    ],
)
def test_what_cannot_be_is_said_with_its_key(make_study: MakeStudy, told: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_study(make_study(with_devices(told)))


def test_a_batch_that_does_not_divide_is_refused_before_anything_is_trained(make_study: MakeStudy) -> None:
    place = make_study(with_devices("processes = 3"))
    with pytest.raises(
        UsageError, match=r"devices\.processes=3 .* batch_tokens=256 must be a multiple of 3 x context=32"
    ):
        prepare_study(place)
    assert not (place.parent / "runs").exists()


def test_deepspeed_is_asked_for_before_anything_is_trained(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "deepspeed" else there(name))
    with pytest.raises(MissingExtraError, match=r"isoflop\[deepspeed\]"):
        prepare_study(make_study(with_devices('processes = 2\nstrategy = "deepspeed-zero3"')))


def test_a_time_that_nothing_was_measured_for_says_so(make_study: MakeStudy) -> None:
    assert "on 2 cores, 2 for each run, reckoned as on one core each." in str(
        prepare_study(make_study(with_devices("processes = 2")))
    )
    assert "reckoned" not in str(prepare_study(make_study()))


def test_a_run_directory_says_how_many_only_where_there_are_several(make_study: MakeStudy) -> None:
    _, directory = prepared_run(make_study())
    assert not directory.launch_path.exists()
    several = Launch(devices=Devices("fsdp", 2))
    for launch in (several, Launch()):
        directory.set_launch(launch)
        assert directory.launch() == launch


def test_a_machine_trains_fewer_runs_at_once_the_more_processes_each_has(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isoflop.studies.processes.usable_cores", lambda: 8)
    engine = engine_for(make_study(with_devices("processes = 4")))
    engine.close()
    assert engine.slots == 2


def prepared_run(place: Path) -> tuple[PreparedStudy, RunDirectory]:
    prepared = prepare_study(place)
    directory = create_run_directory(prepared.directory, prepared.planned[0].spec)
    directory.set_launch(prepared.study.launch)
    return prepared, directory


def start_worker(prepared: PreparedStudy, directory: RunDirectory) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "isoflop.studies.worker", str(prepared.directory), directory.identifier],
        stderr=subprocess.DEVNULL,
    )


def two_at_work(make_study: MakeStudy) -> tuple[RunDirectory, subprocess.Popen[bytes]]:
    """One long run, and a worker that trains it with two processes."""
    prepared, directory = prepared_run(make_study(*ONE_LONG_RUN, with_devices("processes = 2")))
    return directory, start_worker(prepared, directory)


def until_it_trains(directory: RunDirectory, number: int, seconds: float = 240.0) -> Attempt:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        attempts = directory.attempts()
        if attempts and attempts[-1].number == number and attempts[-1].metrics().records:
            return attempts[-1]
        time.sleep(0.02)
    raise AssertionError(f"attempt {number} has not begun")


def processes_of(attempt: Attempt) -> list[int]:
    """The processes that train, the first one first, then torchrun."""
    owner = attempt.owner()
    assert owner is not None
    parent = int(Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[1])
    children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [owner.pid, *(pid for pid in children if pid != owner.pid), parent]


def child_of(pid: int, seconds: float = 60.0) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            return int(children[0])
        time.sleep(0.005)
    raise AssertionError(f"process {pid} has started none")


def are_gone(pids: list[int], seconds: float = 40.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.05)
    return False


def trained_alone(place: Path) -> Run:
    prepared, directory = prepared_run(place)
    assert work(prepared.directory, directory.identifier, stop=threading.Event()) == Outcome(DONE)
    result = directory.result()
    assert result is not None
    return result


@pytest.mark.slow
@pytest.mark.timeout(900)
@finds_processes
def test_stopped_killed_and_finished_by_another_number_of_processes(make_study: MakeStudy) -> None:
    """SIGTERM saves; SIGKILL of any one ends all and costs nothing saved; one process can finish what two began."""
    prepared, directory = prepared_run(make_study(*ONE_LONG_RUN, with_devices("processes = 2")))
    worker = start_worker(prepared, directory)
    until_it_trains(directory, 1)
    busy = start_worker(prepared, directory)
    assert busy.wait() == BUSY
    worker.terminate()
    assert worker.wait() == STOPPED
    (checkpoint,) = directory.checkpoints()
    stopped_at = int(checkpoint.name.rpartition("-")[2])
    worker = start_worker(prepared, directory)
    attempt = until_it_trains(directory, 2)
    assert attempt.metrics().records[0]["step"] > stopped_at, "it went on from the checkpoint"
    first, second, torchrun = processes_of(attempt)
    os.kill(second, signal.SIGKILL)
    assert worker.wait() == CRASHED
    assert are_gone([first, second, torchrun])
    directory.set_launch(Launch())
    assert work(prepared.directory, directory.identifier, stop=threading.Event()) == Outcome(DONE)
    result, alone = directory.result(), trained_alone(make_study(*ONE_LONG_RUN))
    assert result is not None
    assert result.loss == pytest.approx(alone.loss, abs=1e-4)
    assert result.curve.step == alone.curve.step
    assert result.curve.loss == pytest.approx(alone.curve.loss, abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
@finds_processes
@pytest.mark.parametrize("victim", ["worker", "torchrun"])
def test_no_process_outlives_whoever_waits_for_it(make_study: MakeStudy, victim: str) -> None:
    directory, worker = two_at_work(make_study)
    pids = processes_of(until_it_trains(directory, 1))
    os.kill(worker.pid if victim == "worker" else pids[-1], signal.SIGKILL)
    worker.wait()
    assert are_gone(pids)
    assert directory.checkpoints(), "they saved before they went"
    assert not directory.is_done()


@pytest.mark.slow
@pytest.mark.timeout(300)
@finds_processes
def test_processes_whose_torchrun_dies_before_they_train_end_too(make_study: MakeStudy) -> None:
    directory, worker = two_at_work(make_study)
    torchrun = child_of(child_of(worker.pid))
    process = child_of(torchrun)
    os.kill(torchrun, signal.SIGKILL)
    assert worker.wait() == CRASHED
    assert are_gone([process], SECONDS_TO_SAVE + 30.0)
    assert not directory.attempts()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_fewer_devices_than_processes_end_the_study_with_one_sentence(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, directory = prepared_run(make_study(with_devices("processes = 2")))
    one_device = "import isoflop.lab.device, torch\nisoflop.lab.device.best_device = lambda: torch.device('mps')\n"
    (tmp_path / "sitecustomize.py").write_text(one_device)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    assert work(prepared.directory, directory.identifier, stop=threading.Event()) == Outcome(
        CANNOT_GO_ON, "devices.processes=2 is more than the devices of this machine, 1: lower it."
    )
