"""The architecture of a large decoder-only transformer: grouped queries, gated feed-forward layers, experts.

`Shape` describes what the lab trains and is part of a run's identity; an `Architecture` adds what published models
have beyond it, and only accounting reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from isoflop.accounting.shape import Positions, Shape
from isoflop.errors import UsageError

Embeddings = Literal["tied", "untied"]
"""Whether the unembedding reuses the embedding matrix."""

_COUNTS = ("layers", "width", "heads", "kv_heads", "head_width", "feedforward", "vocab", "context")


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of the feed-forward layer.

    `count` experts of `feedforward` units each, of which a router picks `per_token`; `shared` more of the same size
    see every token. The first `dense_layers` blocks keep the dense layer of the architecture.
    """

    count: int
    per_token: int
    feedforward: int
    shared: int = 0
    dense_layers: int = 0

    def __post_init__(self) -> None:
        for name in ("count", "per_token", "feedforward"):
            _demand(f"experts: {name}", getattr(self, name), 1)
        for name in ("shared", "dense_layers"):
            _demand(f"experts: {name}", getattr(self, name), 0)
        if self.per_token > self.count:
            raise UsageError(f"experts: per_token={self.per_token} must be at most count={self.count}.")


@dataclass(frozen=True)
class Architecture:
    """A decoder-only transformer with everything that accounting needs to know.

    `layers` blocks of `width` with `heads` query heads and `kv_heads` key and value heads of `head_width` each, a
    feed-forward layer of `feedforward` units (three matrices where `gated`, else two), `vocab` tokens and a context
    of `context` tokens.

    Example:
        >>> llama = Architecture(layers=80, width=8192, heads=64, kv_heads=8, head_width=128, feedforward=28672,
        ...                      gated=True, vocab=32000, context=4096)
        >>> llama.attention_width, llama.kv_width
        (8192, 1024)
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    feedforward: int
    vocab: int
    context: int
    gated: bool = False
    embeddings: Embeddings = "untied"
    positions: Positions = "rotary"
    experts: Experts | None = None

    def __post_init__(self) -> None:
        for name in _COUNTS:
            _demand(f"architecture: {name}", getattr(self, name), 1)
        if self.heads % self.kv_heads:
            raise UsageError(f"architecture: heads={self.heads} must be a multiple of kv_heads={self.kv_heads}.")
        for name, allowed in (("embeddings", get_args(Embeddings)), ("positions", get_args(Positions))):
            if getattr(self, name) not in allowed:
                raise UsageError(
                    f"architecture: {name}={getattr(self, name)!r} is unknown: use one of {', '.join(allowed)}."
                )
        if not isinstance(self.gated, bool):
            raise UsageError(f"architecture: gated={self.gated!r} must be true or false.")
        if self.experts is not None and self.experts.dense_layers > self.layers:
            raise UsageError(f"experts: dense_layers={self.experts.dense_layers} must be at most layers={self.layers}.")

    @property
    def attention_width(self) -> int:
        """Width of all query heads together: d_attn in [kaplan2020], k·h in [hoffmann2022]."""
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        """Width of all key heads together, which is that of all value heads."""
        return self.kv_heads * self.head_width

    @property
    def dense_layers(self) -> int:
        """Blocks with a dense feed-forward layer."""
        return self.layers if self.experts is None else self.experts.dense_layers

    @property
    def expert_layers(self) -> int:
        """Blocks with a mixture of experts."""
        return self.layers - self.dense_layers

    @property
    def feedforward_matrices(self) -> int:
        """Matrices of one feed-forward layer: in, out and, where it is gated, the gate."""
        return 3 if self.gated else 2


def architecture_of(shape: Shape) -> Architecture:
    """The architecture that a lab's `shape` describes: no experts.

    Raises:
        UsageError: `shape` is an LSTM or reuses its layers, which an Architecture cannot say.

    Example:
        >>> architecture_of(Shape(layers=2, width=64, heads=8, feedforward=256, vocab=96, context=64)).kv_width
        64
    """
    if shape.family != "transformer" or shape.reuse > 1:
        raise UsageError(
            f"shape: family={shape.family!r}, reuse={shape.reuse}: only a plain transformer has this form."
        )
    return Architecture(
        layers=shape.layers,
        width=shape.width,
        heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_width=shape.head_width,
        feedforward=shape.feedforward,
        vocab=shape.vocab,
        context=shape.context,
        gated=shape.activation == "swiglu",
        embeddings="tied" if shape.tied else "untied",
        positions=shape.positions,
    )


def _demand(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name}={value!r} must be a whole number of at least {least}.")
