"""A run on many devices: torchrun is started on it, watched, and ended with everything it started.

The worker that does so holds no claim: the first of the processes does (see `rank`), and how the work ended is read
from the run's directory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from isoflop.errors import EnvironmentFailure
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.studies.engine import BUSY, CRASHED, DONE, STOPPED
from isoflop.studies.guarded import end_guarded, start_guarded
from isoflop.studies.log import append_to_log

SECONDS_BETWEEN_WATCHES = 0.5
GRACE = 10.0
"""Seconds that the processes have to save once their worker is gone."""
LAST_BYTES = 4096
LAST_WORDS = "ISOFLOP_LAST_WORDS"
"""Names, in the environment of the processes, the directory where one that cannot go on says why; it is there as long
as their worker waits for them."""


def train_together(
    study_directory: Path,
    directory: RunDirectory,
    processes: int,
    *,
    stop: threading.Event,
    is_orphan: Callable[[], bool],
) -> tuple[int, str]:
    """Train one run with `processes` processes of this machine; an exit code of `engine`, and what there is to say.

    Raises:
        EnvironmentFailure: torchrun cannot be started.
    """
    if directory.is_done():
        return DONE, ""
    attempts = directory.attempts()
    if attempts and attempts[-1].is_alive():
        return BUSY, "another worker has this run."
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as last_words:
        torchrun = _start(study_directory, directory.identifier, processes, printed, last_words)
        try:
            _wait(torchrun, stop, is_orphan)
        finally:
            end_guarded(torchrun)  # its processes are in sessions of their own and end when they miss it
        printed.seek(max(0, printed.seek(0, os.SEEK_END) - LAST_BYTES))
        last_lines = printed.read().decode(errors="replace").strip()
        unclaimed = Attempt(Path(last_words), 0).end() or (CRASHED, last_lines or "its processes ended without a word.")
    return _ending(directory, attempts[-1].number if attempts else 0, last_lines, unclaimed, stop)


def _start(
    study_directory: Path, run: str, processes: int, printed: IO[bytes], last_words: str
) -> subprocess.Popen[bytes]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    rank = ["-m", "isoflop.studies.rank", str(study_directory), run]
    try:
        return start_guarded([*torchrun, *rank], GRACE, {LAST_WORDS: last_words}, printed=printed)
    except OSError as error:
        raise EnvironmentFailure(f"torchrun cannot be started ({error.strerror}).") from error


def _wait(torchrun: subprocess.Popen[bytes], stop: threading.Event, is_orphan: Callable[[], bool]) -> None:
    """Wait for the end; once somebody asks for it, pass that on. What does not listen torchrun ends by itself."""
    told = False
    while True:
        try:
            torchrun.wait(SECONDS_BETWEEN_WATCHES)
            return
        except subprocess.TimeoutExpired:
            if not told and (stop.is_set() or is_orphan()):
                stop.set()
                told = True
                os.killpg(torchrun.pid, signal.SIGTERM)


def _ending(
    directory: RunDirectory, before: int, last_lines: str, unclaimed: tuple[int, str], stop: threading.Event
) -> tuple[int, str]:
    """How the work ended, as far as the directory says; `before` is the number of the latest attempt before it.

    It ended as `unclaimed` says where no process got as far as claiming the run.
    """
    if directory.is_done():
        return DONE, ""
    latest = directory.attempts()[-1:]
    if latest and latest[0].number > before:
        if (end := latest[0].end()) is not None:
            return end
        if latest[0].is_alive():
            return BUSY, "another worker has this run."
        append_to_log(latest[0], last_lines)
        return CRASHED, "one of its processes was cut off."
    if stop.is_set():
        return STOPPED, "interrupted."
    if latest and latest[0].is_alive():
        return BUSY, "another worker has this run."
    return unclaimed
