"""How many parameters a shape has, group by group, so that nobody has to guess which N a table means."""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.accounting.shape import Shape


@dataclass(frozen=True)
class ParameterCount:
    """Trainable parameters of a transformer by group; a tied unembedding counts as zero.

    Example:
        >>> count_parameters(Shape(layers=2, width=64, heads=8, feedforward=256, vocab=96, context=64)).total
        110912
    """

    embedding: int
    positions: int
    attention: int
    feedforward: int
    norms: int
    unembedding: int

    @property
    def total(self) -> int:
        """All parameters: the N of [hoffmann2022]."""
        return self.embedding + self.positions + self.non_embedding + self.unembedding

    @property
    def non_embedding(self) -> int:
        """Parameters without embedding, learned positions and unembedding: the N of [kaplan2020]."""
        return self.attention + self.feedforward + self.norms


def count_parameters(shape: Shape) -> ParameterCount:
    """Parameters of `shape` without biases and with one gain vector per norm.

    With d = width, L = layers, F = feedforward, V = vocab, T = context: embedding V d, learned positions T d,
    attention 4 L d², feed-forward 2 L d F, norms (2 L + 1) d, unembedding V d. Table 1 of [kaplan2020]; with
    F = 4 d the blocks hold the familiar 12 L d².
    """
    width, layers = shape.width, shape.layers
    return ParameterCount(
        embedding=shape.vocab * width,
        positions=shape.context * width if shape.positions == "learned" else 0,
        attention=4 * layers * width * width,
        feedforward=2 * layers * width * shape.feedforward,
        norms=(2 * layers + 1) * width,
        unembedding=0 if shape.tied else shape.vocab * width,
    )
