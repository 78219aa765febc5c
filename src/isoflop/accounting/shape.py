"""The shape of a decoder-only transformer: the numbers from which parameters, FLOPs and memory follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from isoflop.errors import UsageError

Positions = Literal["rotary", "learned"]
NormKind = Literal["layer", "rms"]
Activation = Literal["gelu", "swiglu"]
Family = Literal["transformer", "lstm"]


@dataclass(frozen=True)
class Shape:
    """A decoder-only transformer, or its recurrent twin.

    `layers` blocks of `width` (d_model) with `heads` attention heads of width/heads each and a feed-forward
    layer of `feedforward` units, over a vocabulary of `vocab` tokens and a context of `context` tokens.
    `tied` says whether the unembedding reuses the embedding matrix. `heads_per_kv` query heads share one key and
    value head; `norm` and `activation` say what a block is made of (`swiglu` adds a third, gating matrix); the whole
    stack of layers is passed through `reuse` times with the same weights.

    With `family="lstm"` the blocks are LSTM layers of the same width: they have one head, and `feedforward` is the
    4 * width of their gates.

    Example:
        >>> Shape(layers=2, width=64, heads=8, feedforward=256, vocab=96, context=64).head_width
        8
    """

    layers: int
    width: int
    heads: int
    feedforward: int
    vocab: int
    context: int
    positions: Positions = "rotary"
    tied: bool = False
    heads_per_kv: int = 1
    norm: NormKind = "layer"
    activation: Activation = "gelu"
    reuse: int = 1
    family: Family = "transformer"

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "feedforward", "vocab", "context", "heads_per_kv", "reuse"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"shape: {name}={value!r} must be a whole number of at least 1.")
        if self.width % self.heads:
            raise UsageError(f"shape: width={self.width} must be a multiple of heads={self.heads}.")
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UsageError(f"shape: {name}={getattr(self, name)!r} is unknown: use one of {', '.join(allowed)}.")
        if self.heads % self.heads_per_kv:
            raise UsageError(f"shape: heads={self.heads} must be a multiple of heads_per_kv={self.heads_per_kv}.")
        if self.family == "lstm" and (self.heads, self.feedforward, self.reuse) != (1, 4 * self.width, 1):
            raise UsageError(
                f"shape: an LSTM has heads=1, feedforward={4 * self.width} (its gates) and reuse=1, not "
                f"{self.heads}, {self.feedforward} and {self.reuse}."
            )
        if self.family == "transformer" and self.positions == "rotary" and self.head_width % 2:
            raise UsageError(f"shape: rotary positions need an even head width, not {self.width}/{self.heads}.")

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @property
    def kv_heads(self) -> int:
        """Key heads, which are as many as value heads."""
        return self.heads // self.heads_per_kv

    @property
    def feedforward_matrices(self) -> int:
        """Matrices of one feed-forward layer: in, out and, where it is gated, the gate."""
        return 3 if self.activation == "swiglu" else 2


_CHOICES: dict[str, tuple[str, ...]] = {
    "positions": get_args(Positions),
    "norm": get_args(NormKind),
    "activation": get_args(Activation),
    "family": get_args(Family),
}
