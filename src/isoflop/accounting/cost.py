"""What a training run costs: FLOP, device hours, days, dollars, energy, carbon, and memory of its states."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from isoflop.accounting.breakdown import Breakdown
from isoflop.accounting.energy import KG_CO2_PER_KWH, POWER_USAGE_EFFECTIVENESS, co2_tonnes, energy_mwh
from isoflop.accounting.flops import six_nd
from isoflop.accounting.hardware import Device, find_device
from isoflop.accounting.memory import MIXED_PRECISION_ADAM, ZERO_STAGES, StateBytes, state_bytes_per_device
from isoflop.accounting.price import Price, find_price
from isoflop.accounting.utilization import SECONDS_PER_HOUR, Utilization, expected_utilization
from isoflop.errors import UsageError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.quantities import Devices, format_dollars, format_number

SCHEMA = "isoflop.cost/1"
HOURS_PER_DAY = 24.0


@dataclass(frozen=True)
class Tariff:
    """What the hours cost besides time: a price, the overhead of the data centre, the carbon of its electricity.

    `price` is dollars for an hour of one device, None for the price table's; `effectiveness` and `kg_per_kwh` are the
    assumptions of [touvron2023] unless given.
    """

    price: float | None = None
    effectiveness: float = POWER_USAGE_EFFECTIVENESS
    kg_per_kwh: float = KG_CO2_PER_KWH

    def __post_init__(self) -> None:
        if self.price is not None and not (math.isfinite(self.price) and self.price > 0):
            raise UsageError(f"price={self.price!r} must be dollars above zero for an hour of one device.")
        if not (math.isfinite(self.effectiveness) and self.effectiveness >= 1):
            raise UsageError(f"pue={self.effectiveness!r} must be at least 1: all energy over that of the devices.")
        if not (math.isfinite(self.kg_per_kwh) and self.kg_per_kwh >= 0):
            raise UsageError(f"carbon={self.kg_per_kwh!r} must be kilograms per kWh, at least 0.")


@dataclass(frozen=True)
class Cost(Judged):
    """The cost of a run on given devices; what is not known is None, and a finding says why.

    `cost_usd` is the middle of `cost_range`. `memory` is bytes of model states on each device by ZeRO stage, all
    devices sharing one copy; activations come on top.
    """

    params: float
    active_params: float
    tokens: float
    device: Device
    devices: int
    compute: float
    mfu: float
    gpu_hours: float
    days: float
    price_per_hour: float | None
    cost_usd: float | None
    cost_range: tuple[float, float] | None
    energy_mwh: float | None
    co2_tonnes: float | None
    memory: Mapping[str, float]
    findings: tuple[Finding, ...] = ()
    architecture: Breakdown | None = None

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "params": self.params,
            "active_params": self.active_params,
            "tokens": self.tokens,
            "gpus": {"count": self.devices, "name": self.device.name, "memory_bytes": self.device.memory_bytes},
            "compute": self.compute,
            "mfu": self.mfu,
            "gpu_hours": self.gpu_hours,
            "days": self.days,
            "price_per_hour": self.price_per_hour,
            "cost_usd": self.cost_usd,
            "cost_usd_range": None if self.cost_range is None else list(self.cost_range),
            "energy_mwh": self.energy_mwh,
            "co2_tonnes": self.co2_tonnes,
            "memory": dict(self.memory),
            **({} if self.architecture is None else {"architecture": self.architecture.to_dict()}),
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }


def training_cost(
    params: float,
    tokens: float,
    gpus: Devices,
    *,
    active_params: float | None = None,
    compute: float | None = None,
    mfu: float | None = None,
    tariff: Tariff | None = None,
    states: StateBytes = MIXED_PRECISION_ADAM,
    devices: Iterable[Device] | None = None,
    prices: Iterable[Price] | None = None,
) -> Cost:
    """The cost of training `params` parameters on `tokens` tokens with `gpus`.

    compute = 6 · active_params · tokens unless given; hours = compute / (peak · mfu); mfu is what published runs
    reached on the device unless given. `devices` and `prices` are the tables to look in, the shipped ones by default.

    Raises:
        UsageError: an argument outside its range, or a device that no table knows.

    Example:
        >>> from isoflop.quantities import parse_devices
        >>> run = training_cost(70e9, 2e12, parse_devices("2048xa100"), mfu=0.4351)
        >>> round(run.gpu_hours, -3), round(run.days, 1)
        (1719000.0, 35.0)
    """
    active = params if active_params is None else active_params
    tariff = tariff or Tariff()
    _check(params, active, tokens, compute, mfu)
    device = find_device(gpus.name, devices)
    expected = expected_utilization(device.name)
    used = expected.value if mfu is None else mfu
    flops = six_nd(active, tokens) if compute is None else compute
    hours = flops / (device.peak_flops * used) / SECONDS_PER_HOUR
    price, span, priced = _price(device, tariff.price, prices)
    energy = None if device.power_watts is None else energy_mwh(hours, device.power_watts, tariff.effectiveness)
    memory = {f"zero{stage}": state_bytes_per_device(params, gpus.count, stage, states) for stage in ZERO_STAGES}
    return Cost(
        params=params,
        active_params=active,
        tokens=tokens,
        device=device,
        devices=gpus.count,
        compute=flops,
        mfu=used,
        gpu_hours=hours,
        days=hours / gpus.count / HOURS_PER_DAY,
        price_per_hour=price,
        cost_usd=None if price is None else hours * price,
        cost_range=None if span is None else (hours * span[0], hours * span[1]),
        energy_mwh=energy,
        co2_tonnes=None if energy is None else co2_tonnes(energy, tariff.kg_per_kwh),
        memory=memory,
        findings=by_weight(
            [
                *priced,
                *([] if mfu is not None else [_assumed(expected)]),
                *_power(device),
                *_room(memory, device),
            ]
        ),
    )


def _check(params: float, active: float, tokens: float, compute: float | None, mfu: float | None) -> None:
    values = {
        "params": params,
        "active_params": active,
        "tokens": tokens,
        "compute": 1.0 if compute is None else compute,
    }
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name}={value!r} must be a number above zero.")
    if active > params:
        raise UsageError(f"active_params={active:g} must be at most params={params:g}.")
    if mfu is not None and not 0 < mfu <= 1:
        raise UsageError(f"mfu={mfu!r} must be above 0 and at most 1, such as 0.4.")


def _price(
    device: Device, given: float | None, prices: Iterable[Price] | None
) -> tuple[float | None, tuple[float, float] | None, list[Finding]]:
    if given is not None:
        return given, (given, given), []
    found = find_price(device.name, prices)
    if found is None:
        return None, None, [Finding("price-unknown", "note", f"No price of {device.name} is known: give --price.")]
    offers = format_dollars(found.low)
    if found.high > found.low:
        offers += f" to {format_dollars(found.high)}"
    message = f"Price of {device.name}: {offers} an hour ({found.source}, {found.date}); --price replaces it."
    return found.middle, (found.low, found.high), [Finding("price-assumed", "note", message)]


def _assumed(expected: Utilization) -> Finding:
    span = f"{format_number(expected.low)} to {format_number(expected.high)}"
    told = f" ({span})" if expected.high > expected.low else ""
    message = f"Utilisation {format_number(expected.value)} is {expected.source}{told}; --mfu replaces it."
    return Finding("mfu-assumed", "note", message)


def _power(device: Device) -> list[Finding]:
    if device.power_watts is not None:
        return []
    return [Finding("power-unknown", "note", f"The power of {device.name} is not published: no energy is given.")]


def _room(memory: Mapping[str, float], device: Device) -> list[Finding]:
    least = memory["zero3"]
    if least <= device.memory_bytes:
        return []
    message = (
        f"Even sharded over all devices the model states need {format_number(least / 1e9)} GB on each, and "
        f"{device.name} holds {format_number(device.memory_bytes / 1e9)} GB: use more devices."
    )
    return [Finding("memory-short", "warn", message)]
