"""The Slurm engine: runs as tasks of job arrays, followed by `squeue`; nothing is pickled, nothing kept in memory.

A task trains one run with the worker that every engine starts. Which task trains which run follows from the name of
its array and from the files in `STUDY/slurm` (see `slurm_script`), so a driver that comes back finds the tasks of the
one before it and follows those instead of submitting them again. Tasks outlive the driver: they are stopped by Ctrl-C,
not by its death. How a task ended is read from the run's directory, since clusters without accounting forget it.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from isoflop import records
from isoflop.errors import EnvironmentFailure
from isoflop.runs.directory import RunDirectory
from isoflop.studies.engine import BUSY, DONE, STOPPED, Engine, Job, JobStatus
from isoflop.studies.log import log_tail
from isoflop.studies.site import SlurmSite
from isoflop.studies.slurm_script import array_script

COLUMNS = "%j|%F|%K|%t"
"""Name, number of the array, number of the task, state in short."""

RUNNING = frozenset({"R", "CG", "S", "ST", "SO"})
SECONDS_TO_CANCEL = 3.0
"""How long Ctrl-C waits for Slurm: it is slow where nodes are down, but then the order has been given."""

SECONDS_OF_FAREWELL = 0.5
"""How long each look at the queue may take after that."""

LONGEST_ANSWER = 60.0
"""Seconds after which a command of Slurm that has not answered is asked again."""

SECONDS_TO_APPEAR = 15.0
"""How long a task may be unknown to `squeue` after it was submitted."""


class SlurmEngine(Engine):
    """Follows the tasks of a study; `slots` is the cap on tasks that run at once."""

    name = "slurm"

    def __init__(self, study_directory: Path, site: SlurmSite, *, name: str = "study") -> None:
        self.slots = site.max_running
        self._study_directory = study_directory
        self._site = site
        # The same for every driver of this study, and for no other study.
        self._prefix = f"{name}-{records.digest(str(study_directory))[:8]}"
        self._followed: dict[str, float] = {}
        self._seen: set[str] = set()
        self._told: dict[str, JobStatus] = {}
        self._last_look = 0.0
        self._cancelled = False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Follow the tasks that are in the queue already, and submit the others as one array."""
        queued = self._queue() if jobs else {}
        new = [job for job in jobs if job.identifier not in queued]
        if new and not self._cancelled:
            self._submit_array(new)
        now = time.monotonic()
        for job in jobs:
            self._followed[job.identifier] = now
            self._told[job.identifier] = JobStatus("waiting")
            self._seen.discard(job.identifier)
        self._seen |= queued.keys() & self._followed.keys()

    def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
        """Ask `squeue` now and then, and say in between what it said last."""
        since = time.monotonic() - self._last_look
        if since < self._site.poll and not self._cancelled:
            time.sleep(max(0.0, min(wait, self._site.poll - since)))
            return dict(self._told)
        if self._cancelled:
            time.sleep(wait)
        queued = self._queue()
        told = {run: self._status(run, queued.get(run)) for run in self._followed}
        self._seen |= queued.keys() & self._followed.keys()
        for run, status in told.items():
            if status.state == "ended":
                del self._followed[run]
        self._told = {run: status for run, status in told.items() if status.state != "ended"}
        return told

    def cancel(self, *, now: bool = False) -> None:
        """Take what waits out of the queue and tell what runs to save and stop; Slurm ends it after its KillWait."""
        if self._cancelled:
            return
        self._cancelled = True
        until = time.monotonic() + SECONDS_TO_CANCEL
        arrays = sorted({array for array, _ in self._tasks(SECONDS_TO_CANCEL).values()})
        if arrays:
            _run(["scancel", *arrays], patience=max(SECONDS_OF_FAREWELL, until - time.monotonic()))

    def logs(self, identifier: str, lines: int = 20) -> str:
        """The last lines of the latest attempt's log."""
        return log_tail(self._study_directory, identifier, lines)

    def close(self) -> None:
        """Follow nothing any more; what is queued stays queued unless it was cancelled."""
        self._followed.clear()
        self._told.clear()

    def _submit_array(self, jobs: Sequence[Job]) -> None:
        batch = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}-{time.monotonic_ns() % 10**6:06d}"
        place = self._study_directory / "slurm" / batch
        script = array_script(self._study_directory, batch, jobs, self._site, name=f"{self._prefix}.{batch}")
        records.write_text(place / "runs.txt", "".join(f"{job.identifier}\n" for job in jobs))
        records.write_text(place / "array.sh", script)
        _run(["sbatch", "--parsable", str(place / "array.sh")])
        self._last_look = 0.0

    def _status(self, run: str, state: str | None) -> JobStatus:
        if state is not None:
            return JobStatus("running" if state in RUNNING else "waiting")
        if run not in self._seen and time.monotonic() - self._followed[run] < SECONDS_TO_APPEAR:
            if not (self._cancelled or RunDirectory(self._study_directory / "runs" / run).attempts()):
                return JobStatus("waiting")
        return self._ending(run)

    def _ending(self, run: str) -> JobStatus:
        """How a task that is no longer in the queue ended, as far as the run's directory says."""
        directory = RunDirectory(self._study_directory / "runs" / run)
        if directory.is_done():
            return JobStatus("ended", DONE)
        latest = directory.attempts()[-1:]
        if self._cancelled or not latest:
            return JobStatus("ended", STOPPED if self._cancelled else None, "the task left no attempt; see slurm/.")
        if (end := latest[0].end()) is not None:
            return JobStatus("ended", *end)
        if latest[0].is_alive():
            return JobStatus("ended", BUSY, "another worker has this run.")
        return JobStatus("ended", None, "the task was cut off.")

    def _queue(self) -> dict[str, str]:
        """The runs of this study in the queue with their states, whoever submitted them."""
        self._last_look = time.monotonic()
        patience = SECONDS_OF_FAREWELL if self._cancelled else None
        return {run: state for run, (_, state) in self._tasks(patience).items()}

    def _tasks(self, patience: float | None = None) -> dict[str, tuple[str, str]]:
        """Array and state of every run in the queue; where Slurm does not answer within `patience` seconds, none."""
        user = f"--user={getpass.getuser()}"
        told = _run(["squeue", "--noheader", "--array", user, f"--format={COLUMNS}"], patience=patience)
        runs: dict[str, list[str]] = {}
        found = {}
        for line in filter(None, map(str.strip, told.splitlines())):
            name, array, task, state = line.rsplit("|", 3)
            prefix, _, batch = name.rpartition(".")
            if prefix != self._prefix or not task.isdecimal():
                continue
            if batch not in runs:
                runs[batch] = self._runs_of(batch)
            if 0 < int(task) <= len(runs[batch]):
                found[runs[batch][int(task) - 1]] = (array, state)
        return found

    def _runs_of(self, batch: str) -> list[str]:
        try:
            return (self._study_directory / "slurm" / batch / "runs.txt").read_text(encoding="utf-8").split()
        except OSError:
            return []


def _run(arguments: list[str], *, patience: float | None = None) -> str:
    """What a command of Slurm prints; controllers that restart are asked again for a while.

    With `patience` it is asked once, for that many seconds, and its silence is taken for an empty answer.
    """
    for pause in (0.5, 1.0, 2.0, 4.0, None):
        try:
            told = subprocess.run(
                arguments, capture_output=True, text=True, timeout=patience or LONGEST_ANSWER, check=False
            )
        except FileNotFoundError:
            raise EnvironmentFailure(
                f"{arguments[0]} is not there: run this on a machine that can submit to Slurm, or take another --on."
            ) from None
        except subprocess.TimeoutExpired:
            told = None
        if told is not None and told.returncode == 0:
            return told.stdout
        if patience is not None:
            return ""
        said = told.stderr.strip() if told is not None else "no answer within a minute"
        if pause is None or arguments[0] == "sbatch":
            raise EnvironmentFailure(f"{arguments[0]} failed: {said or 'it said nothing'}.")
        time.sleep(pause)
    raise AssertionError("unreachable")
