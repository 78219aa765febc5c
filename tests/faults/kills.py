"""SIGKILL at random moments, at whatever works on a study: driver, nursery, workers, guards, programs."""

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
)

SHARES = {"worker": 40, "program": 20, "guard": 20, "nursery": 3, "driver": 1}
"""How often each is the victim: the rarer ones take seconds to be there again."""

LONGEST_STUDY = 3600.0


def kill_cheap_runs(place: Path, kills: int, seed: int = 0) -> Tally:
    study_file = cheap_study(place / "study", runs=max(8, 2 * kills))
    return _kill(Tally("SIGKILL over cheap runs"), study_file, place, kills, 0.03, seed)


def kill_real_runs(place: Path, kills: int, seed: int = 0) -> Tally:
    study_file = real_study(place / "study", runs=max(4, kills // 3))
    return _kill(Tally("SIGKILL over torch runs"), study_file, place, kills, 0.8, seed)


def _kill(tally: Tally, study_file: Path, place: Path, kills: int, pause: float, seed: int) -> Tally:
    choose = random.Random(seed)
    expected = expected_outcomes(study_file, place / "calm")
    results = Results(study_file)
    struck: dict[str, int] = {}
    tally.asked = kills
    driver = start_driver(study_file)
    deadline = time.monotonic() + LONGEST_STUDY
    while tally.injected < kills and time.monotonic() < deadline:
        time.sleep(choose.uniform(0, pause))
        if driver.poll() is not None:
            driver.communicate()
            if driver.returncode == 0:
                break
            driver = start_driver(study_file)
        part = _strike(study_file, choose)
        if part:
            struck[part] = struck.get(part, 0) + 1
            tally.injected += 1
        if tally.injected % 10 == 0:
            results.look()
    _, errors = driver.communicate(timeout=LONGEST_STUDY)
    while driver.returncode == -signal.SIGKILL:
        driver = start_driver(study_file)
        _, errors = driver.communicate(timeout=LONGEST_STUDY)
    tally.stuck += driver.returncode != 0
    tally.notes += [errors.strip()] if driver.returncode else []
    tally.notes.append(", ".join(f"{count} {part}s" for part, count in sorted(struck.items())))
    settle(tally, study_file, expected, results)
    return tally


def _strike(study_file: Path, choose: random.Random) -> str:
    """Kill one process of the study, the name of the part it played; empty where there was none."""
    living = processes_of(study_file)
    # A driver alone has nothing at work yet: killing it again and again would prove nothing.
    if set(living.values()) <= {"driver", "nursery"} and choose.random() < 0.995:
        return ""
    if not living:
        return ""
    pids = list(living)
    pid = choose.choices(pids, weights=[SHARES[living[pid]] for pid in pids])[0]
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return ""
    return living[pid]
