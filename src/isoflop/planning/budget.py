"""What can be spent, in FLOP: compute, dollars, devices for a time, energy; of several, the smallest binds.

FLOP = device hours · 3600 · peak · MFU       hours = devices · time = dollars / price = energy / (watts · PUE)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from isoflop.accounting.cost import Tariff
from isoflop.accounting.hardware import Device, find_device
from isoflop.accounting.memory import MIXED_PRECISION_ADAM, StateBytes
from isoflop.accounting.price import Price, find_price
from isoflop.accounting.utilization import SECONDS_PER_HOUR, expected_utilization
from isoflop.errors import UsageError
from isoflop.quantities import Devices, format_dollars, format_duration, format_flops, format_number

DEFAULT_DEVICE = "h100"
_LEAST = 1e6  # FLOP: some 400 parameters on as many tokens


@dataclass(frozen=True)
class Accounting:
    """How hours are counted and paid: utilisation, tariff, bytes of states, and the tables to look in.

    None stands for what published runs reached, and for the tables that come with the package.
    """

    mfu: float | None = None
    tariff: Tariff = field(default_factory=Tariff)
    states: StateBytes = MIXED_PRECISION_ADAM
    devices: tuple[Device, ...] | None = None
    prices: tuple[Price, ...] | None = None

    def __post_init__(self) -> None:
        if self.mfu is not None and not 0 < self.mfu <= 1:
            raise UsageError(f"mfu={self.mfu!r} must be above 0 and at most 1, such as 0.4.")


@dataclass(frozen=True)
class Machine:
    """What is trained on: a device, how many of them (None where nobody said), and what their hours give and cost.

    `mfu` is the utilisation to count on, `named` whether somebody said which device.
    """

    device: Device
    count: int | None
    mfu: float
    price: float | None
    accounting: Accounting = field(default_factory=Accounting)
    named: bool = True

    def flops(self, hours: float) -> float:
        """FLOP that so many device hours carry out."""
        return hours * SECONDS_PER_HOUR * self.device.peak_flops * self.mfu

    def hours(self, flops: float) -> float:
        """Device hours that so many FLOP take."""
        return flops / (SECONDS_PER_HOUR * self.device.peak_flops * self.mfu)


@dataclass(frozen=True)
class Limit:
    """One budget in FLOP: the option it came from, and what it is in words."""

    option: str
    flops: float
    words: str


def machine_of(gpus: Devices | None, gpu: str | None, accounting: Accounting | None = None) -> Machine:
    """The machine that is meant by `gpus` (1024xh100) or `gpu` (h100); an H100 where neither says.

    Raises:
        UsageError: a device that no table knows, or two that differ.

    Example:
        >>> machine_of(Devices(8, "h100"), None, Accounting(mfu=0.4)).hours(8 * 3600 * 989e12 * 0.4)
        8.0
    """
    accounting = accounting or Accounting()
    known = accounting.devices
    device = find_device(gpu or (gpus.name if gpus else DEFAULT_DEVICE), known, "gpu" if gpu else "gpus")
    if gpus is not None and find_device(gpus.name, known, "gpus").name != device.name:
        raise UsageError(f"gpus={gpus} and gpu={gpu!r} name different devices: give one of them.")
    found = find_price(device.name, accounting.prices)
    given = accounting.tariff.price
    return Machine(
        device=device,
        count=None if gpus is None else gpus.count,
        mfu=expected_utilization(device.name).value if accounting.mfu is None else accounting.mfu,
        price=given if given is not None else (found.middle if found else None),
        accounting=accounting,
        named=gpus is not None or gpu is not None,
    )


def limits_of(
    machine: Machine,
    *,
    compute: float | None = None,
    cost: float | None = None,
    time: float | None = None,
    energy: float | None = None,
) -> tuple[Limit, ...]:
    """Every budget that was given, in FLOP, the smallest first; `time` in seconds, `energy` in MWh, `cost` in dollars.

    Raises:
        UsageError: a budget is not a number above zero, or lacks what turns it into FLOP.
    """
    given = {"compute": compute, "cost": cost, "time": time, "energy": energy}
    for name, value in given.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name}={value!r} must be a number above zero.")
    limits = []
    if compute is not None:
        limits.append(Limit("compute", compute, format_flops(compute)))
    if cost is not None:
        limits.append(_of_cost(machine, cost))
    if time is not None:
        limits.append(_of_time(machine, time))
    if energy is not None:
        limits.append(_of_energy(machine, energy))
    for limit in limits:
        if limit.flops < _LEAST:
            raise UsageError(f"{limit.option}: {limit.words} give {limit.flops:.3g} FLOP, too few for any model.")
    return tuple(sorted(limits, key=lambda limit: limit.flops))


def _of_cost(machine: Machine, cost: float) -> Limit:
    name = machine.device.name
    if machine.price is None:
        raise UsageError(f"cost={cost:g} cannot be turned into hours: no price of {name} is known, so give price.")
    words = f"{format_dollars(cost)} at {format_dollars(machine.price)} an hour of {name}"
    return Limit("cost", machine.flops(cost / machine.price), words)


def _of_time(machine: Machine, time: float) -> Limit:
    if machine.count is None:
        raise UsageError(f"time={format_duration(time)!r} needs a number of devices: give gpus, such as 1024xh100.")
    words = f"{format_duration(time)} of {machine.count} × {machine.device.name}"
    return Limit("time", machine.flops(machine.count * time / SECONDS_PER_HOUR), words)


def _of_energy(machine: Machine, energy: float) -> Limit:
    watts = machine.device.power_watts
    if watts is None:
        raise UsageError(
            f"energy={energy:g} MWh cannot be turned into hours: the power of {machine.device.name} is not published."
        )
    hours = 1e6 * energy / (watts * machine.accounting.tariff.effectiveness)
    return Limit("energy", machine.flops(hours), f"{format_number(energy)} MWh of {machine.device.name}")


def cluster_for(machine: Machine, compute: float, state_bytes: float) -> Devices:
    """The smallest power of two of devices, at least 8, that hold the states and finish within 90 days.

    Example:
        >>> cluster_for(machine_of(None, "h100", Accounting(mfu=0.4)), 6e23, 16 * 70e9).count
        256
    """
    count = 8
    hours = machine.hours(compute)
    while count < 2**20 and (hours / count > 90 * 24 or state_bytes / count > 0.8 * machine.device.memory_bytes):
        count *= 2
    return Devices(count, machine.device.name)
