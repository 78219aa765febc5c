"""Laying a model out over devices: tensor, pipeline and data parallel, what each device holds, what the pipeline idles.

A pipeline of p stages fed m microbatches idles (p − 1) / m of its ideal time. With one forward and one backward at a
time its first stage keeps the activations of min(p, m) microbatches. [korthikanti2022]
"""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.accounting.activations import Recomputation, activation_bytes_per_layer
from isoflop.accounting.architecture import Architecture
from isoflop.accounting.memory import MIXED_PRECISION_ADAM, StateBytes, ZeroStage, state_bytes_per_device
from isoflop.accounting.parameters import count_architecture
from isoflop.errors import UsageError

DEVICES_OF_A_NODE = 8
"""Devices on one fast interconnect, beyond which tensor parallelism is not worth its traffic: an HGX board's."""


@dataclass(frozen=True)
class Layout:
    """How devices share a model: `tensor` a layer, `pipeline` the stages, `data` the batch.

    A step takes `microbatches` of `sequences` sequences each through every pipeline.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    microbatches: int = 1
    sequences: int = 1
    zero_stage: ZeroStage = 1
    recomputation: Recomputation = "selective"
    sequence_parallel: bool = True

    def __post_init__(self) -> None:
        for name in ("tensor", "pipeline", "data", "microbatches", "sequences"):
            if getattr(self, name) < 1:
                raise UsageError(f"layout: {name}={getattr(self, name)} must be at least 1.")

    @property
    def devices(self) -> int:
        """All devices."""
        return self.tensor * self.pipeline * self.data

    @property
    def batch_sequences(self) -> int:
        """Sequences of one optimizer step."""
        return self.data * self.microbatches * self.sequences

    @property
    def bubble(self) -> float:
        """Idle time over ideal time of the pipeline: (p − 1) / m.

        Example:
            >>> Layout(pipeline=8, microbatches=64).bubble
            0.109375
        """
        return (self.pipeline - 1) / self.microbatches


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes on the fullest device: model states and activations."""

    states: float
    activations: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.states + self.activations


def device_memory(
    architecture: Architecture, layout: Layout, states: StateBytes = MIXED_PRECISION_ADAM
) -> DeviceMemory:
    """Bytes on a device of the first pipeline stage, parameters spread evenly over stages and tensor ranks.

    Raises:
        UsageError: layers or heads do not divide over the devices.
    """
    if architecture.layers % layout.pipeline:
        raise UsageError(f"pipeline={layout.pipeline} must divide layers={architecture.layers}.")
    if architecture.heads % layout.tensor:
        raise UsageError(f"tensor={layout.tensor} must divide heads={architecture.heads}.")
    params = count_architecture(architecture).total / (layout.tensor * layout.pipeline)
    one_layer = activation_bytes_per_layer(
        architecture,
        layout.sequences,
        recomputation=layout.recomputation,
        tensor=layout.tensor,
        sequence_parallel=layout.sequence_parallel,
    )
    kept = architecture.layers // layout.pipeline * min(layout.pipeline, layout.microbatches)
    return DeviceMemory(state_bytes_per_device(params, layout.data, layout.zero_stage, states), kept * one_layer)


def layouts_that_fit(
    architecture: Architecture,
    devices: int,
    batch_sequences: int,
    memory_bytes: float,
    *,
    states: StateBytes = MIXED_PRECISION_ADAM,
    zero_stage: ZeroStage = 1,
    recomputation: Recomputation = "selective",
    node: int = DEVICES_OF_A_NODE,
) -> tuple[Layout, ...]:
    """The layouts of `devices` devices that train on `batch_sequences` a step within `memory_bytes` a device.

    Tensor parallelism stays within a `node`; microbatches hold one sequence. Fewest idle stages first, then least
    tensor parallelism. None at all means that the model, this batch and these devices do not go together.

    Example:
        >>> small = Architecture(layers=12, width=768, heads=12, kv_heads=12, head_width=64, feedforward=3072,
        ...                      vocab=50257, context=1024)
        >>> layouts_that_fit(small, 8, 64, 80e9)[0].data
        8
    """
    found = []
    for tensor in _divisors(devices, node):
        for pipeline in _divisors(devices // tensor, architecture.layers):
            data = devices // (tensor * pipeline)
            if architecture.heads % tensor or architecture.layers % pipeline or batch_sequences % data:
                continue
            layout = Layout(
                tensor=tensor,
                pipeline=pipeline,
                data=data,
                microbatches=batch_sequences // data,
                zero_stage=zero_stage,
                recomputation=recomputation,
            )
            if device_memory(architecture, layout, states).total <= memory_bytes:
                found.append(layout)
    return tuple(sorted(found, key=lambda layout: (layout.bubble, layout.tensor)))


def _divisors(number: int, most: int) -> list[int]:
    return [value for value in range(1, min(number, most) + 1) if number % value == 0]
