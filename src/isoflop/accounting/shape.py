"""The shape of a decoder-only transformer: the numbers from which parameters, FLOPs and memory follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from isoflop.errors import UsageError

Positions = Literal["rotary", "learned"]


@dataclass(frozen=True)
class Shape:
    """A decoder-only transformer.

    `layers` blocks of `width` (d_model) with `heads` attention heads of width/heads each and a feed-forward
    layer of `feedforward` units, over a vocabulary of `vocab` tokens and a context of `context` tokens.
    `tied` says whether the unembedding reuses the embedding matrix.

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

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "feedforward", "vocab", "context"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"shape: {name}={value!r} must be a whole number of at least 1.")
        if self.width % self.heads:
            raise UsageError(f"shape: width={self.width} must be a multiple of heads={self.heads}.")
        if self.positions == "rotary" and self.head_width % 2:
            raise UsageError(f"shape: rotary positions need an even head width, not {self.width}/{self.heads}.")

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads
