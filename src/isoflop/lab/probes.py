"""Probes: what is measured of a model in training beside its loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from isoflop.lab.evaluation import Casting
from isoflop.lab.strategies import Strategy

NOISE_SCALE_BATCHES = 8


def gradient_noise_scale(strategy: Strategy, batches: Sequence[Tensor], casting: Casting) -> dict[str, float]:
    """The simple gradient noise scale of a model in tokens, from the gradients of several equal batches.

    With G_i the gradient of batch i of b tokens and G their mean over n batches (n b tokens), as in [mccandlish2018]:

        |G|²  = (n b |G|² - b mean|G_i|²) / (n b - b)       tr Σ = (mean|G_i|² - |G|²) / (1/b - 1/(n b))
        B     = tr Σ / |G|²

    Both are unbiased, their ratio is not, and `gradient_squared` may come out below zero where noise rules.
    """
    size = batches[0].shape[0] * (batches[0].shape[1] - 1)
    total: list[Tensor] = []
    small = 0.0
    for batch in batches:
        with casting():
            loss = strategy.model.loss(batch)
        gradients = strategy.gradients(loss)
        small += sum(gradient.double().square().sum().item() for gradient in gradients) / len(batches)
        total = total or [torch.zeros_like(gradient) for gradient in gradients]
        for held, gradient in zip(total, gradients, strict=True):
            held += gradient / len(batches)
    large = sum(held.double().square().sum().item() for held in total)
    whole = size * len(batches)
    squared = (whole * large - size * small) / (whole - size)
    noise = (small - large) / (1.0 / size - 1.0 / whole)
    return {"gradient_squared": squared, "gradient_noise": noise}
