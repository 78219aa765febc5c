"""Where a study was trained last, kept in its directory for whoever asks how far it is: `engine.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from isoflop import records
from isoflop.errors import InputError
from isoflop.studies.processes import runs_at_once
from isoflop.studies.study import Study

ENGINE_FILE, SCHEMA = "engine.json", "isoflop.engine/1"


@dataclass(frozen=True)
class Place:
    """An engine by name, and how many runs it trains at once; None where that is not known before it is reached."""

    on: str
    slots: int | None


def keep_engine(directory: Path, place: Place) -> None:
    """Write down where a study is trained from now on; what says so already is left alone."""
    if last_engine(directory) != place:
        records.write_record(directory / ENGINE_FILE, {"schema": SCHEMA, **asdict(place)}, synced=False)


def last_engine(directory: Path) -> Place | None:
    """Where a study was trained last; None where it never was, or its file cannot be read."""
    try:
        record = records.read_record(directory / ENGINE_FILE, SCHEMA)
    except InputError:
        return None
    on, slots = record.get("on"), record.get("slots")
    return Place(on, slots) if isinstance(on, str) and type(slots) is int and slots >= 1 else None


def first_engine(study: Study) -> Place:
    """Where a study that was never trained will be, by its file."""
    match study.site.on:
        case "inline":
            return Place("inline", 1)
        case "slurm":
            return Place("slurm", study.site.slurm.max_running)
        case "ray":
            return Place("ray", None)
    return Place("local", runs_at_once(study.launch.devices.processes))
