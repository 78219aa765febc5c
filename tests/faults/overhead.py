"""What a study costs besides its runs: thousands of runs that do nothing, and the status of very many."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.victims import Tally, cheap_study, start_driver
from tests.studies.test_results_index import filled_study

SLOTS = 2
SECONDS_A_RUN = 0.03
SECONDS_OF_FEW_RUNS = 10.0
"""The most that a study may take: so much for each run, and never less than this, most of which is Python's start."""
SECONDS_OF_STATUS = 1.0
"""The most that a status may take."""


def train_nothing(place: Path, runs: int) -> Tally:
    """The process engine on two slots over runs whose program does nothing but log a loss."""
    study_file = cheap_study(place / "study", runs, pause=0.0)
    begin, before = time.monotonic(), _cpu_of_children()
    driver = start_driver(study_file)
    _, errors = driver.communicate(timeout=3600)
    seconds, cpu = time.monotonic() - begin, _cpu_of_children() - before
    done = len(list((study_file.parent / "runs").glob("*/result.json")))
    tally = Tally("none: runs that do nothing", runs, done, lost=runs - done, stuck=int(driver.returncode != 0))
    tally.slow = int(_own_seconds(seconds, cpu / SLOTS) > max(SECONDS_OF_FEW_RUNS, SECONDS_A_RUN * runs))
    tally.notes += [errors.strip()] if driver.returncode else []
    tally.notes.append(f"{seconds:.0f} s: {1000 * seconds / runs:.0f} ms a run; of CPU {1000 * cpu / runs:.0f} ms")
    return tally


def ask_for_status(place: Path, runs: int) -> Tally:
    """`isoflop status` as a user starts it, six times; the first reads the results, the others its index of them."""
    study_file = filled_study(place, runs)
    seconds, cpu = [], []
    for _ in range(6):
        begin, before = time.monotonic(), _cpu_of_children()
        told = subprocess.run(
            [sys.executable, "-m", "isoflop", "status", str(study_file)], capture_output=True, text=True, check=True
        )
        seconds.append(time.monotonic() - begin)
        cpu.append(_cpu_of_children() - before)
    assert f"complete ({runs} done)" in told.stdout
    note = f"the quickest of five {min(seconds[1:]):.2f} s, of CPU {min(cpu[1:]):.2f} s, Python's start included"
    slow = int(_own_seconds(min(seconds[1:]), min(cpu[1:])) > SECONDS_OF_STATUS)
    return Tally("none: status", 1, runs, slow=slow, notes=[note])


def _own_seconds(seconds: float, of_cpu: float) -> float:
    """The time it took; where others crowd the machine, what of it was spent at work."""
    is_crowded = os.getloadavg()[0] > len(os.sched_getaffinity(0)) + SLOTS
    return min(seconds, of_cpu) if is_crowded else seconds


def _cpu_of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system
