"""Every fault at full size, and the page that tells what came of them.

    python -m tests.faults.campaign PAGE.md [SHARE]

SHARE below 1 makes everything smaller. Ends with exit code 1 when anything was lost, duplicated, corrupted or stuck.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.checkpoints import damage_checkpoints
from tests.faults.clocks import jump_clocks
from tests.faults.disk import fill_disks
from tests.faults.interruptions import interrupt_studies
from tests.faults.kills import kill_cheap_runs, kill_real_runs
from tests.faults.overhead import ask_for_status, train_nothing
from tests.faults.stalls import stall_workers
from tests.faults.victims import Tally

HEADING = """# What a study survives

`make check-faults` does the following to studies and counts what becomes of their runs. A completed run is *lost* when
its result vanishes or never comes, *duplicated* when a second one takes its place, *corrupted* when it differs in any
bit of loss or curve from that of an undisturbed study; a study is *stuck* when it does not come to its end by itself
when it is run again, or ends with anything but one clear sentence; *orphans* are processes left behind.

"""
COLUMNS = ("fault", "injected", "completed", "lost", "duplicated", "corrupted", "stuck", "orphans", "time", "notes")


def campaigns(share: float) -> dict[str, Callable[[Path], Tally]]:
    def scaled(count: int) -> int:
        return max(2, round(share * count))

    every = max(1, round(1 / share))
    return {
        "nothing": lambda place: train_nothing(place, scaled(2000)),
        "status": lambda place: ask_for_status(place, scaled(10_000)),
        "cheap kills": lambda place: kill_cheap_runs(place, scaled(1000)),
        "real kills": lambda place: kill_real_runs(place, scaled(100)),
        "stalls": lambda place: stall_workers(place, scaled(200)),
        "interruptions": lambda place: interrupt_studies(place, scaled(50)),
        "cheap disks": lambda place: fill_disks(place, "cheap", every),
        "real disks": lambda place: fill_disks(place, "real", every),
        "checkpoints": lambda place: damage_checkpoints(place, scaled(200), scaled(20)),
        "clocks": lambda place: jump_clocks(place, scaled(12)),
    }


def row(tally: Tally, seconds: float) -> str:
    numbers = [getattr(tally, name) for name in COLUMNS[1:8]]
    notes = "; ".join(note.replace("|", "/").replace("\n", " ") for note in tally.notes if note)
    return "| " + " | ".join([tally.fault, *(f"{number:,}" for number in numbers), f"{seconds:.0f} s", notes]) + " |"


def main() -> int:
    page, share = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    rows, clean = [], True
    begun = time.monotonic()
    for name, campaign in campaigns(share).items():
        with tempfile.TemporaryDirectory(prefix="faults-") as place:
            begin = time.monotonic()
            tally = campaign(Path(place) / "study")
        rows.append(row(tally, time.monotonic() - begin))
        clean = clean and tally.is_clean()
        print(f"{name}: {rows[-1]}", flush=True)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    machine = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with SHARE {share:g}: {cores} cores ({platform.machine()}, Linux), "
        f"Python {platform.python_version()}; {(time.monotonic() - begun) / 60:.0f} minutes, load {load:.1f}."
    )
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *rows]
    page.write_text(HEADING + "\n".join(table) + f"\n\n{machine}\n", encoding="utf-8")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
