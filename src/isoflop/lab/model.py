"""A GPT-style decoder small enough to read in one sitting, built from an accounting Shape.

Pre-norm blocks, LayerNorm without bias, exact GELU, rotary or learned positions, no dropout and no biases, so
that its parameters are exactly those `accounting.parameters` counts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from isoflop.accounting.shape import Shape

ROTARY_BASE = 10_000.0


class Norm(nn.Module):
    """LayerNorm with a gain and without a bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis of `x` to mean 0 and variance 1, times the gain."""
        return functional.layer_norm(x, self.gain.shape, self.gain)


class Attention(nn.Module):
    """Causal multi-head self-attention; [vaswani2017], with rotary positions of [su2021]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.head_width = shape.heads, shape.head_width
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        """Mix `x` (batch, time, width) over earlier times; `rotation` holds unit complex numbers."""
        batch, time, width = x.shape
        projected = self.query_key_value(x).view(batch, time, 3, self.heads, self.head_width)
        query_key, value = projected[:, :, :2], projected[:, :, 2].transpose(1, 2)
        if rotation is not None:
            query_key = _rotate(query_key, rotation)
        query, key = (part.transpose(1, 2) for part in query_key.unbind(2))
        # The fused kernel's bfloat16 backward takes half of a step on a CPU; plain products are twice as fast.
        if torch.is_autocast_enabled(x.device.type) and x.device.type == "cpu":
            mixed = _attend_by_products(query, key, value)
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, time, width))
        return out


class Block(nn.Module):
    """One layer: attention, then a feed-forward network, each around a residual stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = Norm(shape.width)
        self.attention = Attention(shape)
        self.feedforward_norm = Norm(shape.width)
        self.expand = nn.Linear(shape.width, shape.feedforward, bias=False)
        self.contract = nn.Linear(shape.feedforward, shape.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        """Residual stream (batch, time, width) after this layer."""
        x = x + self.attention(self.attention_norm(x), rotation)
        # The tanh approximation of GELU is 2.7 times slower than the exact one on a CPU (torch 2.13).
        out: Tensor = x + self.contract(functional.gelu(self.expand(self.feedforward_norm(x))))
        return out


class Transformer(nn.Module):
    """A decoder-only language model: tokens (batch, time) in, logits (batch, time, vocab) out."""

    def __init__(self, shape: Shape, seed: int) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.positions = nn.Parameter(torch.empty(shape.context, shape.width)) if shape.positions == "learned" else None
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width)
        self.unembedding = nn.Linear(shape.width, shape.vocab, bias=False)
        if shape.tied:
            self.unembedding.weight = self.embedding.weight
        self.register_buffer("rotation", _rotation_table(shape), persistent=False)
        self._initialise(seed)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at every position."""
        time = tokens.shape[1]
        x: Tensor = self.embedding(tokens)
        rotation = None
        if self.positions is not None:
            x = x + self.positions[:time]
        else:
            rotation = self.get_buffer("rotation")[:time]
        for block in self.blocks:
            x = block(x, rotation)
        logits: Tensor = self.unembedding(self.norm(x))
        return logits

    def loss(self, windows: Tensor) -> Tensor:
        """Mean cross-entropy in nats/token of `windows` (batch, time + 1), each token from those before it."""
        logits = self(windows[:, :-1])
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), windows[:, 1:].reshape(-1))

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        residual_scale = 1.0 / math.sqrt(2 * self.shape.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("gain"):
                continue
            deviation = 1.0 / math.sqrt(parameter.shape[1])
            if name == "embedding.weight" and not self.shape.tied:
                deviation = 1.0
            elif name.endswith(("output.weight", "contract.weight")):
                deviation *= residual_scale
            parameter.normal_(0.0, deviation, generator=generator)


def _rotation_table(shape: Shape) -> Tensor:
    """Unit complex numbers (context, 1, 1, head width / 2), one angle for each position and frequency."""
    half = shape.head_width // 2
    frequency = ROTARY_BASE ** (-torch.arange(half, dtype=torch.float32) / max(half, 1))
    angle = torch.outer(torch.arange(shape.context, dtype=torch.float32), frequency)
    return torch.polar(torch.ones_like(angle), angle)[:, None, None, :]


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    # One complex product costs half as much on a CPU as two real ones and a shuffle.
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)


def _attend_by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    time = query.shape[-2]
    scores = (query @ key.transpose(-2, -1)) / math.sqrt(query.shape[-1])
    future = torch.ones(time, time, dtype=torch.bool, device=query.device).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1).to(value.dtype) @ value
