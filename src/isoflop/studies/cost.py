"""What a study will cost, said before it starts: runs, FLOP, and minutes on the cores there are.

Seconds of a run on one core = steps · (0.3 ms + 0.6 ms · layers) + FLOP / rate(width), with
rate(width) = 90 GFLOP/s · width / (width + 60). Fitted to CPU seconds of PyTorch 2.13 in float32 with 512 tokens a
step on one core of an AVX-512 Xeon whose other core was busy (widths 8 to 256, 1 to 4 layers, 2026-11: within 35 %).
Another machine differs by a factor, which is estimated from the runs that are done.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoflop.accounting.flops import training_flops
from isoflop.runs.directory import RunDirectory, brief_result
from isoflop.runs.spec import RunSpec
from isoflop.studies.study import PlannedRun

SECONDS_PER_STEP = 3e-4
SECONDS_PER_STEP_AND_LAYER = 6e-4
PEAK_RATE = 90e9
HALF_RATE_WIDTH = 60
START_SECONDS = 0.3
"""Starting one more worker and reading the text."""
FIRST_START_SECONDS = 3.0
"""Starting Python with torch, once for a set of runs."""


@dataclass(frozen=True)
class StudyCost:
    """The cost of what is left of a study: runs in all and done, training FLOP and wall seconds still to go."""

    runs: int
    done: int
    compute: float
    seconds: float
    slots: int


def study_cost(study_directory: Path, planned: Sequence[PlannedRun], slots: int) -> StudyCost:
    """What is left of a study: the ladder first, the held-out runs after it, `slots` at once.

    The speed of this machine is taken from the runs that are done, where there are any.
    """
    seen: list[tuple[float, float]] = []
    left: dict[str, list[float]] = {"ladder": [], "held-out": []}
    compute = 0.0
    for run in planned:
        directory = RunDirectory(study_directory / "runs" / run.spec.identifier)
        expected = seconds_on_one_core(run.spec)
        if not directory.is_done():
            left[run.role].append(expected)
            compute += run.compute
        elif (seconds := brief_result(directory).seconds) > 0:
            seen.append((seconds, expected))
    ratio = speed_ratio(seen)
    seconds = sum(
        FIRST_START_SECONDS + wall_seconds([ratio * expected + START_SECONDS for expected in role], slots)
        for role in left.values()
        if role
    )
    open_runs = sum(len(role) for role in left.values())
    return StudyCost(len(planned), len(planned) - open_runs, compute, seconds, slots)


def seconds_on_one_core(spec: RunSpec) -> float:
    """Estimated seconds to train `spec` on one core, without starting the worker."""
    rate = PEAK_RATE * spec.shape.width / (spec.shape.width + HALF_RATE_WIDTH)
    fixed = spec.steps * (SECONDS_PER_STEP + SECONDS_PER_STEP_AND_LAYER * spec.shape.layers)
    return fixed + training_flops(spec.shape, spec.tokens) / rate


def speed_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Seconds observed per second estimated, over (observed, estimated) pairs; 1 where there are none."""
    observed, estimated = 0.0, 0.0
    for seen, expected in pairs:
        observed, estimated = observed + seen, estimated + expected
    return observed / estimated if observed > 0 and estimated > 0 else 1.0


def wall_seconds(seconds: Sequence[float], slots: int) -> float:
    """Wall time of jobs of these lengths on `slots` slots, each slot taking the longest job left when it is free.

    Example:
        >>> wall_seconds([3.0, 2.0, 2.0], 2)
        4.0
    """
    ends = [0.0] * max(1, slots)
    for length in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + length)
    return max(ends)
