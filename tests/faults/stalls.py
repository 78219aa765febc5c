"""Workers stopped past their lease that wake up after another took their run: two attempts alive at once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

from isoflop.runs.directory import LEASE_SECONDS, RunDirectory, create_run_directory
from isoflop.studies.driver import prepare_study
from isoflop.studies.worker import work
from tests.faults.victims import Tally, cheap_study, expected_outcomes, settle, wait_until


def stall_workers(place: Path, stalls: int, seed: int = 0) -> Tally:
    """Each run gets a worker that is stopped at a random moment, a second one, and then the first one back."""
    tally = Tally("worker stalled past its lease, then resumed", asked=stalls)
    choose = random.Random(seed)
    study_file = cheap_study(place / "study", runs=stalls + max(4, stalls // 2), pause=0.2)
    expected = expected_outcomes(study_file, place / "calm")
    prepared = prepare_study(study_file)
    kept_aside = 0
    for run in prepared.planned:
        directory = create_run_directory(prepared.directory, run.spec)
        directory.set_launch(prepared.study.launch)
        if tally.injected == stalls:
            os.waitpid(_worker(prepared.directory, directory.identifier), 0)
            continue
        # Some workers are too quick to be stalled: there are more runs than are needed.
        tally.injected += _stall(directory, prepared.directory, choose)
        tally.duplicated += len(list(directory.path.glob("result.json"))) != 1
        kept_aside += len(list(directory.path.glob("attempts/*/late-result.json")))
    tally.notes.append(f"two attempts alive at once; {kept_aside} late results kept aside")
    settle(tally, study_file, expected)
    return tally


def _stall(directory: RunDirectory, study_directory: Path, choose: random.Random) -> bool:
    """Whether two attempts were alive at once."""
    first = _worker(study_directory, directory.identifier)
    if not wait_until(directory.attempts, 20.0):
        raise AssertionError("the first worker has not begun")
    time.sleep(choose.uniform(0.0, 0.12))
    os.kill(first, signal.SIGSTOP)
    stalled = not directory.is_done() and os.waitpid(first, os.WNOHANG)[0] == 0
    second = None
    if stalled:
        heartbeat = directory.attempts()[0].path / "heartbeat"
        try:
            past = heartbeat.stat().st_mtime - 2 * LEASE_SECONDS
            os.utime(heartbeat, (past, past))
        except FileNotFoundError:
            stalled = False
        second = _worker(study_directory, directory.identifier)
        wait_until(lambda: len(directory.attempts()) > 1 or directory.is_done(), 5.0)
        time.sleep(choose.uniform(0.0, 0.12))
    both = stalled and len(directory.attempts()) > 1
    os.kill(first, signal.SIGCONT)
    for pid in filter(None, (first, second)):
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            continue
    if not directory.is_done():
        os.waitpid(_worker(study_directory, directory.identifier), 0)
    return both


def _worker(study_directory: Path, identifier: str) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            code = work(study_directory, identifier, stop=threading.Event()).exit_code
        finally:
            os._exit(code)
    return pid
