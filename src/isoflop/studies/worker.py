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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from isoflop.errors import EnvironmentFailure, IsoflopError
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.runs.run import Run
from isoflop.runs.spec import RunSpec
from isoflop.studies.command import CommandFailed, CommandStopped, train_with_command
from isoflop.studies.engine import BUSY, CANNOT_GO_ON, CRASHED, DONE, STOPPED
from isoflop.studies.record import recorded_mirrors
from isoflop.studies.text import load_study_text

SECONDS_BETWEEN_WATCHES = 0.5
WATCHES_BETWEEN_BEATS = 10


@dataclass(frozen=True)
class Outcome:
    """How the work on a run ended: an exit code of `engine`, and a sentence where there is something to say."""

    exit_code: int
    message: str = ""


def work(
    study_directory: Path,
    identifier: str,
    *,
    stop: threading.Event,
    is_orphan: Callable[[], bool] = lambda: False,
    on_claim: Callable[[Attempt], None] = lambda attempt: None,
) -> Outcome:
    """Train one run of a study unless it is done or another has it; never raises but for KeyboardInterrupt.

    `stop` asks it to save and stop; `is_orphan` is asked twice a second; `on_claim` gets the attempt first thing.
    """
    directory = RunDirectory(study_directory / "runs" / identifier)
    claimed: list[Attempt] = []
    outcome = _outcome(study_directory, directory, stop, is_orphan, [claimed.append, on_claim])
    if claimed and outcome.exit_code != DONE:
        claimed[0].record_end(outcome.exit_code, outcome.message)
    return outcome


def _outcome(
    study_directory: Path,
    directory: RunDirectory,
    stop: threading.Event,
    is_orphan: Callable[[], bool],
    on_claim: Sequence[Callable[[Attempt], None]],
) -> Outcome:
    try:
        attempt = directory.start_attempt()
        if attempt is None:
            return Outcome(DONE) if directory.is_done() else Outcome(BUSY, "another worker has this run.")
        with _watched(attempt, stop, is_orphan):
            for tell in on_claim:
                tell(attempt)
            return _train(study_directory, directory, attempt, stop)
    except IsoflopError as error:
        return Outcome(CANNOT_GO_ON, str(error))
    except MemoryError:
        return Outcome(CRASHED, "out of memory.")
    except OSError as error:
        failure = EnvironmentFailure(f"{error.filename or directory.path}: {error.strerror or error}.")
        return Outcome(CANNOT_GO_ON, str(failure))
    except Exception:
        return Outcome(CRASHED, traceback.format_exc())


def _train(study_directory: Path, directory: RunDirectory, attempt: Attempt, stop: threading.Event) -> Outcome:
    spec = directory.spec()
    train = _train_in_the_lab if spec.trainer is None else _train_with_command
    run = train(study_directory, directory, attempt, spec, stop)
    if isinstance(run, Outcome):
        return run
    if not directory.commit(attempt, run):
        return Outcome(DONE) if directory.is_done() else Outcome(BUSY, "a later attempt took this run over.")
    for checkpoint in directory.checkpoints():
        shutil.rmtree(checkpoint, ignore_errors=True)
    return Outcome(DONE)


def _train_in_the_lab(
    study_directory: Path, directory: RunDirectory, attempt: Attempt, spec: RunSpec, stop: threading.Event
) -> Run | Outcome:
    # Here and nowhere above: planning, status and reports must not wait for torch.
    from isoflop.lab.environment import use_one_thread
    from isoflop.lab.mirrors import mirrored
    from isoflop.lab.training import Interrupted, train

    use_one_thread()
    corpus = load_study_text(study_directory, spec.text.sha256)
    try:
        with mirrored(attempt, spec, recorded_mirrors(study_directory)) as logged:
            return train(
                spec,
                corpus,
                attempt=logged,
                resume_from=directory.checkpoints(),
                on_progress=lambda progress: None,
                stop=stop.is_set,
            )
    except Interrupted as interruption:
        return Outcome(STOPPED, f"{interruption}.")


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


def _print_into(attempt: Attempt) -> None:
    """Send what this process prints from now on, at any level, to the log of the attempt."""
    descriptor = os.open(attempt.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def main(arguments: list[str] | None = None) -> int:
    """The worker process: its last sentence goes to the error stream it was started with, the rest to the log."""
    parser = argparse.ArgumentParser(prog="python -m isoflop.studies.worker", description="Train one run of a study.")
    parser.add_argument("study_directory", type=Path)
    parser.add_argument("run")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    chosen = parser.parse_args(arguments)
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A nursery blocks it until there is a handler.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    last_word = os.dup(2)
    outcome = work(
        chosen.study_directory,
        chosen.run,
        stop=stop,
        is_orphan=lambda: chosen.parent is not None and os.getppid() != chosen.parent,
        on_claim=_print_into,
    )
    if outcome.message:
        for stream in (2, last_word):
            try:
                os.write(stream, f"{outcome.message.rstrip()}\n".encode())
            except OSError:
                continue
    return outcome.exit_code


if __name__ == "__main__":
    sys.exit(main())
