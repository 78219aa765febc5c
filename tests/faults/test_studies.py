"""Studies under faults, at a reduced size; `make check-faults` does the same at full size and counts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.checkpoints import damage_checkpoints
from tests.faults.clocks import jump_clocks
from tests.faults.disk import fill_disks
from tests.faults.interruptions import interrupt_studies
from tests.faults.kills import kill_cheap_runs, kill_real_runs
from tests.faults.overhead import train_nothing
from tests.faults.shims import compiler
from tests.faults.stalls import stall_workers
from tests.faults.victims import Tally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to find its victims"),
    # Forked workers use what the parent has imported; no thread of it is waited for.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning"),
]

FAULTS: dict[str, Callable[[Path], Tally]] = {
    "kills of cheap runs": lambda place: kill_cheap_runs(place, 40),
    "kills of real runs": lambda place: kill_real_runs(place, 5),
    "stalls": lambda place: stall_workers(place, 8),
    "interruptions": lambda place: interrupt_studies(place, 4),
    "damaged checkpoints": lambda place: damage_checkpoints(place, 20, 2),
    "nothing": lambda place: train_nothing(place, 60),
}
WITH_A_COMPILER: dict[str, Callable[[Path], Tally]] = {
    "disks under cheap runs": lambda place: fill_disks(place, "cheap", 7),
    "disks under real runs": lambda place: fill_disks(place, "real", 29),
    "clocks": lambda place: jump_clocks(place, 2),
}


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_is_lost_duplicated_or_corrupted(name: str, tmp_path: Path) -> None:
    tally = FAULTS[name](tmp_path / "place")
    assert tally.is_clean() and tally.injected and tally.completed, tally


@pytest.mark.skipif(compiler() is None, reason="no C compiler for the library that makes system calls fail")
@pytest.mark.parametrize("name", WITH_A_COMPILER)
def test_nor_by_a_system_that_fails(name: str, tmp_path: Path) -> None:
    tally = WITH_A_COMPILER[name](tmp_path / "place")
    assert tally.is_clean() and tally.injected and tally.completed, tally
