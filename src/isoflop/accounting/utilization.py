"""Model FLOP utilisation (MFU): FLOP the model needs over FLOP the devices could do, and what published runs reached.

MFU = FLOP per token × tokens per second / (devices × peak) = C / (device seconds × peak). [chowdhery2022]

`utilization.toml` lists published runs by device, each with its GPU-hours or the utilisation it states. Hours of model
cards cover more than the one run counted (restarts, annealing, evaluation), so what follows from them is a floor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from statistics import median

from isoflop.accounting.entries import Schema, entries, shipped_tables
from isoflop.accounting.hardware import find_device
from isoflop.errors import InputError

SECONDS_PER_HOUR = 3600.0

_SCHEMA = Schema("run", {"compute": "compute", "device_hours": "count", "stated": "number"})


@dataclass(frozen=True)
class PublishedRun:
    """A training run on a device: its FLOP with the hours it took, or the utilisation it states."""

    model: str
    device: str
    source: str
    date: str
    compute: float | None = None
    device_hours: float | None = None
    stated: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.stated is None and (self.compute is None or self.device_hours is None):
            raise InputError(f"run {self.model}: give `stated`, or `compute` with `device_hours`.")

    @property
    def mfu(self) -> float:
        """Utilisation as stated, else as it follows from the hours and the peak of the device."""
        if self.stated is not None:
            return self.stated
        assert self.compute is not None and self.device_hours is not None
        return utilization_from_hours(self.compute, self.device_hours, find_device(self.device).peak_flops)


@dataclass(frozen=True)
class Utilization:
    """A utilisation to plan with, the range of the runs behind it, and in words where it comes from."""

    value: float
    low: float
    high: float
    source: str


def utilization_from_hours(compute: float, device_hours: float, peak_flops: float) -> float:
    """MFU of a run of `compute` FLOP that took `device_hours` of devices with that peak.

    Example:
        >>> round(utilization_from_hours(6 * 70e9 * 2e12, 1_720_320, 312e12), 3)
        0.435
    """
    return compute / (device_hours * SECONDS_PER_HOUR * peak_flops)


def utilization_from_throughput(
    flops_per_token: float, tokens_per_second: float, devices: int, peak_flops: float
) -> float:
    """MFU of a run that trains on `tokens_per_second` with `flops_per_token` each.

    Example:
        >>> round(utilization_from_throughput(6 * 7e9, 3500, 1, 312e12), 3)
        0.471
    """
    return flops_per_token * tokens_per_second / (devices * peak_flops)


@cache
def published_utilizations() -> tuple[PublishedRun, ...]:
    """The runs of `utilization.toml`."""
    return entries(shipped_tables("utilization.toml"), _SCHEMA, PublishedRun, "utilization.toml")


def expected_utilization(device: str, runs: Iterable[PublishedRun] | None = None) -> Utilization:
    """The median of what published runs reached on `device`; of all runs where there is none on it.

    Example:
        >>> expected_utilization("a100").source
        'the median of 14 published runs on a100'
    """
    listed = tuple(published_utilizations() if runs is None else runs)
    same = [run.mfu for run in listed if run.device == device]
    values = same or [run.mfu for run in listed]
    where = f"on {device}" if same else f"on other devices, since none on {device} is listed"
    words = f"the median of {len(values)} published runs {where}" if len(values) > 1 else f"one published run {where}"
    return Utilization(median(values), min(values), max(values), words)
