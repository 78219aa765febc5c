"""How far a study is, read from its directory alone: it works while the study runs elsewhere, and after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.quantities import format_duration
from isoflop.runs.directory import BriefResult, RunDirectory
from isoflop.studies.cost import StudyCost, price_text, study_cost
from isoflop.studies.last_engine import Place, first_engine, last_engine
from isoflop.studies.plan import plan_runs
from isoflop.studies.results_index import brief_results
from isoflop.studies.study import PlannedRun
from isoflop.studies.study_file import read_study
from isoflop.studies.text import study_text_spec


@dataclass(frozen=True)
class RunCounts:
    """Runs of a study by state; `waiting` have neither a result nor a living worker."""

    done: int
    failed: int
    diverged: int
    running: int = 0
    waiting: int = 0

    def to_dict(self) -> dict[str, int]:
        """The JSON object of these counts."""
        return {
            "done": self.done,
            "failed": self.failed,
            "diverged": self.diverged,
            "running": self.running,
            "waiting": self.waiting,
        }


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is; `cost` and `counts` are None while its text is not there, so that nothing is planned.

    `place` is where it was trained last, or will be by its file.
    """

    study: str
    directory: Path
    counts: RunCounts | None
    cost: StudyCost | None
    forecasts: tuple[Path, ...]
    place: Place

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `status --json`."""
        return {
            "schema": "isoflop.status/1",
            "study": self.study,
            "directory": str(self.directory),
            "on": self.place.on,
            "slots": self.place.slots,
            "runs": self.counts.to_dict() if self.counts else None,
            "remaining_seconds": self.cost.seconds if self.cost else None,
            "remaining_compute": self.cost.compute if self.cost else None,
            "remaining_slot_seconds": self.cost.busy if self.cost else None,
            "remaining_cost_usd": self.cost.dollars if self.cost else None,
            "slot_seconds": self.cost.busy_so_far if self.cost else None,
            "cost_usd": self.cost.dollars_so_far if self.cost else None,
            "forecasts": [str(path) for path in self.forecasts],
        }

    def __str__(self) -> str:
        """Two lines for a person."""
        if self.counts is None or self.cost is None:
            return f"{self.study}: not started."
        counts = self.counts.to_dict()
        text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        if not (self.counts.running or self.counts.waiting):
            return f"{self.study}: complete ({text})."
        spent = "" if self.cost.dollars_so_far is None else f", {price_text(self.cost.dollars_so_far)} spent so far"
        dollars = "" if self.cost.dollars is None else f" and {price_text(self.cost.dollars)}"
        time = f"About {format_duration(self.cost.seconds)}{dollars} to go"
        return f"{self.study}: {text}{spent}.\n{time}, {_at_a_time(self.place)}."


def study_status(study: Path, slots: int | None = None) -> StudyStatus:
    """The status of the study in a directory, or of a study file.

    The time to go is that with `slots` runs at once: unless given, as many as the engine has that trained it last.

    Raises:
        InputError: there is no study, or its file cannot be read.
    """
    study_file = study / "study.toml" if study.is_dir() else study
    if not study_file.exists():
        raise InputError(f"{study_file} does not exist: give the directory of a study.")
    told, directory = read_study(study_file), study_file.resolve().parent
    text = study_text_spec(directory, told.text)
    forecasts = tuple(sorted((directory / "forecasts").glob("*.json")))
    place = last_engine(directory) or first_engine(told)
    place = place if slots is None else replace(place, slots=slots)
    if text is None:
        return StudyStatus(told.name, directory, None, None, forecasts, place)
    planned = plan_runs(told, text)
    results = brief_results(directory)
    cost = study_cost(directory, planned, place.slots or 1, results, told.spending.dollars_per_hour)
    return StudyStatus(told.name, directory, count_runs(directory, planned, results), cost, forecasts, place)


def count_runs(
    study_directory: Path, planned: Sequence[PlannedRun], results: Mapping[str, BriefResult] | None = None
) -> RunCounts:
    """The planned runs by state; `results` are those of its finished runs, where they have been read already."""
    results = brief_results(study_directory) if results is None else results
    states: Counter[str] = Counter()
    for run in planned:
        result = results.get(run.spec.identifier)
        states[result.state if result is not None else _state(study_directory, run.spec.identifier)] += 1
    return RunCounts(states["done"], states["failed"], states["diverged"], states["running"], states["waiting"])


def _at_a_time(place: Place) -> str:
    if place.slots is None:
        return "reckoned as one run at a time until the cluster has said what it has room for"
    runs = "one run" if place.slots == 1 else f"{place.slots} runs"
    cluster = {"slurm": " on Slurm", "ray": " on Ray"}.get(place.on, "")
    return f"{runs} at a time{cluster}"


def _state(study_directory: Path, identifier: str) -> str:
    latest = RunDirectory(study_directory / "runs" / identifier).attempts()[-1:]
    return "running" if latest and latest[0].is_alive() else "waiting"
