"""Which process works on something, and whether it is certainly gone: told by machine, number and start time.

A process number alone is reused by the system; together with the start time it names one process for ever. Two
machines (or two containers) never judge each other's processes: for those only a heartbeat speaks.
"""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessIdentity:
    """One process: `machine` (host, boot and process namespace), `pid`, and `started`, its start time as text."""

    machine: str
    pid: int
    started: str


def this_process() -> ProcessIdentity:
    """The identity of the calling process."""
    return ProcessIdentity(_machine(), os.getpid(), _start_time(os.getpid()) or "")


def is_certainly_gone(identity: ProcessIdentity) -> bool:
    """Whether the process ran on this machine and has ended; False where that cannot be known from here."""
    return identity.machine == _machine() and _start_time(identity.pid) != identity.started


def _machine() -> str:
    if platform.system() != "Linux":
        return platform.node()
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    parts = [platform.node(), boot.read_text().strip() if boot.exists() else ""]
    return "/".join([*parts, os.readlink(namespace) if namespace.is_symlink() else ""])


def _start_time(pid: int) -> str | None:
    """The start time of a process as the system tells it, or None when it has ended (a zombie has)."""
    if platform.system() != "Linux":
        told = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, started = told.stdout.strip().partition(" ")
        return None if not state or state.startswith("Z") else started.strip()
    try:
        # The command name is in parentheses and may hold spaces; what follows the last one has fixed places.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
