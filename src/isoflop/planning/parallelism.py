"""How a model is laid out over the devices of a plan, and the batch that divides among them."""

from __future__ import annotations

from collections.abc import Iterator

from isoflop.accounting.activations import Recomputation
from isoflop.accounting.architecture import Architecture
from isoflop.accounting.breakdown import PlacedLayout
from isoflop.accounting.hardware import Device
from isoflop.accounting.layout import Layout, device_memory, layouts_that_fit
from isoflop.accounting.memory import MIXED_PRECISION_ADAM, StateBytes, ZeroStage

# From the least extra work to the most; the first under which anything fits is taken.
_WAYS: tuple[tuple[ZeroStage, Recomputation], ...] = ((1, "selective"), (3, "selective"), (1, "full"), (3, "full"))
PASSABLE_BUBBLE = 0.1
"""Idle share of a pipeline below which less communication is worth more."""


def place(
    architecture: Architecture,
    device: Device,
    devices: int,
    batch_tokens: float,
    states: StateBytes = MIXED_PRECISION_ADAM,
) -> PlacedLayout | None:
    """The layout of `devices` devices for about `batch_tokens` a step; None where nothing fits.

    The batch may move by a factor of 1.5 so that it divides. Among layouts that fit, idle time up to 10 % is traded for
    less tensor parallelism.

    Example:
        >>> from isoflop.accounting.hardware import find_device
        >>> small = Architecture(layers=12, width=768, heads=12, kv_heads=12, head_width=64, feedforward=3072,
        ...                      vocab=50257, context=1024)
        >>> place(small, find_device("h100"), 8, 5e5).layout.data
        8
    """
    candidates: list[Layout] = []
    for zero_stage, recomputation in _WAYS:
        for sequences in _batches(batch_tokens / architecture.context, devices):
            fitting = layouts_that_fit(
                architecture,
                devices,
                sequences,
                device.memory_bytes,
                states=states,
                zero_stage=zero_stage,
                recomputation=recomputation,
            )
            candidates += fitting
            if any(layout.bubble <= PASSABLE_BUBBLE for layout in fitting):
                break
        if any(layout.bubble <= PASSABLE_BUBBLE for layout in candidates):
            break
    if not candidates:
        return None
    best = min(candidates, key=lambda layout: (max(layout.bubble, PASSABLE_BUBBLE), layout.tensor, layout.bubble))
    return PlacedLayout(best, device_memory(architecture, best, states))


def _batches(wanted: float, devices: int) -> Iterator[int]:
    """Numbers of sequences near the wanted one, those that divide by the most devices first, then the nearest."""
    low, high = max(1, round(wanted / 1.5)), max(1, round(wanted * 1.5))
    share = devices
    tried: set[int] = set()
    while share >= 1:
        nearest = max(1, round(wanted / share)) * share
        if low <= nearest <= high and nearest not in tried:
            tried.add(nearest)
            yield nearest
        if share == 1:
            return
        share = share // 2 if share % 2 == 0 else 1
