"""How many parameters a shape has, group by group, so that nobody has to guess which N a table means."""

from __future__ import annotations

from dataclasses import dataclass

from isoflop.accounting.architecture import Architecture
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
    routers: int = 0
    idle: int = 0
    """Parameters of the experts that a token does not visit; they are part of `feedforward`."""

    @property
    def total(self) -> int:
        """All parameters: the N of [hoffmann2022]."""
        return self.embedding + self.positions + self.non_embedding + self.unembedding

    @property
    def non_embedding(self) -> int:
        """Parameters without embedding, learned positions and unembedding: the N of [kaplan2020]."""
        return self.attention + self.feedforward + self.routers + self.norms

    @property
    def active(self) -> int:
        """Parameters that one token passes through: all but those of the experts it does not visit."""
        return self.total - self.idle

    @property
    def active_non_embedding(self) -> int:
        """Active parameters without embedding, learned positions and unembedding."""
        return self.non_embedding - self.idle


def count_parameters(shape: Shape) -> ParameterCount:
    """Parameters of `shape` without biases and with one gain vector per norm.

    With d = width, L = layers, K = width of all key heads, F = feedforward, m = 2 or (gated) 3, V = vocab, T = context:
    embedding V d, learned positions T d, attention L (2 d² + 2 d K), feed-forward m L d F, norms (2 L + 1) d,
    unembedding V d. Table 1 of [kaplan2020]; with K = d, F = 4 d and m = 2 the blocks hold the familiar 12 L d².
    Layers that are reused count once. An LSTM layer has 8 d², counted as feed-forward, and one norm stands at its end.
    """
    width, layers = shape.width, shape.layers
    is_lstm = shape.family == "lstm"
    kv_width = shape.kv_heads * shape.head_width
    learned = shape.positions == "learned" and not is_lstm
    return ParameterCount(
        embedding=shape.vocab * width,
        positions=shape.context * width if learned else 0,
        attention=0 if is_lstm else 2 * layers * width * (width + kv_width),
        feedforward=(2 if is_lstm else shape.feedforward_matrices) * layers * width * shape.feedforward,
        norms=width if is_lstm else (2 * layers + 1) * width,
        unembedding=0 if shape.tied else shape.vocab * width,
    )


def count_architecture(architecture: Architecture) -> ParameterCount:
    """Parameters of `architecture` without biases and with one gain vector per norm.

    With d = width, A = attention width, K = key width, F = feedforward, m = 3 matrices where gated, else 2: attention
    L (2 d A + 2 d K), dense feed-forward m d F a layer, experts m d F each, a router d E a layer of E experts.
    Table 1 of [kaplan2020], extended by grouped queries, gates and experts.

    Example:
        >>> count_architecture(Architecture(layers=80, width=8192, heads=64, kv_heads=8, head_width=128,
        ...     feedforward=28672, gated=True, vocab=32000, context=4096)).total
        68976648192
    """
    width, layers, experts = architecture.width, architecture.layers, architecture.experts
    matrices = architecture.feedforward_matrices * width
    feedforward = architecture.dense_layers * matrices * architecture.feedforward
    routers = idle = 0
    if experts is not None:
        one_expert = architecture.expert_layers * matrices * experts.feedforward
        feedforward += one_expert * (experts.count + experts.shared)
        routers = architecture.expert_layers * width * experts.count
        idle = one_expert * (experts.count - experts.per_token)
    return ParameterCount(
        embedding=architecture.vocab * width,
        positions=architecture.context * width if architecture.positions == "learned" else 0,
        attention=2 * layers * width * (architecture.attention_width + architecture.kv_width),
        feedforward=feedforward,
        norms=(2 * layers + 1) * width,
        unembedding=0 if architecture.embeddings == "tied" else architecture.vocab * width,
        routers=routers,
        idle=idle,
    )
