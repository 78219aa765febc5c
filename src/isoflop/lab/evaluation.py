"""Held-out loss over a fixed set of windows, the same ones for every run of a study."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from isoflop.lab.model import Transformer

TOKENS_AT_ONCE = 4096


@dataclass(frozen=True)
class HeldOutLoss:
    """Mean held-out loss and its standard error over windows, in nats/token."""

    mean: float
    standard_error: float


def evaluation_windows(validation: NDArray[np.uint8], context: int, count: int) -> NDArray[np.uint8]:
    """Up to `count` windows of context + 1 tokens, spread evenly over `validation` without overlap of targets."""
    available = (len(validation) - 1) // context
    chosen = np.unique(np.linspace(0, available - 1, min(count, available)).round().astype(np.int64))
    windows: NDArray[np.uint8] = validation[chosen[:, None] * context + np.arange(context + 1)]
    return windows


@torch.no_grad()
def held_out_loss(
    model: Transformer,
    windows: NDArray[np.uint8],
    casting: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> HeldOutLoss:
    """Loss of `model` on `windows` (count, context + 1); the standard error treats windows as independent."""
    device = model.embedding.weight.device
    per_window = []
    count = max(1, TOKENS_AT_ONCE // (windows.shape[1] - 1))
    for start in range(0, len(windows), count):
        batch = torch.from_numpy(windows[start : start + count].astype(np.int64)).to(device)
        with casting():
            logits = model(batch[:, :-1])
        losses = functional.cross_entropy(logits.float().transpose(1, 2), batch[:, 1:], reduction="none")
        per_window.append(losses.double().mean(dim=1).cpu().numpy())
    values = np.concatenate(per_window)
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.inf
    return HeldOutLoss(float(values.mean()), spread / math.sqrt(len(values)))
