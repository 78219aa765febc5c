"""The results of a study at a glance: state, seconds and loss of every finished run, however many there are.

Reading ten thousand results takes a second or two; what was read is kept in `runs/.results.json` with the time and size
of each file, and read again only where these have changed. The file may be deleted at any time.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from isoflop import records
from isoflop.errors import EnvironmentFailure, InputError
from isoflop.runs.directory import BriefResult, RunDirectory, brief_result

SCHEMA = "isoflop.results-index/1"
WORTH_KEEPING = 200
"""New results from which on the index is written again."""


def brief_results(study_directory: Path) -> dict[str, BriefResult]:
    """The finished runs of a study by identifier."""
    runs = study_directory / "runs"
    place = runs / ".results.json"
    kept = _kept(place)
    found: dict[str, BriefResult] = {}
    index: dict[str, list[Any]] = {}
    new = 0
    for name in _names(runs):
        try:
            status = os.stat(f"{runs}/{name}/result.json")
        except OSError:
            continue
        stamp = [status.st_mtime_ns, status.st_size]
        entry = kept.get(name)
        if entry is None or entry[:2] != stamp:
            result = brief_result(RunDirectory(runs / name))
            entry = [*stamp, result.state, result.seconds, result.loss]
            new += 1
        index[name] = entry
        found[name] = BriefResult(*entry[2:])
    if new >= WORTH_KEEPING:
        _keep(place, index)
    return found


def _names(runs: Path) -> list[str]:
    try:
        return os.listdir(runs)
    except OSError:
        return []


def _kept(place: Path) -> dict[str, list[Any]]:
    try:
        record = records.read_record(place, SCHEMA)["runs"]
    except (InputError, KeyError):
        return {}
    entries = record.items() if isinstance(record, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, list) and len(entry) == 5}


def _keep(place: Path, index: dict[str, list[Any]]) -> None:
    try:
        records.write_text(place, json.dumps({"schema": SCHEMA, "runs": index}) + "\n")
    except EnvironmentFailure:
        # A study that may only be read is read anew every time.
        return
