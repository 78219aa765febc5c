"""The Ray engine: runs as tasks of a Ray cluster, several nodes and fractions of a GPU included. Extra `[ray]`.

A task starts the worker that every engine starts, in a process of its own on the node that Ray chose, and returns how
it ended. Nodes see the study through a shared directory. Ray ends the tasks of a driver that dies; their workers
notice, save, and stop. A task whose node is lost is Ray's to try again; it goes on from the last good checkpoint.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isoflop.errors import EnvironmentFailure, MissingExtraError
from isoflop.runs.directory import RunDirectory
from isoflop.studies.engine import STOPPED, Engine, Job, JobStatus
from isoflop.studies.launchers import ONE_THREAD
from isoflop.studies.log import log_tail
from isoflop.studies.site import RaySite

SECONDS_TO_SAVE = 4.0
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_INTERRUPTIONS = 0.05


class RayEngine(Engine):
    """Follows the tasks of a study; `slots` is how many the cluster has room for when it is reached."""

    name = "ray"

    def __init__(self, study_directory: Path, site: RaySite) -> None:
        if importlib.util.find_spec("ray") is None:
            raise MissingExtraError("ray", "ray", "the Ray engine")
        import ray

        self._ray: Any = ray
        self._study_directory = study_directory
        self._site = site
        self._tasks: dict[str, Any] = {}
        self._saving: dict[str, float] = {}
        self._running: set[str] = set()
        self._last_look = 0.0
        self._stop_mark = study_directory / "ray" / f"stop-{os.getpid()}-{time.monotonic_ns()}"
        self._is_ours = not ray.is_initialized()
        self._connect()
        self.slots = self._room()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand every job to Ray as a task."""
        site = self._site
        options: dict[str, Any] = {"num_cpus": site.cpus, "num_gpus": site.gpus, "max_retries": site.retries}
        if site.resources:
            options["resources"] = dict(site.resources)
        task = self._ray.remote(**options)(train)
        for job in jobs:
            self._tasks[job.identifier] = task.options(name=job.identifier).remote(
                str(self._study_directory), job.identifier, str(self._stop_mark)
            )

    def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
        """Collect the tasks that ended, and tell which of the others have begun."""
        told = self._saved()
        if not self._tasks:
            time.sleep(0.0 if told else wait)
            return told | {name: JobStatus("running") for name in self._saving}
        names = {reference: name for name, reference in self._tasks.items()}
        ended, _ = self._ray.wait(list(names), num_returns=1, timeout=wait or 1e-3)
        if ended:
            ended, _ = self._ray.wait(list(names), num_returns=len(names), timeout=1e-3)
        for reference in ended:
            name = names[reference]
            del self._tasks[name]
            status = self._ending(reference)
            # Ray calls a task ended when it has been told to; its worker may still be saving.
            if status.exit_code == STOPPED and self._is_at_work(name):
                self._saving[name] = time.monotonic() + SECONDS_TO_SAVE
            else:
                told[name] = status
        self._look()
        told.update({name: JobStatus("running") for name in self._saving})
        told.update({name: JobStatus("running" if name in self._running else "waiting") for name in self._tasks})
        return told

    def cancel(self, *, now: bool = False) -> None:
        """Cancel every task: its worker saves and stops, or with `now` is ended at once.

        Ray is asked to, and for a task that it does not reach a mark is left in the study's directory.
        """
        with contextlib.suppress(OSError):
            self._stop_mark.parent.mkdir(parents=True, exist_ok=True)
            self._stop_mark.touch()
        for reference in self._tasks.values():
            self._ray.cancel(reference, force=now)

    def logs(self, identifier: str, lines: int = 20) -> str:
        """The last lines of the latest attempt's log."""
        return log_tail(self._study_directory, identifier, lines)

    def close(self) -> None:
        """End what still runs and leave the cluster."""
        if self._tasks:
            self.cancel(now=True)
            self._tasks.clear()
        self._saving.clear()
        with contextlib.suppress(OSError):
            self._stop_mark.unlink(missing_ok=True)
            self._stop_mark.parent.rmdir()
        if self._is_ours and self._ray.is_initialized():
            self._ray.shutdown()

    def _connect(self) -> None:
        if not self._is_ours:
            return
        options = {"include_dashboard": False} if self._site.address is None else {"address": self._site.address}
        try:
            self._ray.init(log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            # Ray's first sentence says what is wrong; what it says to do about it is for those who run the nodes.
            reason = str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")
            raise EnvironmentFailure(
                f"no Ray cluster can be reached at ray.address={self._site.address!r} ({reason}): start it, leave "
                "ray.address out, or, where its nodes ask for a token, set RAY_AUTH_MODE=token and put the token into "
                "RAY_AUTH_TOKEN or ~/.ray/auth_token."
            ) from error

    def _room(self) -> int:
        there, site = self._ray.cluster_resources(), self._site
        wanted = {"CPU": site.cpus, "GPU": site.gpus, **site.resources}
        return max(1, int(min(there.get(name, 0.0) / share for name, share in wanted.items() if share > 0)))

    def _ending(self, reference: Any) -> JobStatus:
        try:
            code, message = self._ray.get(reference)
            return JobStatus("ended", code, message)
        except self._ray.exceptions.TaskCancelledError:
            return JobStatus("ended", STOPPED, "cancelled.")
        except self._ray.exceptions.RayError as error:
            last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            return JobStatus("ended", None, f"Ray could not finish the task: {last}")

    def _saved(self) -> dict[str, JobStatus]:
        """Cancelled tasks whose workers have saved by now, or have had their time."""
        now = time.monotonic()
        done = [name for name, until in self._saving.items() if now > until or not self._is_at_work(name)]
        for name in done:
            del self._saving[name]
        return {name: JobStatus("ended", STOPPED, "cancelled.") for name in done}

    def _look(self) -> None:
        """Which tasks have begun, told by the runs' directories now and then."""
        if time.monotonic() - self._last_look < SECONDS_BETWEEN_LOOKS:
            return
        self._last_look = time.monotonic()
        self._running = {name for name in self._tasks if self._is_at_work(name)}

    def _is_at_work(self, name: str) -> bool:
        latest = RunDirectory(self._study_directory / "runs" / name).attempts()[-1:]
        return bool(latest) and latest[0].is_alive()


def train(study_directory: str, identifier: str, stop_mark: str) -> tuple[int, str]:
    """In a task: train one run in a process of its own; its exit code and what it said last.

    A task is cancelled by KeyboardInterrupt, or by `stop_mark` where that file is there: the worker saves and stops.
    """
    if os.path.exists(stop_mark):
        return STOPPED, "cancelled."
    arguments = [study_directory, identifier, "--parent", str(os.getpid())]
    worker = subprocess.Popen(
        [sys.executable, "-m", "isoflop.studies.worker", *arguments],
        env={**os.environ, **ONE_THREAD},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert worker.stderr is not None
    try:
        # Ray's interruption is seen between two steps of Python, never inside a call that waits.
        while worker.poll() is None:
            if os.path.exists(stop_mark):
                _let_save(worker)
                break
            time.sleep(SECONDS_BETWEEN_INTERRUPTIONS)
    except BaseException:
        _let_save(worker)
        raise
    with worker.stderr as last_word:
        return worker.wait(), last_word.read().decode(errors="replace").strip()


def _let_save(worker: subprocess.Popen[bytes]) -> None:
    """Ask a worker to save and stop, and end it where it does not."""
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(SECONDS_TO_SAVE)
    except subprocess.TimeoutExpired:
        worker.kill()
