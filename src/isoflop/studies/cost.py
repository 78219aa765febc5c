"""What a study will cost, said before it starts: runs, FLOP, and minutes on the cores there are.

Seconds of a run on one core = steps · (0.3 ms + 0.6 ms · layers) + FLOP / rate(width), with
rate(width) = 90 GFLOP/s · width / (width + 60), where a held-out token that is scored counts as a third of one trained
on. Fitted to CPU seconds of PyTorch 2.13 in float32 with 512 tokens a step on one core of an AVX-512 Xeon whose other
core was busy (widths 8 to 256, 1 to 4 layers, 2026-11: within 35 %). Models that are stacked take less than this.
Another machine differs by a factor, which is estimated from the runs that are done.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isoflop.accounting.flops import training_flops
from isoflop.accounting.hardware import find_device
from isoflop.accounting.price import find_price
from isoflop.runs.directory import BriefResult
from isoflop.runs.spec import RunSpec
from isoflop.studies.results_index import brief_results
from isoflop.studies.study import PlannedRun

SECONDS_PER_STEP = 3e-4
SECONDS_PER_STEP_AND_LAYER = 6e-4
PEAK_RATE = 90e9
HALF_RATE_WIDTH = 60
START_SECONDS = 0.3
"""Starting one more worker and reading the text."""
FIRST_START_SECONDS = 3.0
"""Starting Python with torch, once for a set of runs."""

RENTED_DEVICE = "h100"
RENTED_UTILISATION = 0.3
"""A share of its peak that one card can be expected to reach on models of some hundred million parameters."""


@dataclass(frozen=True)
class Rental:
    """What training would take on one rented accelerator: its name, hours, and dollars at the middle of its prices."""

    device: str
    hours: float
    dollars: float


@dataclass(frozen=True)
class StudyCost:
    """What a study has cost and will: runs in all and done, training FLOP and wall seconds still to go.

    `busy` and `busy_so_far` are seconds summed over slots, still to go and spent; `dollars` and `dollars_so_far` the
    same at the price of an hour on a slot, None where the study gives none.
    """

    runs: int
    done: int
    compute: float
    seconds: float
    slots: int
    busy: float = 0.0
    busy_so_far: float = 0.0
    dollars_per_hour: float | None = None

    @property
    def dollars(self) -> float | None:
        """What the rest will cost."""
        return None if self.dollars_per_hour is None else self.busy / 3600 * self.dollars_per_hour

    @property
    def dollars_so_far(self) -> float | None:
        """What the finished runs have cost."""
        return None if self.dollars_per_hour is None else self.busy_so_far / 3600 * self.dollars_per_hour

    @property
    def rental(self) -> Rental:
        """What is left on one rented accelerator, at a share of its peak that large enough models reach."""
        hours = self.compute / (find_device(RENTED_DEVICE).peak_flops * RENTED_UTILISATION * 3600.0)
        price = find_price(RENTED_DEVICE)
        assert price is not None
        return Rental(RENTED_DEVICE, hours, hours * price.middle)


def study_cost(
    study_directory: Path,
    planned: Sequence[PlannedRun],
    slots: int,
    results: Mapping[str, BriefResult] | None = None,
    dollars_per_hour: float | None = None,
) -> StudyCost:
    """What is left of a study: the ladder first, the held-out runs after it, `slots` at once.

    `results` are those of its finished runs, where they have been read already.

    The speed of this machine is taken from the runs that are done, where there are any.
    """
    results = brief_results(study_directory) if results is None else results
    seen: list[tuple[float, float]] = []
    left: dict[str, list[float]] = {"ladder": [], "held-out": []}
    compute = 0.0
    for run in planned:
        result, expected = results.get(run.spec.identifier), seconds_on_one_core(run.spec)
        if result is None:
            left[run.role].append(expected)
            compute += run.compute
        elif result.seconds > 0:
            seen.append((result.seconds, expected))
    ratio = speed_ratio(seen)
    seconds = sum(
        FIRST_START_SECONDS + wall_seconds([ratio * expected + START_SECONDS for expected in role], slots)
        for role in left.values()
        if role
    )
    open_runs = sum(len(role) for role in left.values())
    busy = ratio * sum(sum(role) for role in left.values())
    so_far = sum(observed for observed, _ in seen)
    done = len(planned) - open_runs
    return StudyCost(len(planned), done, compute, seconds, slots, busy, so_far, dollars_per_hour)


def seconds_on_one_core(spec: RunSpec) -> float:
    """Estimated seconds to train `spec` on one core, without starting the worker."""
    rate = PEAK_RATE * spec.shape.width / (spec.shape.width + HALF_RATE_WIDTH)
    branched = 1.0 + spec.schedule.decay * sum(spec.branches) / spec.tokens
    passes = spec.shape.layers * spec.shape.reuse
    fixed = spec.steps * (SECONDS_PER_STEP + SECONDS_PER_STEP_AND_LAYER * passes)
    scored = (spec.evaluation_points + len(spec.branches)) * spec.evaluation_windows * spec.shape.context
    scoring = training_flops(spec.shape, scored) / 3.0 / rate
    return branched * (fixed + training_flops(spec.shape, spec.tokens) / rate) + scoring


def speed_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """Seconds observed per second estimated, over (observed, estimated) pairs; 1 where there are none."""
    observed, estimated = 0.0, 0.0
    for seen, expected in pairs:
        observed, estimated = observed + seen, estimated + expected
    return observed / estimated if observed > 0 and estimated > 0 else 1.0


def price_text(dollars: float) -> str:
    """Dollars to the cent, as people say them.

    Example:
        >>> price_text(1234.5), price_text(0.001), price_text(0.0)
        ('$1,234.50', 'under a cent', '$0.00')
    """
    return "under a cent" if 0.0 < dollars < 0.01 else f"${dollars:,.2f}"


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
