"""Engine: where the runs of a study are trained. Small on purpose; every engine passes the same test suite.

An engine starts, for each job, something that calls `worker.work` on the study's directory. Workers speak to the
study through run directories alone: an engine carries no results and may die at any moment. Whether a run is done
is read from its directory, never from an engine; a job that ended without a result is the driver's to judge.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

DONE, CRASHED, CANNOT_GO_ON, BUSY, STOPPED = 0, 1, 2, 75, 143
"""Exit codes of a worker: the run has a result; it crashed; nothing in this study can go on (disk full, damaged
text); another living worker has the run; it was told to stop and saved its state."""


@dataclass(frozen=True)
class Job:
    """A run to be trained; `seconds`, estimated with one core, bound how long it may take."""

    identifier: str
    seconds: float


@dataclass(frozen=True)
class JobStatus:
    """What an engine knows of a job; `exit_code` is negative for a signal, None where it is not told."""

    state: Literal["waiting", "running", "ended"]
    exit_code: int | None = None
    message: str = ""


class Engine(ABC):
    """The few things an engine does; `name` is what `--on` calls it, `slots` how many jobs run at once."""

    name: str
    slots: int

    @abstractmethod
    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs on, to be started in this order. A job that ended may be submitted again."""

    @abstractmethod
    def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
        """The state of every submitted job; one that ended is told once and then forgotten.

        Up to `wait` seconds may pass until one ends.
        """

    @abstractmethod
    def cancel(self, *, now: bool = False) -> None:
        """Start no more jobs; ask the running ones to save and stop, or with `now` end them at once."""

    def left_behind(self) -> str:
        """After `cancel`, what may go on all the same and how to end it; empty where nothing does."""
        return ""

    @abstractmethod
    def logs(self, identifier: str, lines: int = 20) -> str:
        """The last lines that the latest attempt at a run printed."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything held between jobs, ending what still runs; the engine may be used again."""
