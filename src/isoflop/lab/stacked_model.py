"""Models of one shape as one: every weight of the batched model is that of K models along a leading axis.

The windows of all models follow one another along the first axis, (K batch, time), so that attention, GELU and
residuals are those of `model.py`; only what has weights is replaced by its stacked twin.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from isoflop.accounting.shape import NormKind
from isoflop.lab.model import LanguageModel, Norm, build_model
from isoflop.runs.spec import RunSpec


def build_stacked_model(spec: RunSpec, weights: Mapping[str, Tensor]) -> LanguageModel:
    """The transformer of `spec` with the `weights` of K models, (K, ...) each, by the names they have in one model."""
    model = build_model(spec.shape, 0, spec.maximal_update)
    stacked = {id(parameter): weights[name] for name, parameter in model.named_parameters()}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, StackedLinear(stacked[id(child.weight)]))
            elif isinstance(child, nn.Embedding):
                setattr(parent, name, StackedEmbedding(stacked[id(child.weight)]))
            elif isinstance(child, Norm):
                setattr(parent, name, StackedNorm(stacked[id(child.gain)], child.kind))
    return model


def stacked_losses(model: LanguageModel, windows: Tensor) -> Tensor:
    """The loss (K,) of every model on its own `windows` (K, batch, time + 1), in nats/token."""
    models, _, length = windows.shape
    flat = windows.view(-1, length)
    logits = model(flat[:, :-1])
    losses = functional.cross_entropy(logits.view(-1, logits.shape[-1]), flat[:, 1:].reshape(-1), reduction="none")
    return losses.view(models, -1).mean(dim=1)


class StackedLinear(nn.Module):
    """K linear maps, weights (K, out, in), each on its own part of the batch."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, x: Tensor) -> Tensor:
        """Maps `x` (K batch, time, in)."""
        models, _, inputs = self.weight.shape
        return torch.bmm(x.view(models, -1, inputs), self.weight.mT).view(*x.shape[:-1], -1)


class StackedEmbedding(nn.Module):
    """K tables of embeddings, (K, vocab, width)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight
        self.offsets = torch.arange(len(weight), device=weight.device)[:, None, None] * weight.shape[1]

    def forward(self, tokens: Tensor) -> Tensor:
        """The rows of `tokens` (K batch, time), each from the table of its model."""
        models, _, width = self.weight.shape
        places = (tokens.view(models, -1, tokens.shape[-1]) + self.offsets).view(tokens.shape)
        return functional.embedding(places, self.weight.reshape(-1, width))


class StackedNorm(nn.Module):
    """LayerNorm or RMSNorm with the gains of K models, (K, width)."""

    def __init__(self, gain: Tensor, kind: NormKind) -> None:
        super().__init__()
        self.gain, self.kind = gain, kind

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last axis of `x` (K batch, time, width)."""
        normalise = functional.rms_norm if self.kind == "rms" else functional.layer_norm
        models, width = self.gain.shape
        return (normalise(x, (width,)).view(models, -1, width) * self.gain[:, None]).view(x.shape)
