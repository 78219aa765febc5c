"""A study directory, its `runs/` folder, or the directory of a single run, read through `isoflop.runs.directory`."""

from __future__ import annotations

from pathlib import Path

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.quantities import ParamCount
from isoflop.runs.directory import RunDirectory, run_directories
from isoflop.runs.table import RunTable


def find_run_directories(path: Path) -> tuple[RunDirectory, ...]:
    """The run directories at `path`, by identifier; empty when it holds none."""
    if (path / "spec.json").is_file():
        return (RunDirectory(path),)
    if (path / "runs").is_dir():
        return run_directories(path)
    return tuple(RunDirectory(place.parent) for place in sorted(path.glob("*/spec.json")))


def read_run_directories(path: Path, param_count: ParamCount | None = None) -> RunTable:
    """The table of the finished runs at `path`; rows are numbered from 2 in the order of run identifiers.

    Raises:
        InputError: nothing there is a run, or none is finished.
    """
    found = find_run_directories(path)
    if not found:
        raise InputError(f"{path} holds no runs: give a study directory, or the path of a table.")
    results = [directory.result() for directory in found]
    runs = [run for run in results if run is not None]
    if not runs:
        raise InputError(f"{path}: none of its {len(found)} runs is finished; run the study to its end first.")
    table = RunTable.from_runs(runs, param_count or "total", source=[str(path)])
    missing = len(found) - len(runs)
    if not missing:
        return table
    message = f"{missing} of the {len(found)} runs in {path} are not finished and are left out."
    return table.with_findings(Finding("unfinished-runs", "warn", message))
