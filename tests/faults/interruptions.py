"""Ctrl-C and SIGTERM at random moments: back within five seconds, nothing left running, and the study goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from tests.faults.victims import (
    Results,
    Tally,
    cheap_study,
    expected_outcomes,
    processes_of,
    real_study,
    settle,
    start_driver,
    wait_until,
)

LONGEST_SECONDS = 5.0
RUNS_FOR_A_TURN = {cheap_study: 20, real_study: 3}
"""More than end until the next signal; of real runs there are four for each of these."""


def interrupt_studies(place: Path, times: int, seed: int = 0) -> Tally:
    """Half of them over real runs; Ctrl-C and SIGTERM in turn, to the driver alone or to its terminal's whole group."""
    tally = Tally("Ctrl-C and SIGTERM", asked=times)
    choose = random.Random(seed)
    slowest = 0.0
    for number, make in enumerate((cheap_study, real_study)):
        share = (times + 1 - number) // 2
        study_file = make(place / f"study{number}", runs=max(6, RUNS_FOR_A_TURN[make] * share))
        expected = expected_outcomes(study_file, place / f"calm{number}")
        results = Results(study_file)
        already = tally.injected
        for turn in range(2 * share):
            if tally.injected - already < share:
                number_of_signal = (signal.SIGINT, signal.SIGTERM)[turn % 2]
                slowest = max(slowest, _interrupt(tally, study_file, choose, number_of_signal))
                results.look()
        driver = start_driver(study_file)
        driver.communicate(timeout=1800)
        tally.stuck += driver.returncode != 0
        settle(tally, study_file, expected, results)
    tally.notes.append(f"slowest return {slowest:.1f} s")
    return tally


def _interrupt(tally: Tally, study_file: Path, choose: random.Random, number: signal.Signals) -> float:
    driver = start_driver(study_file)
    # Before that, Python is starting, and a signal ends it without a word.
    wait_until(lambda: driver.poll() is not None or len(processes_of(study_file)) > 2, 60.0)
    time.sleep(choose.uniform(0.0, 0.6))
    if driver.poll() is not None:
        driver.communicate()
        return 0.0
    begin = time.monotonic()
    if choose.random() < 0.5:
        driver.send_signal(number)
    else:
        os.killpg(driver.pid, number)
    _, errors = driver.communicate(timeout=60)
    seconds = time.monotonic() - begin
    tally.injected += 1
    # It may have been done a moment before, and be cut off while Python ends.
    ended, planned = (len(list(study_file.parent.glob(f"runs/*/{name}.json"))) for name in ("result", "spec"))
    done = ended == planned
    codes = (0, 128 + number, -number) if done else (128 + number,)
    clean = driver.returncode in codes and "Traceback" not in errors and seconds <= LONGEST_SECONDS
    if not clean:
        tally.stuck += 1
        tally.notes.append(f"{number.name}: exit {driver.returncode} after {seconds:.1f} s: {errors.strip()[-300:]}")
    if not wait_until(lambda: not processes_of(study_file), 3.0):
        tally.orphans += len(processes_of(study_file))
    return seconds
