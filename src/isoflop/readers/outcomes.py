"""How a run ended, told from its series: finished, unfinished, diverged or failed; and why.

A loss that is not that of a finished run must not enter a fit in silence: a run cut off in mid-schedule, or blown up,
says nothing about what its size can do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.quantities import format_number
from isoflop.readers.log import RunLog, Series
from isoflop.readers.numbers import plain_number
from isoflop.runs.columns import recognise

NEARLY_ALL = 0.98
"""Share of the planned steps from which on a run counts as finished: the last step is not always logged."""

ABOVE_ITS_START = 1.02
"""A loss that ends this many times its first value has diverged; one that only wavers has learned nothing."""

FEWEST_POINTS = 4
"""Points below which a loss that ends above its start is not yet taken for divergence."""


@dataclass(frozen=True)
class Outcome:
    """The `state` of a run, and the reason when it is not finished; an empty state is unknown."""

    state: str
    reason: str = ""


def outcome_of(log: RunLog, losses: tuple[str, ...]) -> Outcome:
    """How `log` ended; `losses` name the series that are losses, the most telling first."""
    for name in losses:
        if name in log.series and (reason := divergence(name, log.series[name])):
            return Outcome("diverged", reason)
    done, planned = _last_step(log), _planned_steps(log)
    if planned > 0 and done:
        if done < NEARLY_ALL * planned:
            return Outcome("unfinished", f"it stopped at step {done:.0f} of {planned:.0f}")
        return Outcome("finished")
    if log.ending == "failed":
        return Outcome("failed", "its tracker says that it failed or was killed")
    if log.ending == "running":
        return Outcome("unfinished", "its tracker says that it is still running")
    return Outcome(log.ending)


def _planned_steps(log: RunLog) -> float:
    """The steps that the format, or a setting of the run, says were planned; 0 where neither does."""
    given: list[object] = [log.facts.get("total_steps")]
    given += [
        value for name, value in log.config.items() if (column := recognise(name)) and column.name == "total_steps"
    ]
    numbers = [plain_number(value) for value in given if value is not None]
    return next((number for number in numbers if number is not None and number > 0), 0.0)


def _last_step(log: RunLog) -> float:
    return max((series.last_step for series in log.series.values() if len(series)), default=0.0)


def divergence(name: str, series: Series) -> str:
    """Why the loss `name` has diverged: it is no number any more, or ends above its start; empty where it has not."""
    if not np.isfinite(series.last):
        first_bad = series.steps[int(np.argmin(np.isfinite(series.values)))]
        return f"{name} is {format_number(series.last)} from step {first_bad:.0f} on"
    finite = series.values[np.isfinite(series.values)]
    if len(finite) >= FEWEST_POINTS and float(np.median(finite[-3:])) > ABOVE_ITS_START * float(finite[0]):
        last, first = format_number(series.last, 4), format_number(float(finite[0]), 4)
        return f"{name} ends at {last}, above the {first} it began with"
    return ""
