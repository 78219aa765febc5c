"""Engines by name: the one a study file names, or another that is asked for, told what the file tells it."""

from __future__ import annotations

from pathlib import Path

from isoflop.errors import UsageError
from isoflop.studies.engine import Engine
from isoflop.studies.inline import InlineEngine
from isoflop.studies.launchers import launcher_for
from isoflop.studies.processes import ProcessEngine, runs_at_once
from isoflop.studies.site import ENGINES
from isoflop.studies.study import Study
from isoflop.studies.study_file import read_study


def engine_for(study_file: Path, on: str | None = None, *, slots: int | None = None) -> Engine:
    """The engine that the study names, or the one called `on`: one of `site.ENGINES`.

    `slots` is how many runs worker processes on this machine train at once, as many as it has cores for unless given.

    Raises:
        UsageError: there is no engine of that name.
        InputError: the study file cannot be read.
        MissingExtraError: the engine needs a package that is not installed.
        EnvironmentFailure: the engine needs a cluster that is not there.
    """
    if on is not None and on not in ENGINES:
        raise UsageError(f"on={on!r} is not an engine: use one of {', '.join(ENGINES)}.")
    study, directory = read_study(study_file), study_file.resolve().parent
    return _engine(study, directory, on or study.site.on, slots)


def _engine(study: Study, directory: Path, on: str, slots: int | None) -> Engine:
    match on:
        case "inline":
            return InlineEngine(directory)
        case "slurm":
            from isoflop.studies.slurm import SlurmEngine

            return SlurmEngine(directory, study.site.slurm, name=study.name)
        case "ray":
            from isoflop.studies.ray import RayEngine

            return RayEngine(directory, study.site.ray)
    processes = study.launch.devices.processes
    slots = runs_at_once(processes) if slots is None else slots
    return ProcessEngine(directory, slots, launcher_for(directory, lab=study.trainer is None and processes == 1))
