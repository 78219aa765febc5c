"""The Slurm engine: runs as tasks of job arrays, followed by `squeue`; nothing is pickled, nothing kept in memory.

A task trains one run with the worker that every engine starts. Which task trains which run follows from the name of
its array and from the files in `STUDY/slurm` (see `slurm_script`), so a driver that comes back finds the tasks of the
one before it and follows those instead of submitting them again. Tasks outlive the driver: they are stopped by Ctrl-C,
not by its death. How a task ended is read from the run's directory, since clusters without accounting forget it.
"""

from __future__ import annotations

import getpass
import os
import shlex
import signal
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
"""How long Ctrl-C waits for Slurm, which is slow where nodes are down; what it did not confirm by then may go on."""

SECONDS_TO_ORDER = 2.0
"""How much of that is for `scancel` on the arrays that are known; the rest is for a look for others."""

SECONDS_OF_FAREWELL = 0.5
"""How long each command, also one that was already waiting, may take after that."""

SECONDS_BETWEEN_GLANCES = 0.1
"""How often a command that waits looks whether it was cancelled meanwhile."""

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
        self._arrays: dict[str, str] = {}
        self._unconfirmed: set[str] = set()
        self._all_known = False
        self._seen: set[str] = set()
        self._told: dict[str, JobStatus] = {}
        self._last_look = 0.0
        self._cancelled = False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Follow the tasks that are in the queue already, and submit the others as one array."""
        queued = self._queue() if jobs else {}
        self._arrays.update({job.identifier: queued[job.identifier][0] for job in jobs if job.identifier in queued})
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
        told = {run: self._status(run, queued[run][1] if run in queued else None) for run in self._followed}
        seen = queued.keys() & self._followed.keys()
        self._seen |= seen
        self._arrays.update({run: queued[run][0] for run in seen})
        for run, status in told.items():
            if status.state == "ended":
                del self._followed[run]
                self._arrays.pop(run, None)
        self._told = {run: status for run, status in told.items() if status.state != "ended"}
        return told

    def cancel(self, *, now: bool = False) -> None:
        """Take what waits out of the queue and tell what runs to save and stop; Slurm ends it after its KillWait.

        Arrays whose numbers are known go first, then what a look at the queue shows besides. What Slurm does not
        confirm in time is told by `left_behind`.
        """
        if self._cancelled:
            return
        self._cancelled = True
        until = time.monotonic() + SECONDS_TO_CANCEL
        known = set(self._arrays.values())
        self._scancel(known, SECONDS_TO_ORDER)
        tasks = self._tasks(max(SECONDS_OF_FAREWELL, until - SECONDS_OF_FAREWELL - time.monotonic()))
        if tasks is not None:
            self._all_known = True
            others = {array for array, _ in tasks.values()} - known
            self._scancel(others, max(SECONDS_OF_FAREWELL, until - time.monotonic()))

    def left_behind(self) -> str:
        """Whether Slurm left an order to cancel unanswered, and the command that gives it again."""
        if not self._cancelled or (self._all_known and not self._unconfirmed):
            return ""
        command = " ".join(["scancel", *sorted(self._unconfirmed)])
        if not self._all_known:
            name = shlex.quote(f" {self._prefix}.")
            command = f"squeue --me -h -o '%F %j' | grep -F {name} | cut -d' ' -f1 | sort -u | xargs scancel"
        return f"Slurm did not confirm in time that the tasks of this study are cancelled; to stop them: {command}"

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
        told = self._run(["sbatch", "--parsable", str(place / "array.sh")])
        # "7", or "7;cluster" where there are several.
        array = ((told or "").split() or [""])[-1].partition(";")[0]
        self._all_known = self._all_known and array.isdecimal()
        if array.isdecimal():
            self._arrays.update({job.identifier: array for job in jobs})
            if self._cancelled:
                self._scancel({array}, SECONDS_OF_FAREWELL)
        self._last_look = 0.0

    def _scancel(self, arrays: set[str], patience: float) -> None:
        """Cancel arrays; until Slurm confirms it they count as left behind."""
        self._unconfirmed |= arrays
        if arrays and self._run(["scancel", *sorted(arrays)], patience=patience) is not None:
            self._unconfirmed -= arrays

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

    def _queue(self) -> dict[str, tuple[str, str]]:
        """The runs of this study in the queue with array and state, whoever submitted them."""
        self._last_look = time.monotonic()
        tasks = self._tasks(SECONDS_OF_FAREWELL if self._cancelled else None)
        if tasks is not None and not self._cancelled:
            self._all_known = True
        return tasks or {}

    def _tasks(self, patience: float | None = None) -> dict[str, tuple[str, str]] | None:
        """Array and state of every run in the queue; None where Slurm does not answer in time."""
        user = f"--user={getpass.getuser()}"
        told = self._run(["squeue", "--noheader", "--array", user, f"--format={COLUMNS}"], patience=patience)
        if told is None:
            return None
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

    def _run(self, arguments: list[str], *, patience: float | None = None) -> str | None:
        """What a command of Slurm prints; controllers that restart are asked again for a while.

        With `patience` it is asked once, for that many seconds, and once cancelled it is not asked again: None then
        says that there was no answer.
        """
        for pause in (0.5, 1.0, 2.0, 4.0, None):
            told = self._answer(arguments, patience)
            if told is not None and told.returncode == 0:
                return told.stdout
            if patience is not None or self._cancelled:
                return None
            said = told.stderr.strip() if told is not None else "no answer within a minute"
            if pause is None or arguments[0] == "sbatch":
                raise EnvironmentFailure(f"{arguments[0]} failed: {said or 'it said nothing'}.")
            until = time.monotonic() + pause
            while time.monotonic() < until and not self._cancelled:
                time.sleep(SECONDS_BETWEEN_GLANCES)
        raise AssertionError("unreachable")

    def _answer(self, arguments: list[str], patience: float | None) -> subprocess.CompletedProcess[str] | None:
        """How a command ended; None, and it is killed, where that takes too long or it was cancelled meanwhile."""
        if self._cancelled and patience is None:
            return None
        until = time.monotonic() + (LONGEST_ANSWER if patience is None else patience)
        try:
            # In a session of its own Ctrl-C does not kill an sbatch that is about to tell its number.
            process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        except FileNotFoundError:
            raise EnvironmentFailure(
                f"{arguments[0]} is not there: run this on a machine that can submit to Slurm, or take another --on."
            ) from None
        with process:
            try:
                while time.monotonic() < until:
                    try:
                        output, errors = process.communicate(timeout=SECONDS_BETWEEN_GLANCES)
                        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)
                    except subprocess.TimeoutExpired:
                        if self._cancelled and patience is None:
                            until = min(until, time.monotonic() + SECONDS_OF_FAREWELL)
                return None
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)
