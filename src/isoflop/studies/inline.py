"""The inline engine: one run after another in this process. The reference that the others are tested against."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from isoflop.runs.directory import Attempt
from isoflop.studies.engine import CANNOT_GO_ON, STOPPED, Engine, Job, JobStatus
from isoflop.studies.log import append_to_log, log_tail
from isoflop.studies.worker import work


class InlineEngine(Engine):
    """Trains a job to its end at every poll."""

    name = "inline"
    slots = 1

    def __init__(self, study_directory: Path) -> None:
        self._study_directory = study_directory
        self._waiting: list[Job] = []
        self._stop = threading.Event()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs."""
        self._waiting.extend(jobs)

    def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
        """Train the next job and tell how it ended."""
        told = {job.identifier: JobStatus("waiting") for job in self._waiting}
        if self._stop.is_set():
            told = {identifier: JobStatus("ended", STOPPED) for identifier in told}
            self._waiting = []
        elif self._waiting:
            job = self._waiting.pop(0)
            told[job.identifier] = self._train(job.identifier)
        return told

    def cancel(self, *, now: bool = False) -> None:
        """Make the running job save and stop at its next step; `now` makes no difference to a run in this process."""
        self._stop.set()

    def logs(self, identifier: str, lines: int = 20) -> str:
        """The last lines of the latest attempt's log."""
        return log_tail(self._study_directory, identifier, lines)

    def close(self) -> None:
        """Nothing is held."""

    def _train(self, identifier: str) -> JobStatus:
        attempts: list[Attempt] = []
        outcome = work(self._study_directory, identifier, stop=self._stop, on_claim=attempts.append, in_stacks=True)
        if outcome.message and attempts and outcome.exit_code != CANNOT_GO_ON:
            append_to_log(attempts[0], outcome.message)
        return JobStatus("ended", outcome.exit_code, outcome.message)
