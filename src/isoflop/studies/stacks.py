"""Small models of a study that are trained side by side, as one batched model in one worker.

The driver writes who belongs together to `stacks.json`; the worker that gets one of them claims the others that are
free. So engines keep submitting single runs: one that is in a stack already has, to them, another worker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from isoflop import records
from isoflop.errors import InputError
from isoflop.lab.stackable import stacking_key
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.runs.spec import ONE_DEVICE, Devices
from isoflop.studies.engine import STOPPED
from isoflop.studies.study import PlannedRun

FILE, SCHEMA = "stacks.json", "isoflop.stacks/1"


def stacks_of(
    planned: Sequence[PlannedRun], size: int, devices: Devices = ONE_DEVICE
) -> tuple[tuple[PlannedRun, ...], ...]:
    """Runs that can be trained side by side, up to `size` of them together, in the order they were given.

    Runs of one kind are shared out evenly over as few stacks as there can be, so that none is left with one run.
    """
    kinds: dict[tuple[object, ...], list[PlannedRun]] = {}
    for run in planned:
        key = stacking_key(run.spec, devices)
        if key is not None:
            kinds.setdefault(key, []).append(run)
    stacks: list[tuple[PlannedRun, ...]] = []
    for runs in kinds.values():
        count = math.ceil(len(runs) / size)
        ends = [round(len(runs) * part / count) for part in range(count + 1)]
        stacks.extend(tuple(runs[begin:end]) for begin, end in pairwise(ends))
    return tuple(stack for stack in stacks if len(stack) > 1)


def write_stacks(
    study_directory: Path, planned: Sequence[PlannedRun], size: int, devices: Devices = ONE_DEVICE
) -> tuple[PlannedRun, ...]:
    """Say which of the planned runs are trained side by side; the runs again, the first of every stack in front.

    Workers that start at once then begin stacks of their own instead of dividing the first one.
    """
    place = study_directory / FILE
    stacks = stacks_of(planned, size, devices)
    if not stacks:
        place.unlink(missing_ok=True)
        return tuple(planned)
    names = [[run.spec.identifier for run in stack] for stack in stacks]
    records.write_record(place, {"schema": SCHEMA, "stacks": names})
    followers = {name for stack in names for name in stack[1:]}
    return tuple(sorted(planned, key=lambda run: run.spec.identifier in followers))


def claim_mates(study_directory: Path, directory: RunDirectory) -> Iterator[tuple[RunDirectory, Attempt]]:
    """Claim the runs that are to be trained beside that of `directory`, which the caller has, as far as they are free.

    A run whose last attempt was cut off or crashed, whatever it was that ended it, is tried again alone.
    """
    try:
        stacks: list[list[str]] = records.read_record(study_directory / FILE, SCHEMA)["stacks"]
    except (InputError, KeyError):
        return
    name = directory.identifier
    stack = next((names for names in stacks if name in names), [])
    if not stack or not _was_stopped_in_order(directory.attempts()[:-1]):
        return
    for mate in (RunDirectory(study_directory / "runs" / other) for other in stack if other != name):
        if _was_stopped_in_order(mate.attempts()):
            attempt = mate.start_attempt()
            if attempt is not None:
                yield mate, attempt


def _was_stopped_in_order(attempts: Sequence[Attempt]) -> bool:
    """Whether the last of the attempts, if there is one, was asked to stop and saved its state."""
    end = attempts[-1].end() if attempts else (STOPPED, "")
    return end is not None and end[0] == STOPPED
