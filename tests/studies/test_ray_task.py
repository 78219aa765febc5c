"""What a task of the Ray engine does on its node, without Ray; `clusters` has a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from isoflop.runs.directory import create_run_directory
from isoflop.studies import ray
from isoflop.studies.driver import prepare_study
from isoflop.studies.engine import STOPPED
from tests.studies.test_driver import wait_for
from tests.studies.test_engines import LONG


def test_a_mark_stops_a_task_that_ray_does_not_reach(
    make_study: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine saving takes longer than Ctrl-C would wait.
    monkeypatch.setattr(ray, "SECONDS_TO_SAVE", 60.0)
    prepared = prepare_study(make_study(LONG))
    directory = create_run_directory(prepared.directory, prepared.planned[-1].spec)
    mark = tmp_path / "stop"

    def leave_a_mark() -> None:
        wait_for(lambda: directory.attempts() and directory.attempts()[0].metrics_path.exists(), 60)
        mark.touch()

    marker = threading.Thread(target=leave_a_mark)
    marker.start()
    code, message = ray.train(str(prepared.directory), directory.identifier, str(mark))
    marker.join()
    assert code == STOPPED and "interrupted" in message
    assert not directory.is_done() and directory.checkpoints()
    # One that has not begun does not begin.
    assert ray.train(str(prepared.directory), directory.identifier, str(mark)) == (STOPPED, "cancelled.")
    assert len(directory.attempts()) == 1
