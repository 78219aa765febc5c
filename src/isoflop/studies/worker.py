"""The work on one run, whoever starts it: claim, go on from the furthest checkpoint, train, commit.

    python -m isoflop.studies.worker STUDY_DIRECTORY RUN [--parent PID]

SIGTERM, the loss of the parent process and being overtaken by another attempt all mean: save and stop.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from isoflop.errors import EnvironmentFailure, IsoflopError
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.runs.run import Run
from isoflop.runs.spec import RunSpec
from isoflop.studies.command import CommandFailed, CommandStopped, train_with_command
from isoflop.studies.engine import BUSY, CANNOT_GO_ON, CRASHED, DONE, STOPPED
from isoflop.studies.record import recorded_mirrors
from isoflop.studies.stacks import claim_mates
from isoflop.studies.text import load_study_text
from isoflop.studies.together import train_together

if TYPE_CHECKING:
    from isoflop.lab.ranks import Ranks

SECONDS_BETWEEN_WATCHES = 0.5
WATCHES_BETWEEN_BEATS = 10


@dataclass(frozen=True)
class Outcome:
    """How the work on a run ended: an exit code of `engine`, and a sentence where there is something to say."""

    exit_code: int
    message: str = ""


LabTrainer = Callable[[Path, RunDirectory, Any, RunSpec, threading.Event], Run | Outcome]


def work(
    study_directory: Path,
    identifier: str,
    *,
    stop: threading.Event,
    is_orphan: Callable[[], bool] = lambda: False,
    on_claim: Callable[[Attempt], None] = lambda attempt: None,
    in_stacks: bool = False,
) -> Outcome:
    """Train one run of a study unless it is done or another has it; never raises but for KeyboardInterrupt.

    `stop` asks it to save and stop; `is_orphan` is asked twice a second; `on_claim` gets the attempt first thing. A run
    for several devices is claimed and trained by other processes, which are started here. With `in_stacks` the runs
    that the study wants trained side by side with it are claimed and trained too.
    """
    directory = RunDirectory(study_directory / "runs" / identifier)

    def choose() -> Outcome:
        processes = directory.launch().devices.processes
        if processes > 1:
            return Outcome(*train_together(study_directory, directory, processes, stop=stop, is_orphan=is_orphan))
        lab = _train_in_a_stack if in_stacks else train_in_the_lab
        return claim_and_train(study_directory, identifier, lab, stop=stop, is_orphan=is_orphan, on_claim=on_claim)

    return outcome_of(choose, directory)


def claim_and_train(
    study_directory: Path,
    identifier: str,
    lab: LabTrainer,
    *,
    stop: threading.Event,
    is_orphan: Callable[[], bool],
    on_claim: Callable[[Attempt], None],
) -> Outcome:
    """What `work` does in this process; `lab` trains what is the lab's to train."""
    directory = RunDirectory(study_directory / "runs" / identifier)
    claimed: list[Attempt] = []

    def claim() -> Outcome:
        attempt = directory.start_attempt()
        if attempt is None:
            return Outcome(DONE) if directory.is_done() else Outcome(BUSY, "another worker has this run.")
        with _watched(attempt, stop, is_orphan):
            claimed.append(attempt)
            on_claim(attempt)
            return _train(study_directory, directory, lab, attempt, stop)

    outcome = outcome_of(claim, directory)
    if claimed and outcome.exit_code != DONE:
        claimed[0].record_end(outcome.exit_code, outcome.message)
    return outcome


def outcome_of(work_on_it: Callable[[], Outcome], directory: RunDirectory) -> Outcome:
    """How some work ends, an error of any kind included."""
    try:
        return work_on_it()
    except IsoflopError as error:
        return Outcome(CANNOT_GO_ON, str(error))
    except MemoryError:
        return Outcome(CRASHED, "out of memory.")
    except OSError as error:
        failure = EnvironmentFailure(f"{error.filename or directory.path}: {error.strerror or error}.")
        return Outcome(CANNOT_GO_ON, str(failure))
    except Exception:
        return Outcome(CRASHED, traceback.format_exc())


def _train(
    study_directory: Path, directory: RunDirectory, lab: LabTrainer, attempt: Attempt, stop: threading.Event
) -> Outcome:
    spec = directory.spec()
    train = lab if spec.trainer is None else _train_with_command
    run = train(study_directory, directory, attempt, spec, stop)
    if isinstance(run, Outcome):
        return run
    return _commit(directory, attempt, run)


def _commit(directory: RunDirectory, attempt: Attempt, run: Run) -> Outcome:
    if not directory.commit(attempt, run):
        return Outcome(DONE) if directory.is_done() else Outcome(BUSY, "a later attempt took this run over.")
    for checkpoint in directory.checkpoints():
        shutil.rmtree(checkpoint, ignore_errors=True)
    return Outcome(DONE)


def train_in_the_lab(
    study_directory: Path, directory: RunDirectory, attempt: Attempt, spec: RunSpec, stop: threading.Event
) -> Run | Outcome:
    """Train a run in this process alone."""
    # Here and nowhere above: planning, status and reports must not wait for torch.
    from isoflop.lab.environment import use_one_thread
    from isoflop.lab.ranks import ALONE

    use_one_thread()
    return train_by_ranks(study_directory, directory, attempt, spec, stop, ranks=ALONE)


def train_by_ranks(
    study_directory: Path,
    directory: RunDirectory,
    attempt: Any,
    spec: RunSpec,
    stop: threading.Event,
    *,
    ranks: Ranks,
) -> Run | Outcome:
    """Train a run in this process and those beside it, as the run's directory says; `attempt` takes the log."""
    from isoflop.lab.mirrors import mirrored
    from isoflop.lab.training import Interrupted, train

    corpus = load_study_text(study_directory, spec.text.sha256)
    mirrors = recorded_mirrors(study_directory) if ranks.writes else ()
    try:
        with mirrored(attempt, spec, mirrors) as logged:
            return train(
                spec,
                corpus,
                attempt=logged,
                resume_from=directory.checkpoints(),
                on_progress=lambda progress: None,
                stop=stop.is_set,
                ranks=ranks,
                strategy=directory.launch().devices.strategy,
            )
    except Interrupted as interruption:
        return Outcome(STOPPED, f"{interruption}.")


def _train_in_a_stack(
    study_directory: Path, directory: RunDirectory, attempt: Attempt, spec: RunSpec, stop: threading.Event
) -> Run | Outcome:
    """Train a run and those that belong beside it, each with its own result; the outcome is that of the first."""
    mates = list(claim_mates(study_directory, directory))
    if not mates:
        return train_in_the_lab(study_directory, directory, attempt, spec, stop)
    from isoflop.lab.environment import use_one_thread
    from isoflop.lab.mirrors import mirrored
    from isoflop.lab.stack import Member, train_stack
    from isoflop.lab.training import Interrupted

    use_one_thread()
    claims = {place.identifier: (place, claimed) for place, claimed in [(directory, attempt), *mates]}
    outcomes: dict[str, Outcome] = {}

    def commit(spec: RunSpec, run: Run) -> None:
        outcomes[spec.identifier] = _commit(*claims[spec.identifier], run)

    with ExitStack() as held:
        members = []
        for place, claimed in claims.values():
            if claimed is not attempt:
                held.enter_context(_watched(claimed, stop, lambda: False))
            member = place.spec()
            logged = held.enter_context(mirrored(claimed, member, recorded_mirrors(study_directory)))
            members.append(Member(member, logged, place.checkpoints()))
        corpus = load_study_text(study_directory, spec.text.sha256)
        try:
            train_stack(members, corpus, on_finished=commit, stop=stop.is_set)
        except Interrupted as interruption:
            for name in claims.keys() - outcomes.keys():
                outcomes[name] = Outcome(STOPPED, f"{interruption}.")
                claims[name][1].record_end(STOPPED, f"{interruption}.")
    return outcomes[directory.identifier]


def _train_with_command(
    study_directory: Path, directory: RunDirectory, attempt: Attempt, spec: RunSpec, stop: threading.Event
) -> Run | Outcome:
    try:
        return train_with_command(study_directory, directory, attempt, spec, stop)
    except CommandStopped:
        return Outcome(STOPPED, "interrupted.")
    except CommandFailed as failure:
        return Outcome(CRASHED, str(failure))


@contextmanager
def _watched(attempt: Attempt, stop: threading.Event, is_orphan: Callable[[], bool]) -> Iterator[None]:
    """Beat while the work goes on, and stop it when nobody waits for it or another attempt has taken over."""
    finished = threading.Event()

    def watch() -> None:
        watches = 0
        while not finished.wait(SECONDS_BETWEEN_WATCHES):
            watches += 1
            if is_orphan() or not attempt.is_current():
                stop.set()
            if watches % WATCHES_BETWEEN_BEATS == 0:
                try:
                    attempt.beat()
                except EnvironmentFailure:
                    continue

    watcher = threading.Thread(target=watch, name="watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        finished.set()
        watcher.join()
        attempt.release()


def print_into(attempt: Attempt) -> None:
    """Send what this process prints from now on, at any level, to the log of the attempt."""
    descriptor = os.open(attempt.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def parser_of(module: str) -> argparse.ArgumentParser:
    """What a process that trains one run is told on its command line."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description="Train one run of a study.")
    parser.add_argument("study_directory", type=Path)
    parser.add_argument("run")
    return parser


def stopped_by_signals() -> threading.Event:
    """Set when SIGTERM comes; Ctrl-C is the driver's."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A nursery blocks it until there is a handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return stop


def main(arguments: list[str] | None = None) -> int:
    """The worker process: its last sentence goes to the error stream it was started with, the rest to the log."""
    parser = parser_of("isoflop.studies.worker")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    chosen = parser.parse_args(arguments)
    stop = stopped_by_signals()
    last_word = os.dup(2)
    streams = [last_word]

    def print_there_from_now_on(attempt: Attempt) -> None:
        print_into(attempt)
        streams.append(2)

    outcome = work(
        chosen.study_directory,
        chosen.run,
        stop=stop,
        is_orphan=lambda: chosen.parent is not None and os.getppid() != chosen.parent,
        on_claim=print_there_from_now_on,
        # Only where a driver waits for this process: elsewhere a run in a stack would be submitted again and again.
        in_stacks=chosen.parent is not None,
    )
    if outcome.message:
        for stream in streams:
            try:
                os.write(stream, f"{outcome.message.rstrip()}\n".encode())
            except OSError:
                continue
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
