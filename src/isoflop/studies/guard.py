"""Guard: a process between a worker and a program of the user's, that ends the program when its worker is gone.

    python -I -S guard.py GRACE ARGUMENT...

The worker holds the other end of its standard input: the end of it means that nobody waits for the program any more,
however the worker came to its end. Guard and program are a session and a process group of their own. It leaves with the
program's exit code, 128 + n where signal n ended it. It imports next to nothing: one is started for every run.
"""

# What `signal` wraps; the enumerations that it adds cost 5 ms of CPU to import, of 15 that a guard took (2026-11-26).
import _signal as signal  # type: ignore[import-not-found]
import os
import select
import sys

CANNOT_START = 127


def guard(grace: float, arguments: list[str]) -> int:
    """Run the program to its end, or end it when standard input does."""
    if os.getpgid(0) != os.getpid():
        os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Sent to the whole group: the program decides what they mean.
        signal.signal(number, lambda number, frame: None)
    ended_read, ended_write = os.pipe()
    os.set_blocking(ended_write, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(ended_write, warn_on_full_buffer=False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        program = os.posix_spawnp(
            arguments[0],
            arguments,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, nothing, 0)],
            setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE],
            setsigmask=[],
        )
    except OSError as error:
        os.write(2, f"{arguments[0]} cannot be started: {error.strerror}\n".encode())
        return CANNOT_START
    while True:
        pid, status = os.waitpid(program, os.WNOHANG)
        if pid:
            return _exit_code(status)
        readable = select.select([0, ended_read], [], [])[0]
        if ended_read in readable:
            os.read(ended_read, 4096)
        if 0 in readable and not os.read(0, 4096):
            return _end(program, grace, ended_read)


def _end(program: int, grace: float, ended: int) -> int:
    """Ask the program to stop, and end it after `grace` seconds."""
    _signal_group(signal.SIGTERM)
    deadline = _now() + grace
    while _now() < deadline:
        if os.waitpid(program, os.WNOHANG)[0]:
            break
        select.select([ended], [], [], min(0.1, grace))
    _signal_group(signal.SIGKILL)
    return 1


def _signal_group(number: int) -> None:
    try:
        os.killpg(0, number)
    except ProcessLookupError:
        return


def _now() -> float:
    return os.times().elapsed


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(guard(float(sys.argv[1]), sys.argv[2:]))
