"""What is asked of a plan: budgets, goals and limits, read as people write them and checked against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal, get_args

from isoflop.accounting.hardware import Device, find_device
from isoflop.accounting.utilization import expected_utilization
from isoflop.errors import UsageError
from isoflop.planning.budget import Limit, Machine, limits_of
from isoflop.planning.inference import Serving
from isoflop.quantities import Devices, Kind, parse_devices, parse_quantity

Covers = Literal["training", "lifetime"]
"""What a budget pays for: training alone, or training and serving."""

Given = float | str | None
"""A quantity as a number or as people write it."""

_PRECISION = "bits_"
_FULL_PRECISION = 16.0


@dataclass(frozen=True)
class Request:
    """What is asked of a plan; sizes in parameters, data in tokens, all else in the units of `Limit` and `Serving`."""

    machine: Machine
    budgets: tuple[Limit, ...] = ()
    covers: Covers = "training"
    target_loss: float | None = None
    params: float | None = None
    tokens: float | None = None
    max_params: float | None = None
    unique_tokens: float | None = None
    max_epochs: float | None = None
    serving: Serving = field(default_factory=Serving)
    others: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.covers not in get_args(Covers):
            raise UsageError(f"budget_covers={self.covers!r} is unknown: use one of {', '.join(get_args(Covers))}.")
        if self.covers == "lifetime" and not self.serving.tokens:
            raise UsageError("budget_covers='lifetime' pays for serving too: give serve_tokens.")
        if self.max_epochs is not None:
            if self.unique_tokens is None:
                raise UsageError(f"max_epochs={self.max_epochs:g} counts passes over unique_tokens: give them.")
            if self.max_epochs < 1:
                raise UsageError(f"max_epochs={self.max_epochs:g} must be at least 1.")

    @property
    def budget(self) -> Limit | None:
        """The budget that binds, None where there is none."""
        return self.budgets[0] if self.budgets else None

    @property
    def most_tokens(self) -> float:
        """The most tokens that the distinct ones allow."""
        if self.unique_tokens is None or self.max_epochs is None:
            return math.inf
        return self.unique_tokens * self.max_epochs

    def choices(self) -> list[dict[str, float]]:
        """Every combination of the values given for other inputs of the law."""
        names = list(self.others)
        return [dict(zip(names, values, strict=True)) for values in product(*self.others.values())]


def request_of(
    machine: Machine,
    *,
    compute: Given = None,
    cost: Given = None,
    time: Given = None,
    energy: Given = None,
    target_loss: Given = None,
    params: Given = None,
    tokens: Given = None,
    max_params: Given = None,
    unique_tokens: Given = None,
    max_epochs: float | None = None,
    covers: Covers = "training",
    serving: Serving | None = None,
    at: Mapping[str, Given | Sequence[Given]] | None = None,
) -> Request:
    """A request whose quantities are numbers, or texts as people write them.

    Raises:
        UsageError: naming the argument and its value.

    Example:
        >>> from isoflop.planning.budget import machine_of
        >>> request_of(machine_of(None, "h100"), compute="1e24", max_params="7B").max_params
        7000000000.0
    """
    request = Request(
        machine=machine,
        budgets=limits_of(
            machine,
            compute=quantity(compute, "compute", "compute"),
            cost=quantity(cost, "dollars", "cost"),
            time=quantity(time, "duration", "time"),
            energy=quantity(energy, "energy", "energy"),
        ),
        covers=covers,
        target_loss=quantity(target_loss, "number", "target_loss"),
        params=quantity(params, "count", "params"),
        tokens=quantity(tokens, "tokens", "tokens"),
        max_params=quantity(max_params, "count", "max_params"),
        unique_tokens=quantity(unique_tokens, "tokens", "unique_tokens"),
        max_epochs=max_epochs,
        serving=serving or Serving(),
        others=others_of(at),
    )
    goals = (request.target_loss, request.params, request.tokens)
    if not request.budgets and all(goal is None for goal in goals):
        raise UsageError(
            "Nothing says what to spend or to reach: give compute, cost, energy, or gpus with time; or target_loss; or "
            "params or tokens that are to be optimal."
        )
    return request


def active_share(others: Mapping[str, float]) -> float:
    """The share of parameters that a token passes through: 1 - sparsity."""
    return 1.0 - others.get("sparsity", 0.0)


def precision_share(others: Mapping[str, float]) -> float:
    """Cost of training in fewer bits over that in 16: the widest of weights and activations sets it ([kumar2024])."""
    bits = [value for name, value in others.items() if name in (f"{_PRECISION}weights", f"{_PRECISION}activations")]
    return max(bits) / _FULL_PRECISION if bits else 1.0


def quantity(value: Given, kind: Kind, name: str) -> float | None:
    """A quantity given as a number or as text, checked to be a number above zero.

    Example:
        >>> quantity("7B", "count", "params"), quantity(None, "count", "params")
        (7000000000.0, None)
    """
    if value is None:
        return None
    if isinstance(value, str):
        return parse_quantity(value, kind, name)
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"{name}={value!r} must be a number above zero.")
    return number


def devices_of(value: Devices | str | None, name: str) -> Devices | None:
    """Devices given as such or as text, such as 1024xh100."""
    return parse_devices(value, name) if isinstance(value, str) else value


def serving_of(
    machine: Machine,
    *,
    tokens: Given = None,
    mfu: float | None = None,
    on: Devices | str | None = None,
    bits: float = 16.0,
    latency: Given = None,
) -> Serving:
    """Serving as it is asked for; what is served on other devices is weighed by what a FLOP costs there."""
    if mfu is not None and not 0 < mfu <= 1:
        raise UsageError(f"serve_mfu={mfu!r} must be above 0 and at most 1, such as 0.2.")
    place = devices_of(on, "serve_on")
    device = None if place is None else find_device(place.name, machine.accounting.devices, "serve_on")
    ratio = 1.0
    if mfu is not None:
        ratio = machine.mfu / mfu
    elif device is not None and device.name != machine.device.name:
        mfu = expected_utilization(device.name).value
        ratio = machine.mfu / mfu
    if device is not None and device.name != machine.device.name:
        ratio *= _price_ratio(machine, device)
    return Serving(
        tokens=quantity(tokens, "tokens", "serve_tokens") or 0.0,
        mfu=mfu,
        price_ratio=ratio,
        device=device,
        devices=1 if place is None else place.count,
        bits=float(bits),
        latency=quantity(latency, "duration", "latency"),
    )


def _price_ratio(machine: Machine, device: Device) -> float:
    """Dollars for a peak FLOP on the serving device over that on the training one; hours where one has no price."""
    from isoflop.accounting.price import find_price

    peak = machine.device.peak_flops / device.peak_flops
    found = find_price(device.name, machine.accounting.prices)
    if found is None or machine.price is None:
        return peak
    return peak * found.middle / machine.price


def others_of(at: Mapping[str, Given | Sequence[Given]] | None) -> dict[str, tuple[float, ...]]:
    """Values of other inputs of the law, one or several of each."""
    found: dict[str, tuple[float, ...]] = {}
    for name, values in (at or {}).items():
        listed: Sequence[Any] = [values] if isinstance(values, (str, float, int)) or values is None else values
        numbers = [
            parse_quantity(one, "count", f"at {name}", signed=True) if isinstance(one, str) else one for one in listed
        ]
        if not numbers or not all(isinstance(one, (int, float)) and math.isfinite(one) for one in numbers):
            raise UsageError(f"at: {name}={values!r} must be a number, or several to choose from.")
        if name == "sparsity" and not all(0 <= one < 1 for one in numbers):
            raise UsageError(f"at: sparsity={values!r} is the share of idle parameters: at least 0 and below 1.")
        found[name] = tuple(float(one) for one in numbers)
    return found
