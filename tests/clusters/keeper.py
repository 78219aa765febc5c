"""Keeper: runs a program, and when that has ended, however it did, ends whatever it has left behind. Linux alone.

    python keeper.py PROGRAM ARGUMENT...

Daemons leave the session and the process group of the tests that start them. They cannot leave the keeper: the system
gives it every process below it that lost its parent. It is a process of its own, in a session of its own, beside the
one that was started, and does its work also when that one is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
LOST = 70
"""Exit code where the program was ended since nobody waits for it any more."""


def main(arguments: list[str]) -> int:
    orders, told = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(told)
        os.setsid()
        os._exit(keep(orders, arguments))
    os.close(orders)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os.write(told, bytes([number])))
    return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])


def keep(orders: int, arguments: list[str]) -> int:
    """Run the program; pass on the signals that come as bytes of `orders`, and end it at the end of them."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    program = subprocess.Popen(arguments)
    while (code := program.poll()) is None:
        if select.select([orders], [], [], 0.2)[0]:
            order = os.read(orders, 1)
            if not order:
                code = LOST
                break
            program.send_signal(order[0])
        _bury(except_for=program.pid)
    while left := _descendants():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        _bury(except_for=0)
    return code if code >= 0 else 128 - code


def _bury(except_for: int) -> None:
    """Collect the dead that were given to this process."""
    for pid, (parent, state) in _processes().items():
        if parent == os.getpid() and state == "Z" and pid != except_for:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _descendants() -> list[int]:
    parents = {pid: parent for pid, (parent, _) in _processes().items()}
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {os.getpid()})


def _processes() -> dict[int, tuple[int, str]]:
    """Parent and state of every process."""
    found = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stream:
                state, parent = stream.read().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        found[int(name)] = (int(parent), state)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
