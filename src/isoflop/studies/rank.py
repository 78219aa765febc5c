"""One of the processes that train a run together: process 0 claims, logs, saves and commits, the others train along.

    torchrun --nproc-per-node 2 -m isoflop.studies.rank STUDY_DIRECTORY RUN

A worker starts them where a study says `[devices]`; over several machines a person or a script does. They agree on
when to stop, save and give up; one that dies takes the others with it, and the run goes on from the last checkpoint.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from isoflop.errors import IsoflopError
from isoflop.lab.environment import use_one_thread
from isoflop.lab.ranks import Ranks, joined
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.studies.engine import CANNOT_GO_ON, CRASHED, DONE
from isoflop.studies.worker import (
    SECONDS_BETWEEN_WATCHES,
    Outcome,
    claim_and_train,
    outcome_of,
    parser_of,
    print_into,
    stopped_by_signals,
    train_by_ranks,
)

SECONDS_TO_SAVE = 30.0
"""Orphans save and stop; one that cannot, since it waits for a process that will never answer, is ended after this."""


@dataclass(frozen=True)
class Silent:
    """An attempt that another process logs."""

    path: Path

    def log(self, record: dict[str, Any]) -> None:
        """Say nothing."""


class Parent:
    """Whoever started this process."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._gone_since: float | None = None

    def is_gone(self) -> bool:
        """Whether nobody waits for this process; it is ended if that has been so for long."""
        if os.getppid() == self._pid:
            return False
        self._gone_since = self._gone_since or time.monotonic()
        if time.monotonic() - self._gone_since > SECONDS_TO_SAVE:
            os._exit(CRASHED)
        return True


def lead(study_directory: Path, run: str, ranks: Ranks, parent: Parent, stop: threading.Event) -> Outcome:
    """Claim the run, tell the others which attempt it is, train, commit; an empty word means that there is nothing."""
    told: list[str] = []

    def begin(attempt: Attempt) -> None:
        print_into(attempt)
        told.append(ranks.told(str(attempt.number)))

    outcome = claim_and_train(
        study_directory,
        run,
        partial(train_by_ranks, ranks=ranks),
        stop=stop,
        is_orphan=parent.is_gone,
        on_claim=begin,
    )
    if not told:
        ranks.told("")
    return outcome


def follow(study_directory: Path, run: str, ranks: Ranks, parent: Parent, stop: threading.Event) -> Outcome:
    """Train along with the process that leads; of what comes out it alone tells."""
    directory = RunDirectory(study_directory / "runs" / run)
    number = ranks.told("")
    if not number:
        return Outcome(DONE)
    attempt = Attempt(directory.attempts_path / number, int(number))
    print_into(attempt)
    threading.Thread(target=_watch, args=(parent, stop), name="watch", daemon=True).start()

    def train_along() -> Outcome:
        silent = Silent(attempt.path)
        trained = train_by_ranks(study_directory, directory, silent, directory.spec(), stop, ranks=ranks)
        if isinstance(trained, Outcome):
            return trained
        # Only this process ran out of memory, or all did: the one that leads says which.
        return Outcome(CRASHED, trained.message) if trained.state == "failed" else Outcome(DONE)

    return outcome_of(train_along, directory)


def _watch(parent: Parent, stop: threading.Event) -> None:
    while not parent.is_gone():
        time.sleep(SECONDS_BETWEEN_WATCHES)
    stop.set()
    while parent.is_gone():
        time.sleep(SECONDS_BETWEEN_WATCHES)


def main(arguments: list[str] | None = None) -> int:
    """One process of a group."""
    chosen = parser_of("isoflop.studies.rank").parse_args(arguments)
    parent, stop = Parent(), stopped_by_signals()
    use_one_thread()
    try:
        with joined() as ranks:
            take_part = lead if ranks.writes else follow
            outcome = take_part(chosen.study_directory, chosen.run, ranks, parent, stop)
    except IsoflopError as error:
        outcome = Outcome(CANNOT_GO_ON, str(error))
    if outcome.message:
        print(outcome.message.rstrip(), file=sys.stderr)
    return outcome.exit_code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The end of an interpreter whose group is gone is a race between threads of the backend, and may be an abort.
    os._exit(code)
