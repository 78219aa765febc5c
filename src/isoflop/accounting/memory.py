"""Memory of the model's states in training: weights, gradients and optimizer, whole or sharded by ZeRO.

    stage 0   everything on every rank              (w + g + o) N
    stage 1   the optimizer is sharded              (w + g) N + o N / ranks
    stage 2   and the gradients                     w N + (g + o) N / ranks
    stage 3   and the weights                       (w + g + o) N / ranks

N is the number of parameters; w, g, o are bytes for each. [rajbhandari2020]. Activations come on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from isoflop.errors import UsageError

ZeroStage = Literal[0, 1, 2, 3]
"""What is sharded over the data-parallel ranks: nothing, the optimizer, gradients too, weights too."""

ZERO_STAGES: tuple[ZeroStage, ...] = get_args(ZeroStage)


@dataclass(frozen=True)
class StateBytes:
    """Bytes for each parameter of a training run: weights, gradients, optimizer."""

    weights: float
    gradients: float
    optimizer: float

    @property
    def total(self) -> float:
        """All bytes for each parameter."""
        return self.weights + self.gradients + self.optimizer


MIXED_PRECISION_ADAM = StateBytes(weights=2, gradients=2, optimizer=12)
"""16-bit weights and gradients; 32-bit weights, momentum and variance: 16 bytes (§3.1 of [rajbhandari2020])."""

FULL_PRECISION_GRADIENTS = StateBytes(weights=2, gradients=4, optimizer=12)
"""The same with gradients kept in 32 bits: the 18 bytes of DeepSpeed's own estimator (read 2026-11-22)."""

STATE_BYTES = {16: MIXED_PRECISION_ADAM, 18: FULL_PRECISION_GRADIENTS}
"""The accountings offered, by their bytes for each parameter."""


def state_bytes_per_device(
    params: float, ranks: int, stage: ZeroStage, states: StateBytes = MIXED_PRECISION_ADAM
) -> float:
    """Bytes of model states on one of `ranks` data-parallel devices that hold `params` parameters together.

    Raises:
        UsageError: there is no such stage, or no rank.

    Example:
        >>> [round(state_bytes_per_device(7.5e9, 64, stage) / 1e9, 1) for stage in ZERO_STAGES]
        [120.0, 31.4, 16.6, 1.9]
    """
    if ranks < 1:
        raise UsageError(f"ranks={ranks} must be at least 1.")
    if stage not in ZERO_STAGES:
        raise UsageError(f"stage={stage!r} is no ZeRO stage: use one of {', '.join(map(str, ZERO_STAGES))}.")
    weights = states.weights / (ranks if stage >= 3 else 1)
    gradients = states.gradients / (ranks if stage >= 2 else 1)
    optimizer = states.optimizer / (ranks if stage >= 1 else 1)
    return params * (weights + gradients + optimizer)
