"""Training a set of runs on an engine: submit, watch, try again, and stop in good order when asked to.

What is done is read from the run directories, so killing this process at any moment loses nothing: the next one
finds the finished runs finished and goes on with the rest.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from isoflop.accounting.parameters import count_parameters
from isoflop.errors import EnvironmentFailure, IsoflopError
from isoflop.runs.directory import RunDirectory, create_run_directory
from isoflop.runs.run import Run
from isoflop.runs.spec import ONE_DEVICE, Launch, RunSpec
from isoflop.studies.cost import seconds_on_one_core
from isoflop.studies.engine import BUSY, CANNOT_GO_ON, STOPPED, Engine, Job, JobStatus
from isoflop.studies.progress import Reporter
from isoflop.studies.stacks import write_stacks
from isoflop.studies.study import PlannedRun
from isoflop.studies.watch import Watch

RETRIES = 2
"""Crashes in a row, without a new checkpoint between them, that a run may have before it is recorded as failed."""

SECONDS_BETWEEN_POLLS = 0.1
SECONDS_BETWEEN_REPORTS = 0.2
SECONDS_BEFORE_ASKING_AGAIN = 1.0
LONGEST_BEFORE_ASKING_AGAIN = 30.0
SECONDS_TO_STOP = 3.2
SECONDS_TO_DIE = 0.6


class StudyInterrupted(IsoflopError):
    """The study was stopped by a signal; everything finished is kept, and it can go on. Exit 130 or 143."""

    def __init__(self, number: int, study_directory: Path, left_behind: str = "") -> None:
        self.exit_code = 128 + number
        kept = f"stopped: finished runs and checkpoints are in {study_directory}; run the same command again to go on."
        super().__init__(f"{kept}\n{left_behind}" if left_behind else kept)


class Interruption:
    """Whether a signal asked to stop, and how often."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.since = 0.0


def train_runs(
    study_directory: Path,
    planned: Sequence[PlannedRun],
    engine: Engine,
    reporter: Reporter,
    title: str,
    launch: Launch | None = None,
    retries: int = RETRIES,
    stack: int = 1,
    dollars_per_hour: float | None = None,
) -> None:
    """Train what is not done of `planned`, in order; one that cannot be trained is recorded as failed and left behind.

    `launch` says how a program of the user's is started, where one trains; `retries` how often in a row a run may crash
    before it counts as one that cannot be trained, `stack` how many small models are trained side by side,
    `dollars_per_hour` what an hour on one slot costs, to be told while it goes on.

    Raises:
        StudyInterrupted: a signal asked to stop.
        EnvironmentFailure: a worker said that the study cannot go on (no space, damaged text).
    """
    directories = {run.spec.identifier: create_run_directory(study_directory, run.spec) for run in planned}
    if launch is not None:
        for directory in directories.values():
            directory.set_launch(launch)
    planned = write_stacks(study_directory, planned, stack, launch.devices if launch else ONE_DEVICE)
    watch = Watch(title, planned, directories, engine.slots, dollars_per_hour)
    with _interruptible(engine) as interruption:
        dispatch = _Dispatch(directories, planned, engine, interruption, retries)
        try:
            dispatch.begin()
            last_report = -math.inf
            while dispatch.open:
                dispatch.turn()
                if not dispatch.open or time.monotonic() - last_report >= SECONDS_BETWEEN_REPORTS:
                    reporter.update(watch.look(dispatch.running, dispatch.ended))
                    dispatch.ended.clear()
                    last_report = time.monotonic()
                if interruption.number is not None and time.monotonic() - interruption.since > SECONDS_TO_STOP:
                    break
        finally:
            if dispatch.open:
                _end_all(engine)
    if interruption.number is not None:
        raise StudyInterrupted(interruption.number, study_directory, engine.left_behind())


class _Dispatch:
    """The runs that are still open, and how often each has crashed."""

    def __init__(
        self,
        directories: Mapping[str, RunDirectory],
        planned: Sequence[PlannedRun],
        engine: Engine,
        interruption: Interruption,
        retries: int,
    ) -> None:
        self._retries = retries
        self._directories = directories
        self._engine = engine
        self._interruption = interruption
        self._jobs = {run.spec.identifier: Job(run.spec.identifier, seconds_on_one_core(run.spec)) for run in planned}
        self._crashes: dict[str, int] = {}
        self._furthest: dict[str, str] = {}
        self._again: dict[str, float] = {}
        self._patience: dict[str, float] = {}
        self.open: set[str] = set()
        self.running: frozenset[str] = frozenset()
        self.ended: set[str] = set()

    def begin(self) -> None:
        """Submit every run that has no result, in the order they were given."""
        self.open = {name for name, directory in self._directories.items() if not directory.is_done()}
        self._engine.submit([job for name, job in self._jobs.items() if name in self.open])

    def turn(self) -> None:
        """Ask the engine once, settle what ended, submit again what may be tried again."""
        is_over = self._interruption.number is not None
        for name in [name for name in self._again if is_over or self._directories[name].is_done()]:
            del self._again[name]
            self.open.discard(name)
            self.ended.add(name)
        now = time.monotonic()
        due = [name for name, when in self._again.items() if when <= now]
        for name in due:
            del self._again[name]
        if due:
            self._engine.submit([self._jobs[name] for name in due])
        told = self._engine.poll(SECONDS_BETWEEN_POLLS)
        if not told:
            time.sleep(SECONDS_BETWEEN_POLLS)
        running = {name for name, status in told.items() if status.state == "running"}
        # What another worker has is at work too.
        self.running = frozenset(running.union(self._again))
        ended = {name: status for name, status in told.items() if status.state == "ended" and name in self.open}
        self.ended.update(ended)
        for name, status in ended.items():
            self._settle(name, status)

    def _settle(self, name: str, status: JobStatus) -> None:
        directory = self._directories[name]
        if directory.is_done() or self._interruption.number is not None:
            self.open.discard(name)
        elif status.exit_code == CANNOT_GO_ON:
            raise EnvironmentFailure(status.message or f"run {name}: its worker could not go on; see {directory.path}.")
        elif status.exit_code in (BUSY, STOPPED):
            self._ask_again_later(name)
        else:
            self._after_crash(name, directory, status)

    def _after_crash(self, name: str, directory: RunDirectory, status: JobStatus) -> None:
        furthest = max((place.name for place in directory.checkpoints()), default="")
        if furthest > self._furthest.get(name, ""):
            self._crashes[name] = 0
        self._furthest[name] = furthest
        self._crashes[name] = self._crashes.get(name, 0) + 1
        if self._crashes[name] <= self._retries:
            self._engine.submit([self._jobs[name]])
            return
        log = self._engine.logs(name) or status.message
        if record_failure(
            directory, f"{_how_it_ended(status.exit_code)} {self._retries + 1} times; its last lines:\n{log}"
        ):
            self.open.discard(name)
        else:
            self._ask_again_later(name)

    def _ask_again_later(self, name: str) -> None:
        """After a second, then two, four, …: a run that another worker has may be in good hands for long."""
        patience = self._patience.get(name, SECONDS_BEFORE_ASKING_AGAIN)
        self._again[name] = time.monotonic() + patience
        self._patience[name] = min(2 * patience, LONGEST_BEFORE_ASKING_AGAIN)


def record_failure(directory: RunDirectory, message: str) -> bool:
    """Give a run the result `failed`, unless it has one or a living worker; say whether it now has a result."""
    attempt = directory.start_attempt()
    if attempt is not None:
        try:
            directory.commit(attempt, failed_run(directory.spec(), message))
        finally:
            attempt.release()
    return directory.is_done()


def failed_run(spec: RunSpec, message: str) -> Run:
    """The run that came to nothing."""
    count = count_parameters(spec.shape)
    return Run(
        spec=spec,
        state="failed",
        params_total=count.total,
        params_non_embedding=count.non_embedding,
        compute=0.0,
        loss=None,
        loss_standard_error=None,
        seconds=0.0,
        cpu_seconds=0.0,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        message=message,
    )


def _how_it_ended(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        hint = " (often for want of memory)" if exit_code == -signal.SIGKILL else ""
        return f"killed by {signal.Signals(-exit_code).name}{hint}"
    return "crashed"


@contextmanager
def _interruptible(engine: Engine) -> Iterator[Interruption]:
    """Within it, a first SIGINT or SIGTERM makes the engine save and stop; a second raises KeyboardInterrupt."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if interruption.number is not None:
            raise KeyboardInterrupt
        interruption.number, interruption.since = number, time.monotonic()
        engine.cancel()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_all(engine: Engine) -> None:
    """End what still runs, and wait until the engine has seen it end."""
    engine.cancel(now=True)
    deadline = time.monotonic() + SECONDS_TO_DIE
    while engine.poll() and time.monotonic() < deadline:
        time.sleep(0.02)
