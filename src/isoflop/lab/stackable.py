"""Which runs can be trained side by side as one batched model: asked where studies are planned, without torch."""

from __future__ import annotations

from isoflop.runs.spec import ONE_DEVICE, Devices, RunSpec


def stacking_key(spec: RunSpec, devices: Devices = ONE_DEVICE) -> tuple[object, ...] | None:
    """What runs must have in common to be stacked; None for a run that is always trained alone.

    Stacked are transformers with rotary positions, in float32, under AdamW, in whole batches, by a single process: a
    run that `devices` give to several, or that names a strategy for it, is left to them. Seed, learning rate, schedule,
    length and all else that leaves the shape of a batch alone may differ.
    """
    if devices != ONE_DEVICE:
        return None
    shape = spec.shape
    is_plain = spec.precision == "float32" and spec.micro_batches == 1 and not spec.compile and spec.trainer is None
    if shape.family != "transformer" or shape.positions != "rotary" or spec.optimizer.name != "adamw" or not is_plain:
        return None
    return shape, spec.batch_tokens, spec.maximal_update, spec.text
