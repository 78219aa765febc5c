"""A GPT-style decoder small enough to read in one sitting, built from an accounting Shape.

Pre-norm blocks, LayerNorm or RMSNorm without bias, exact GELU or SwiGLU, rotary or learned positions, shared key and
value heads, no dropout and no biases, so that its parameters are exactly those `accounting.parameters` counts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from isoflop.accounting.shape import NormKind, Shape
from isoflop.runs.spec import MaximalUpdate

ROTARY_BASE = 10_000.0


class Norm(nn.Module):
    """LayerNorm, or RMSNorm of [zhang2019], with a gain and without a bias."""

    def __init__(self, width: int, kind: NormKind = "layer") -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis of `x` to variance 1 (mean square 1 for RMSNorm), times the gain."""
        if self.kind == "rms":
            return functional.rms_norm(x, self.gain.shape, self.gain.to(x.dtype))
        return functional.layer_norm(x, self.gain.shape, self.gain)


class Attention(nn.Module):
    """Causal self-attention of [vaswani2017]; rotary positions of [su2021], grouped queries of [ainslie2023]."""

    def __init__(self, shape: Shape, scale: float) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = shape.heads, shape.kv_heads, shape.head_width
        self.scale = scale
        projected = (shape.heads + 2 * shape.kv_heads) * shape.head_width
        self.query_key_value = nn.Linear(shape.width, projected, bias=False)
        self.output = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        """Mix `x` (batch, time, width) over earlier times; `rotation` holds cosines and sines."""
        batch, time, width = x.shape
        projected = self.query_key_value(x).view(batch, time, self.heads + 2 * self.kv_heads, self.head_width)
        query_key, value = projected.split([self.heads + self.kv_heads, self.kv_heads], dim=2)
        if rotation is not None:
            query_key = _rotate(query_key, rotation)
        query, key = query_key.split([self.heads, self.kv_heads], dim=2)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        if self.kv_heads < self.heads:
            key, value = (part.repeat_interleave(self.heads // self.kv_heads, dim=1) for part in (key, value))
        # The fused kernel's bfloat16 backward takes half of a step on a CPU; plain products are twice as fast.
        if torch.is_autocast_enabled(x.device.type) and x.device.type == "cpu":
            mixed = _attend_by_products(query, key, value, self.scale)
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=self.scale)
        out: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, time, width))
        return out


class Feedforward(nn.Module):
    """Two matrices with GELU between them, or three with the gate of [shazeer2020]."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.expand = nn.Linear(shape.width, shape.feedforward, bias=False)
        self.gate = nn.Linear(shape.width, shape.feedforward, bias=False) if shape.activation == "swiglu" else None
        self.contract = nn.Linear(shape.feedforward, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for `x` (batch, time, width), position by position."""
        if self.gate is not None:
            gated: Tensor = self.contract(functional.silu(self.gate(x)) * self.expand(x))
            return gated
        # The tanh approximation of GELU is 2.7 times slower than the exact one on a CPU (torch 2.13).
        out: Tensor = self.contract(functional.gelu(self.expand(x)))
        return out


class Block(nn.Module):
    """One layer: attention, then a feed-forward network, each around a residual stream."""

    def __init__(self, shape: Shape, attention_scale: float) -> None:
        super().__init__()
        self.attention_norm = Norm(shape.width, shape.norm)
        self.attention = Attention(shape, attention_scale)
        self.feedforward_norm = Norm(shape.width, shape.norm)
        self.feedforward = Feedforward(shape)

    def forward(self, x: Tensor, rotation: Tensor | None) -> Tensor:
        """Residual stream (batch, time, width) after this layer."""
        x = x + self.attention(self.attention_norm(x), rotation)
        out: Tensor = x + self.feedforward(self.feedforward_norm(x))
        return out


class LanguageModel(nn.Module):
    """Tokens (batch, time) in, logits (batch, time, vocab) out; what lies between is a subclass's `mix`."""

    def __init__(self, shape: Shape, maximal_update: MaximalUpdate | None) -> None:
        super().__init__()
        self.shape = shape
        self.logit_scale = maximal_update.base_width / shape.width if maximal_update else 1.0
        self.embedding = nn.Embedding(shape.vocab, shape.width)

    def finish(self, norm: NormKind, seed: int) -> None:
        """Add the last norm and the unembedding, and draw the weights; the end of every constructor."""
        self.norm = Norm(self.shape.width, norm)
        self.unembedding = nn.Linear(self.shape.width, self.shape.vocab, bias=False)
        if self.shape.tied:
            self.unembedding.weight = self.embedding.weight
        _initialise(self, seed)

    def mix(self, x: Tensor) -> Tensor:
        """Let every position of `x` (batch, time, width) know those before it."""
        raise NotImplementedError

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token at every position."""
        x = self.norm(self.mix(self.embedding(tokens)))
        logits: Tensor = self.unembedding(x if self.logit_scale == 1.0 else x * self.logit_scale)
        return logits

    def loss(self, windows: Tensor) -> Tensor:
        """Mean cross-entropy in nats/token of `windows` (batch, time + 1), each token from those before it."""
        logits = self(windows[:, :-1])
        return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).float(), windows[:, 1:].reshape(-1))


class Transformer(LanguageModel):
    """The decoder; its stack of layers is passed `shape.reuse` times, as in [dehghani2019]."""

    def __init__(self, shape: Shape, seed: int, maximal_update: MaximalUpdate | None = None) -> None:
        super().__init__(shape, maximal_update)
        self.positions = nn.Parameter(torch.empty(shape.context, shape.width)) if shape.positions == "learned" else None
        scale = 1.0 / math.sqrt(shape.head_width)
        if maximal_update:
            scale = math.sqrt(maximal_update.base_head_width) / shape.head_width
        self.blocks = nn.ModuleList(Block(shape, scale) for _ in range(shape.layers))
        self.register_buffer("rotation", _rotation_table(shape), persistent=False)
        self.finish(shape.norm, seed)

    def mix(self, x: Tensor) -> Tensor:
        """The residual stream after all layers."""
        time = x.shape[1]
        rotation = None
        if self.positions is not None:
            x = x + self.positions[:time]
        else:
            rotation = self.get_buffer("rotation")[:time]
        for _ in range(self.shape.reuse):
            for block in self.blocks:
                x = block(x, rotation)
        return x


class Recurrent(LanguageModel):
    """The twin without attention: layers of the LSTM of [hochreiter1997], as wide as the embedding."""

    def __init__(self, shape: Shape, seed: int, maximal_update: MaximalUpdate | None = None) -> None:
        super().__init__(shape, maximal_update)
        self.layers = nn.LSTM(shape.width, shape.width, shape.layers, bias=False, batch_first=True)
        self.finish(shape.norm, seed)

    def mix(self, x: Tensor) -> Tensor:
        """The hidden state of the last layer at every position."""
        hidden: Tensor = self.layers(x)[0]
        return hidden


def build_model(shape: Shape, seed: int, maximal_update: MaximalUpdate | None = None) -> LanguageModel:
    """The model of `shape` with the weights of `seed`, on the CPU.

    Example:
        >>> build_model(Shape(layers=1, width=8, heads=1, feedforward=32, vocab=9, context=4), 0).shape.width
        8
    """
    return (Recurrent if shape.family == "lstm" else Transformer)(shape, seed, maximal_update)


@torch.no_grad()
def _initialise(model: LanguageModel, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    residual_scale = 1.0 / math.sqrt(2 * model.shape.layers * model.shape.reuse)
    for name, parameter in model.named_parameters():
        if name.endswith("gain"):
            continue
        deviation = 1.0 / math.sqrt(parameter.shape[1])
        if name == "embedding.weight" and not model.shape.tied:
            deviation = 1.0
        elif name.endswith(("output.weight", "contract.weight")):
            deviation *= residual_scale
        parameter.normal_(0.0, deviation, generator=generator)


def _rotation_table(shape: Shape) -> Tensor:
    """Cosine and sine (context, 1, head width / 2, 2), one angle for each position and frequency."""
    half = shape.head_width // 2
    frequency = ROTARY_BASE ** (-torch.arange(half, dtype=torch.float32) / max(half, 1))
    angle = torch.outer(torch.arange(shape.context, dtype=torch.float32), frequency)
    return torch.stack([angle.cos(), angle.sin()], dim=-1)[:, None]


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    pairs = x.float().reshape(*x.shape[:-1], -1, 2)
    if x.device.type == "cpu":
        # One complex product costs half as much on a CPU as two real ones and a shuffle.
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rotation))
    else:
        (even, odd), (cosine, sine) = pairs.unbind(-1), rotation.unbind(-1)
        turned = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1)
    return turned.flatten(-2).to(x.dtype)


def _attend_by_products(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    whole, time = query.shape, query.shape[-2]
    query, key, value = (part.reshape(-1, time, part.shape[-1]) for part in (query, key, value))
    future = torch.full((time, time), -math.inf, dtype=query.dtype, device=query.device).triu(1)
    # Scale and mask inside the product: two passes over all scores less, a third of the time.
    scores = torch.baddbmm(future, query, key.mT, alpha=scale)
    return torch.bmm(scores.softmax(-1).to(value.dtype), value).view(whole)
