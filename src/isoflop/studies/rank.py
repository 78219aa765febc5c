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
from typing import TYPE_CHECKING, Any

from isoflop.errors import IsoflopError
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.studies.engine import CANNOT_GO_ON, CRASHED, DONE
from isoflop.studies.together import LAST_WORDS
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

if TYPE_CHECKING:
    from isoflop.lab.ranks import Ranks

SECONDS_TO_SAVE = 30.0
"""Orphans save and stop; one that cannot, since it waits for a process that will never answer, is ended after this."""


@dataclass(frozen=True)
class Silent:
    """An attempt that another process logs."""

    path: Path

    def log(self, record: dict[str, Any]) -> None:
        """Say nothing."""


def lead(study_directory: Path, run: str, ranks: Ranks, stop: threading.Event) -> Outcome:
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
        is_orphan=lambda: False,
        on_claim=begin,
    )
    if not told:
        ranks.told("")
    return outcome


def follow(study_directory: Path, run: str, ranks: Ranks, stop: threading.Event) -> Outcome:
    """Train along with the process that leads; of what comes out it alone tells."""
    directory = RunDirectory(study_directory / "runs" / run)
    number = ranks.told("")
    if not number:
        return Outcome(DONE)
    attempt = Attempt(directory.attempts_path / number, int(number))
    print_into(attempt)

    def train_along() -> Outcome:
        silent = Silent(attempt.path)
        trained = train_by_ranks(study_directory, directory, silent, directory.spec(), stop, ranks=ranks)
        if isinstance(trained, Outcome):
            return trained
        # Only this process ran out of memory, or all did: the one that leads says which.
        return Outcome(CRASHED, trained.message) if trained.state == "failed" else Outcome(DONE)

    return outcome_of(train_along, directory)


def _watch(parent: int, worker: Path | None, begun: threading.Event, stop: threading.Event) -> None:
    """Ask for the end when nobody waits for this process any more, and bring it about where that does not help.

    `worker` is the directory for last words, there as long as the worker waits: until the processes have `begun` it
    tells of a parent that was gone before this process could see it.
    """
    while os.getppid() == parent and (worker is None or begun.is_set() or worker.is_dir()):
        time.sleep(SECONDS_BETWEEN_WATCHES)
    stop.set()
    time.sleep(SECONDS_TO_SAVE)
    os._exit(CRASHED)


def main(arguments: list[str] | None = None) -> int:
    """One process of a group."""
    parent, place = os.getppid(), os.environ.get(LAST_WORDS)
    chosen = parser_of("isoflop.studies.rank").parse_args(arguments)
    stop, begun, worker = stopped_by_signals(), threading.Event(), Path(place) if place else None
    threading.Thread(target=_watch, args=(parent, worker, begun, stop), name="watch", daemon=True).start()
    # Here and nowhere above: importing torch takes seconds, in which whoever started this process may go.
    from isoflop.lab.environment import use_one_thread
    from isoflop.lab.ranks import joined

    use_one_thread()
    try:
        with joined() as ranks:
            begun.set()
            take_part = lead if ranks.writes else follow
            outcome = take_part(chosen.study_directory, chosen.run, ranks, stop)
    except IsoflopError as error:
        outcome = Outcome(CANNOT_GO_ON, str(error))
    if worker is not None and outcome.exit_code == CANNOT_GO_ON:
        # torchrun makes a 1 of every exit code, and there may be no attempt that could keep it.
        Attempt(worker, 0).record_end(outcome.exit_code, outcome.message)
    if outcome.message:
        print(outcome.message.rstrip(), file=sys.stderr)
    return outcome.exit_code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The end of an interpreter whose group is gone is a race between threads of the backend, and may be an abort.
    os._exit(code)
