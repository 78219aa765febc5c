"""The nursery: a process that has imported everything a worker needs and forks one worker for each run it is told.

    python -m isoflop.studies.nursery STUDY_DIRECTORY [--lab]

Starting Python with torch costs seconds of CPU, a fork milliseconds. It reads `{"run": …}` lines and answers with
`{"run": …, "exit_code": …, "message": …}` lines; the end of its input means that nobody waits for its workers.
SIGTERM is blocked here, so one sent to the process group stops the workers and leaves the nursery to tell of them.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
from dataclasses import dataclass

from isoflop.studies.engine import CRASHED, STOPPED
from isoflop.studies.worker import main as worker_main


@dataclass(frozen=True)
class _Child:
    """A forked worker; `last_word` is the read end of what it says at the end, closed when it is gone."""

    run: str
    pid: int
    last_word: int


def serve(study_directory: str, commands: int, answers: int) -> None:
    """Fork workers as told on `commands` and tell on `answers` how they ended, until `commands` ends."""
    children: dict[int, _Child] = {}
    said: dict[int, bytes] = {}
    pending = b""
    while True:
        for descriptor in select.select([commands, *children], [], [])[0]:
            if descriptor == commands:
                received = os.read(commands, 65_536)
                if not received:
                    return
                *lines, pending = (pending + received).split(b"\n")
                for line in lines:
                    _begin(study_directory, json.loads(line)["run"], answers, (commands, answers), children)
            elif text := os.read(descriptor, 65_536):
                said[descriptor] = said.get(descriptor, b"") + text
            else:
                _bury(children.pop(descriptor), said.pop(descriptor, b""), answers)


def _begin(
    study_directory: str, run: str, answers: int, inherited: tuple[int, ...], children: dict[int, _Child]
) -> None:
    if signal.SIGTERM in signal.sigpending():
        _answer(answers, run, STOPPED, "")
        return
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_worker(study_directory, run, write_end, (*inherited, read_end, *children))
    os.close(write_end)
    children[read_end] = _Child(run, pid, read_end)
    if signal.SIGTERM in signal.sigpending():
        # It came between the question above and the fork, when this child was not there to get it.
        os.kill(pid, signal.SIGTERM)


def _be_worker(study_directory: str, run: str, last_word: int, inherited: tuple[int, ...]) -> None:
    """In the child: work, and leave without running anything of the parent's."""
    code = CRASHED
    try:
        parent = os.getppid()
        os.dup2(last_word, 2)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        for descriptor in (*inherited, last_word, nothing):
            if descriptor > 2:
                os.close(descriptor)
        code = worker_main([study_directory, run, "--parent", str(parent)])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _bury(child: _Child, said: bytes, answers: int) -> None:
    os.close(child.last_word)
    _, status = os.waitpid(child.pid, 0)
    _answer(answers, child.run, os.waitstatus_to_exitcode(status), said.decode(errors="replace").strip())


def _answer(answers: int, run: str, exit_code: int, message: str) -> None:
    line = json.dumps({"run": run, "exit_code": exit_code, "message": message}).encode() + b"\n"
    while line:
        line = line[os.write(answers, line) :]


def _import_the_lab() -> None:
    """What a worker that trains in the lab imports, imported once for all of them."""
    import isoflop.lab.stack  # noqa: F401
    from isoflop.lab.environment import use_one_thread, warm_up

    use_one_thread()
    warm_up()


def main() -> None:
    """The nursery process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "--lab" in sys.argv:
        _import_the_lab()
    # What is there now is never collected: a worker that looked at it would have to copy it.
    gc.freeze()
    # Answers have a descriptor of their own, so that nothing a library prints can be taken for one.
    answers = os.dup(1)
    os.dup2(2, 1)
    try:
        serve(sys.argv[1], 0, answers)
    except BrokenPipeError:
        pass
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
