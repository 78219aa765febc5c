"""How worker processes are started on this machine: each from nothing, or forked from a nursery where that is safe.

Both put workers into a process group of their own, so a Ctrl-C in the terminal reaches the driver alone.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path

from isoflop.errors import EnvironmentFailure
from isoflop.studies.engine import JobStatus

# With one thread a run is bit-reproducible, and two small runs use two cores better than one run with two threads.
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    )
}


SECONDS_BETWEEN_LOOKS = 0.01


class Launcher(ABC):
    """Starts workers and tells how they ended."""

    @abstractmethod
    def start(self, identifier: str) -> None:
        """Start a worker on a run."""

    @abstractmethod
    def ended(self, wait: float = 0.0) -> dict[str, JobStatus]:
        """The runs whose workers ended since the last time; up to `wait` seconds may pass until one does."""

    @abstractmethod
    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to every worker."""

    @abstractmethod
    def close(self) -> None:
        """End every worker at once and hold nothing; it may be used again."""


class SpawnLauncher(Launcher):
    """A fresh Python for every run."""

    def __init__(self, study_directory: Path) -> None:
        self._study_directory = study_directory
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, identifier: str) -> None:
        """Start `python -m isoflop.studies.worker`."""
        arguments = [str(self._study_directory), identifier, "--parent", str(os.getpid())]
        self._processes[identifier] = _python("isoflop.studies.worker", arguments)

    def ended(self, wait: float = 0.0) -> dict[str, JobStatus]:
        """Collect the processes that ended, with what they said last."""
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and all(process.poll() is None for process in self._processes.values()):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        told = {}
        for identifier, process in list(self._processes.items()):
            if process.poll() is not None:
                told[identifier] = JobStatus("ended", process.returncode, _last_word(process))
                del self._processes[identifier]
        return told

    def signal_all(self, number: signal.Signals) -> None:
        """Signal the process group of every worker."""
        for process in list(self._processes.values()):
            _signal_group(process, number)

    def close(self) -> None:
        """Kill and collect what still runs."""
        self.signal_all(signal.SIGKILL)
        for process in self._processes.values():
            process.wait()
            _last_word(process)
        self._processes.clear()


class NurseryLauncher(Launcher):
    """One Python that imports once what workers need, torch too with `lab`, and forks a worker for every run."""

    def __init__(self, study_directory: Path, *, lab: bool = True) -> None:
        self._study_directory = study_directory
        self._options = ["--lab"] if lab else []
        self._nursery: subprocess.Popen[bytes] | None = None
        self._running: set[str] = set()
        self._received = b""

    def start(self, identifier: str) -> None:
        """Tell the nursery, which is started if it is not there."""
        if self._nursery is None:
            self._nursery = _python("isoflop.studies.nursery", [str(self._study_directory), *self._options], talks=True)
            assert self._nursery.stdout is not None
            os.set_blocking(self._nursery.stdout.fileno(), False)
        assert self._nursery.stdin is not None
        self._running.add(identifier)
        try:
            os.write(self._nursery.stdin.fileno(), json.dumps({"run": identifier}).encode() + b"\n")
        except BrokenPipeError:
            # It is gone; `ended` finds that out and tells of all its runs.
            pass

    def ended(self, wait: float = 0.0) -> dict[str, JobStatus]:
        """What the nursery answered; if it died, all its workers are ending too."""
        if self._nursery is None:
            return {}
        assert self._nursery.stdout is not None
        select.select([self._nursery.stdout], [], [], wait)
        is_gone = self._nursery.poll() is not None
        told = self._read_answers(self._nursery)
        if is_gone:
            code, message = self._nursery.returncode, _last_word(self._nursery)
            told.update(
                {run: JobStatus("ended", code or -signal.SIGKILL, message) for run in self._running - set(told)}
            )
            self._forget()
        self._running -= set(told)
        return told

    def signal_all(self, number: signal.Signals) -> None:
        """Signal the process group that nursery and workers share; only SIGKILL ends the nursery too."""
        if self._nursery is not None:
            _signal_group(self._nursery, number)

    def close(self) -> None:
        """Let the nursery go: it ends at the end of its input, or is killed with what still runs."""
        if self._nursery is not None:
            if self._running:
                self.signal_all(signal.SIGKILL)
            assert self._nursery.stdin is not None
            self._nursery.stdin.close()
            self._nursery.wait()
            self._running.clear()
            self._forget()

    def _read_answers(self, nursery: subprocess.Popen[bytes]) -> dict[str, JobStatus]:
        assert nursery.stdout is not None
        while True:
            try:
                received = os.read(nursery.stdout.fileno(), 65_536)
            except BlockingIOError:
                break
            if not received:
                break
            self._received += received
        *lines, self._received = self._received.split(b"\n")
        answers = (json.loads(line) for line in lines)
        return {answer["run"]: JobStatus("ended", answer["exit_code"], answer["message"]) for answer in answers}

    def _forget(self) -> None:
        assert self._nursery is not None
        for stream in (self._nursery.stdin, self._nursery.stdout, self._nursery.stderr):
            if stream is not None:
                stream.close()
        self._nursery, self._received = None, b""


def launcher_for(study_directory: Path, *, lab: bool = True) -> Launcher:
    """The nursery on Linux; elsewhere a fork after importing torch is not safe, so every worker starts from nothing."""
    return NurseryLauncher(study_directory, lab=lab) if sys.platform == "linux" else SpawnLauncher(study_directory)


def _python(module: str, arguments: list[str], *, talks: bool = False) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise EnvironmentFailure(f"a worker process cannot be started ({error.strerror}).") from error


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return


def _last_word(process: subprocess.Popen[bytes]) -> str:
    """What an ended process wrote to its error stream; workers it left behind may still hold the other end."""
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    text = process.stderr.read() or b""
    process.stderr.close()
    return text.decode(errors="replace").strip()
