"""Programs under a guard: started and ended by a worker, and gone with all that they started when the worker is.

See `guard`, the process in between.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from isoflop.studies import guard


def start_guarded(
    arguments: Sequence[str],
    grace: float,
    environment: Mapping[str, str],
    *,
    place: Path | None = None,
    printed: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program with `environment` added to that of this process; what it prints goes to `printed`.

    It has `grace` seconds to save once this process is gone.

    Raises:
        OSError: the guard cannot be started.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(guard.__file__), str(grace), *arguments],
        stdin=subprocess.PIPE,
        stdout=printed,
        stderr=printed,
        cwd=place,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def end_guarded(process: subprocess.Popen[bytes]) -> None:
    """End whatever is left of the program and of its own children; a group that is empty is left alone."""
    assert process.stdin is not None
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
