"""The process engine: one-thread worker processes on this machine, as many at once as there are cores."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from isoflop.errors import UsageError
from isoflop.studies.engine import STOPPED, Engine, Job, JobStatus
from isoflop.studies.launchers import Launcher, launcher_for
from isoflop.studies.log import log_tail


class ProcessEngine(Engine):
    """Trains up to `slots` jobs at once, each in a process of its own that watches its parent.

    So no worker outlives a driver that was killed: it saves its state and stops within a second or so.
    """

    name = "local"

    def __init__(self, study_directory: Path, slots: int | None = None, launcher: Launcher | None = None) -> None:
        if slots is not None and slots < 1:
            raise UsageError(f"slots={slots!r} must be at least 1.")
        self.slots = slots or usable_cores()
        self._study_directory = study_directory
        self._launcher = launcher or launcher_for(study_directory)
        self._waiting: deque[Job] = deque()
        self._running: set[str] = set()
        self._cancelled = False

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        self._waiting.extend(jobs)

    def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
        """Collect the workers that ended, start as many as there is room for, and tell the state of all."""
        is_full = bool(self._running) and (len(self._running) >= self.slots or not self._waiting)
        told = self._launcher.ended(wait if is_full else 0.0)
        self._running -= set(told)
        if self._cancelled:
            told.update({job.identifier: JobStatus("ended", STOPPED) for job in self._waiting})
            self._waiting.clear()
        while self._waiting and len(self._running) < self.slots:
            job = self._waiting.popleft()
            self._launcher.start(job.identifier)
            self._running.add(job.identifier)
        told.update({identifier: JobStatus("running") for identifier in self._running})
        told.update({job.identifier: JobStatus("waiting") for job in self._waiting})
        return told

    def cancel(self, *, now: bool = False) -> None:
        """Ask every worker to save and stop, or with `now` kill them all."""
        self._cancelled = True
        self._launcher.signal_all(signal.SIGKILL if now else signal.SIGTERM)

    def logs(self, identifier: str, lines: int = 20) -> str:
        """The last lines of the latest attempt's log."""
        return log_tail(self._study_directory, identifier, lines)

    def close(self) -> None:
        """End what still runs and let the launcher go."""
        self._launcher.close()
        self._running.clear()
        self._waiting.clear()


def runs_at_once(processes: int) -> int:
    """How many runs of so many processes each this machine trains at once, a core for each."""
    return max(1, usable_cores() // processes)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
