"""Wall clocks that jump by a day, back and forth, in every process of a study."""

from __future__ import annotations

import os
from pathlib import Path

from isoflop.runs.directory import RunDirectory, create_run_directory
from isoflop.studies.driver import prepare_study
from tests.faults.shims import compiled
from tests.faults.victims import Tally, cheap_study, expected_outcomes, real_study, settle, start_driver

DAY = 86_400


def jump_clocks(place: Path, studies: int) -> Tally:
    """Studies under a clock that jumps every few dozen readings, and heartbeats of other machines a day off."""
    tally = Tally("clock jumps of ±1 day")
    place.mkdir(parents=True, exist_ok=True)
    library = str(compiled("clock", place))
    for number in range(studies):
        make, runs = ((cheap_study, 12), (real_study, 2))[number % 2]
        study_file = make(place / f"study{number}", runs)
        expected = expected_outcomes(study_file, place / f"calm{number}")
        driver = start_driver(
            study_file, LD_PRELOAD=library, CLOCK_JUMP=str(DAY), CLOCK_EVERY=str((7, 30, 101, 400)[number % 4])
        )
        _, errors = driver.communicate(timeout=900)
        tally.injected += 1
        tally.stuck += driver.returncode != 0
        tally.notes += [errors.strip()[-300:]] if driver.returncode else []
        settle(tally, study_file, expected)
    for offset in (-DAY, DAY):
        tally.injected += 1
        tally.stuck += not _is_claimed_after(cheap_study(place / f"stale{offset}", 1), offset)
    return tally


def _is_claimed_after(study_file: Path, offset: int) -> bool:
    """Whether a run can be had whose last worker, on another machine, beat before the clock jumped by `offset`."""
    prepared = prepare_study(study_file)
    directory: RunDirectory = create_run_directory(prepared.directory, prepared.planned[0].spec)
    attempt = directory.start_attempt()
    assert attempt is not None
    owner = attempt.path / "owner.json"
    owner.write_text(owner.read_text().replace('"machine": "', '"machine": "elsewhere-'))
    if not attempt.is_alive():
        return False
    heartbeat = attempt.path / "heartbeat"
    beaten = heartbeat.stat().st_mtime - offset
    os.utime(heartbeat, (beaten, beaten))
    return directory.start_attempt() is not None
