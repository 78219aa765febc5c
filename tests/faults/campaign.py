"""Every fault at full size, and the page that tells what came of them.

    python -m tests.faults.campaign PAGE.md [SHARE [PART ...]]

SHARE below 1 makes everything smaller. A part that has been measured is kept under `.statistics/faults` until a source
that it depends on changes, so what was interrupted goes on where it stopped, and parts can be named to be measured
apart. The page is written once all are there, each at the largest size that it has been measured at. Ends with exit
code 1 when a count on it is not 0.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.parts import KEPT, digest
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
when it is run again, or ends with anything but one clear sentence; *orphans* are processes left behind. *Slow* is a
study of runs that do nothing that takes more than 30 ms a run on two slots, or a `status` of more than one second (of
processor time, where the load exceeds the cores by more than two); Ctrl-C that takes more than five is stuck. *Load* is
the number of processes that wanted a core in the last minute of a part, its own among them: with more than there are
cores, times are longer than they would be alone.

"""
COUNTS = ("injected", "completed", "lost", "duplicated", "corrupted", "stuck", "orphans", "slow")
COLUMNS = ("fault", *COUNTS, "time", "load", "notes")
HERE = Path(__file__).parent
STUDYING = (
    "isoflop.cli.run",
    "isoflop.records",
    "isoflop.studies.dispatch",
    "isoflop.studies.driver",
    "isoflop.studies.guard",
    "isoflop.studies.inline",
    "isoflop.studies.nursery",
    "isoflop.studies.plan",
    "isoflop.studies.processes",
    "isoflop.studies.worker",
)
"""Modules that a study under a fault runs through, besides what they import."""


@dataclass(frozen=True)
class Part:
    """One row: what makes it, and the files here that it depends on besides `victims`."""

    make: Callable[[Path], Tally]
    sources: tuple[str, ...]
    modules: tuple[str, ...] = STUDYING

    def digest(self) -> str:
        return digest(self.modules, [HERE / name for name in ("victims.py", *self.sources)])


def parts(share: float) -> dict[str, Part]:
    def scaled(count: int) -> int:
        return max(2, round(share * count))

    every = max(1, round(1 / share))
    shim, kills, disk = "shims.py", ("kills.py",), ("disk.py", "disk_shim.c", "shims.py")
    return {
        "nothing": Part(lambda place: train_nothing(place, scaled(2000)), ("overhead.py",)),
        "status": Part(
            lambda place: ask_for_status(place, scaled(10_000)), ("overhead.py",), (*STUDYING, "isoflop.cli.status")
        ),
        "cheap-kills": Part(lambda place: kill_cheap_runs(place, scaled(1000)), kills),
        "real-kills": Part(lambda place: kill_real_runs(place, scaled(100)), kills),
        "stalls": Part(lambda place: stall_workers(place, scaled(200)), ("stalls.py",)),
        "interruptions": Part(lambda place: interrupt_studies(place, scaled(50)), ("interruptions.py",)),
        "cheap-disks": Part(lambda place: fill_disks(place, "cheap", every), disk),
        "real-disks": Part(lambda place: fill_disks(place, "real", every), disk),
        "checkpoints": Part(lambda place: damage_checkpoints(place, scaled(200), scaled(20)), ("checkpoints.py",)),
        "clocks": Part(lambda place: jump_clocks(place, scaled(12)), ("clocks.py", "clock_shim.c", shim)),
    }


def measure(name: str, part: Part, share: float) -> None:
    """Measure a part, unless it came out clean at this size; what comes out is kept, whatever it says."""
    place = kept_at(name, part, f"{share:g}")
    if place.exists() and is_clean(json.loads(place.read_text())):
        return
    with tempfile.TemporaryDirectory(prefix="faults-") as study:
        begin = time.monotonic()
        tally = part.make(Path(study) / "study")
    told = {
        "share": share,
        "tally": asdict(tally),
        "seconds": time.monotonic() - begin,
        "load": os.getloadavg()[0],
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(told))
    beside.replace(place)


def largest(name: str, part: Part) -> dict[str, Any] | None:
    """What is kept of a part, at the largest size there is."""
    pattern = kept_at(name, part, "*")
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in pattern.parent.glob(pattern.name)]
    return max(found, key=lambda told: told["share"], default=None)


def is_clean(told: Mapping[str, Any]) -> bool:
    return Tally(**told["tally"]).is_clean()


def kept_at(name: str, part: Part, share: str) -> Path:
    return KEPT / "faults" / f"{name}-{share}-{part.digest()}.json"


def row(told: Mapping[str, Any]) -> str:
    tally = told["tally"]
    cells = [
        tally["fault"],
        *(f"{tally[name]:,}" for name in COUNTS),
        f"{told['seconds']:.0f} s",
        f"{told['load']:.1f}",
    ]
    size = [] if told["share"] == 1 else [f"at {told['share']:g} of the full size"]
    notes = "; ".join(note.replace("|", "/").replace("\n", " ") for note in [*tally["notes"], *size] if note)
    return f"| {' | '.join([*cells, notes])} |"


def page_of(rows: Sequence[Mapping[str, Any]]) -> str:
    dates = sorted({told["date"] for told in rows})
    machine = (
        f"Measured on {' to '.join(dict.fromkeys((dates[0], dates[-1])))}: {len(os.sched_getaffinity(0))} cores "
        f"({platform.machine()}, Linux), Python {platform.python_version()}, "
        f"{sum(told['seconds'] for told in rows) / 60:.0f} minutes in all."
    )
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *map(row, rows)]
    return HEADING + "\n".join(table) + f"\n\n{machine}\n"


def main() -> int:
    page, share = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    every, chosen = parts(share), sys.argv[3:]
    unknown = set(chosen) - set(every)
    if unknown:
        print(f"{', '.join(sorted(unknown))} is no part: name some of {', '.join(every)}.", file=sys.stderr)
        return 2
    rows = []
    for name, part in every.items():
        if not chosen or name in chosen:
            measure(name, part, share)
        told = largest(name, part)
        print(f"{name}: {row(told) if told else 'not measured'}", flush=True)
        rows += [told] if told else []
    if len(rows) == len(every):
        page.write_text(page_of(rows), encoding="utf-8")
    return int(not all(map(is_clean, rows)))


if __name__ == "__main__":
    sys.exit(main())
