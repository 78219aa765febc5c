"""Serving a model: what its tokens cost beside training, and how large it may be to fit a device or a latency.

    serving FLOP = 2·N·T,   weighed by what a FLOP costs when serving over what it costs when training
    N ≤ memory · 8 / bits                weights fit the devices
    N ≤ latency · bandwidth · 8 / bits   every token reads all active weights once

N parameters (active ones where time and FLOP are meant), T tokens served. [sardana2024]
"""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.accounting.hardware import Device
from isoflop.errors import UsageError
from isoflop.quantities import format_number

FLOP_PER_PARAMETER_SERVED = 2.0
ROOM_FOR_WEIGHTS = 0.9
"""Share of memory that weights may take, so that a cache of keys and values fits beside them."""


@dataclass(frozen=True)
class Serving:
    """Tokens to be served, the utilisation it runs at, and the devices that hold one copy of the model.

    `price_ratio` is what a FLOP costs when serving over what it costs when training.
    """

    tokens: float = 0.0
    mfu: float | None = None
    price_ratio: float = 1.0
    device: Device | None = None
    devices: int = 1
    bits: float = 16.0
    latency: float | None = None

    def __post_init__(self) -> None:
        if not 1.0 <= self.bits <= 32.0:
            raise UsageError(f"serve_bits={self.bits:g} must be between 1 and 32 bits for each parameter.")
        if self.latency is not None and self.device is None:
            raise UsageError(f"latency={self.latency:g} s depends on the device: give serve_on, such as 8xh100.")

    def flops_per_param(self, active: float = 1.0) -> float:
        """FLOP of serving for each parameter, at the price of training FLOP."""
        return FLOP_PER_PARAMETER_SERVED * active * self.tokens * self.price_ratio

    def flops(self, params: float, active: float = 1.0) -> float:
        """FLOP of serving."""
        return FLOP_PER_PARAMETER_SERVED * active * self.tokens * params

    def size_limits(self, active: float = 1.0) -> dict[str, float]:
        """The largest size that fits, by what limits it."""
        if self.device is None:
            return {}
        each = f"{self.devices} × {self.device.name} at {format_number(self.bits)} bits"
        held = ROOM_FOR_WEIGHTS * self.device.memory_bytes * self.devices * 8.0 / self.bits
        limits = {f"serving memory of {each}": held}
        if self.latency is not None:
            read = self.latency * self.device.bandwidth * self.devices * 8.0 / self.bits / active
            limits[f"latency of {format_number(1e3 * self.latency)} ms a token on {each}"] = read
        return limits
