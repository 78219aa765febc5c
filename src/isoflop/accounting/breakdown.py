"""What accounting says of one architecture on given devices: parameters, FLOP, activations, layouts, serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from isoflop.accounting.activations import RECOMPUTATIONS, activation_bytes_per_layer, attention_factor
from isoflop.accounting.architecture import Architecture
from isoflop.accounting.conventions import CONVENTIONS, training_flops_under
from isoflop.accounting.decoding import Decoding, cache_bytes_per_token, decode
from isoflop.accounting.hardware import Device
from isoflop.accounting.layout import DeviceMemory, Layout, device_memory, layouts_that_fit
from isoflop.accounting.memory import MIXED_PRECISION_ADAM, StateBytes
from isoflop.accounting.parameters import ParameterCount, count_architecture

LAYOUTS_SHOWN = 5


@dataclass(frozen=True)
class PlacedLayout:
    """A layout, what its fullest device holds, and how much of its time the pipeline idles."""

    layout: Layout
    memory: DeviceMemory

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this layout."""
        return {**asdict(self.layout), "bubble": self.layout.bubble, **asdict(self.memory)}


@dataclass(frozen=True)
class Breakdown:
    """An architecture in numbers.

    `compute` is training FLOP by convention; `activation_bytes` those of one layer and one sequence by what is
    recomputed; `layouts` the best that fit, the least idle first; `decoding` one sequence at full context, on the
    fewest devices that hold weights and cache.
    """

    parameters: ParameterCount
    compute: Mapping[str, float]
    attention_factor: float
    activation_bytes: Mapping[str, float]
    cache_bytes_per_token: float
    layouts: tuple[PlacedLayout, ...]
    decoding: Decoding
    decoding_devices: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, part of that of a cost."""
        return {
            "parameters": {
                **asdict(self.parameters),
                "total": self.parameters.total,
                "non_embedding": self.parameters.non_embedding,
                "active": self.parameters.active,
            },
            "compute": dict(self.compute),
            "attention_factor": self.attention_factor,
            "activation_bytes_per_layer": dict(self.activation_bytes),
            "cache_bytes_per_token": self.cache_bytes_per_token,
            "layouts": [placed.to_dict() for placed in self.layouts],
            "decoding": {"devices": self.decoding_devices, **asdict(self.decoding)},
        }


def breakdown(
    architecture: Architecture,
    tokens: float,
    device: Device,
    devices: int,
    *,
    batch_sequences: int | None = None,
    states: StateBytes = MIXED_PRECISION_ADAM,
) -> Breakdown:
    """The breakdown of `architecture` trained on `tokens` tokens with `devices` devices of one kind.

    Layouts take `batch_sequences` a step, one for each device unless given.
    """
    batch = devices if batch_sequences is None else batch_sequences
    fitting = layouts_that_fit(architecture, devices, batch, device.memory_bytes, states=states)[:LAYOUTS_SHOWN]
    # Weights in 16 bits, all experts included, and the cache of one sequence at full context.
    held = 2.0 * count_architecture(architecture).total
    held += architecture.context * cache_bytes_per_token(architecture)
    serving = max(1, -int(-held // device.memory_bytes))
    return Breakdown(
        parameters=count_architecture(architecture),
        compute={name: training_flops_under(architecture, tokens, name) for name in CONVENTIONS},
        attention_factor=attention_factor(architecture),
        activation_bytes={
            name: activation_bytes_per_layer(architecture, 1, recomputation=name) for name in RECOMPUTATIONS
        },
        cache_bytes_per_token=cache_bytes_per_token(architecture),
        layouts=tuple(PlacedLayout(layout, device_memory(architecture, layout, states)) for layout in fitting),
        decoding=decode(architecture, device, devices=serving, cached_tokens=architecture.context),
        decoding_devices=serving,
    )
