"""The keeper of the cluster tests: no daemon outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clusters import keeper
from tests.studies.test_driver import wait_for

pytestmark = pytest.mark.clusters
DAEMON = "setsid sleep 600 & echo $! > {place}/daemon; {then}"


def start(place: Path, then: str) -> tuple[subprocess.Popen[bytes], int]:
    program = ["sh", "-c", DAEMON.format(place=place, then=then)]
    started = subprocess.Popen([sys.executable, str(keeper.__file__), *program])
    wait_for(lambda: (place / "daemon").exists() and (place / "daemon").read_text().strip())
    return started, int((place / "daemon").read_text())


def is_gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize(("then", "code"), [("exit 3", 3), ("kill -9 $$", 137)])
def test_a_daemon_is_ended_however_the_program_ended(then: str, code: int, tmp_path: Path) -> None:
    started, daemon = start(tmp_path, then)
    assert started.wait(20) == code
    wait_for(lambda: is_gone(daemon))


def test_a_signal_is_passed_on_and_a_killed_front_is_noticed(tmp_path: Path) -> None:
    started, daemon = start(tmp_path, "sleep 600")
    started.send_signal(signal.SIGTERM)
    assert started.wait(20) == 128 + signal.SIGTERM
    wait_for(lambda: is_gone(daemon))
    (tmp_path / "daemon").unlink()
    started, daemon = start(tmp_path, "sleep 600")
    started.kill()
    started.wait()
    wait_for(lambda: is_gone(daemon))
