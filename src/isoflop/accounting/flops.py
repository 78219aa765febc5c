"""Floating-point operations of training: exactly from the shape, or by the 6ND rule of thumb.

Legend: d = width, L = layers, F = feedforward, K = width of all key heads, T = context, V = vocab, R = reuse,
N = parameters, D = tokens.
Only matrix multiplications count; a multiply and an add are two operations.
"""

from __future__ import annotations

from isoflop.accounting.shape import Shape

FLOP_PER_PARAMETER_AND_TOKEN = 6.0  # 2 forward and 4 backward: the rule C = 6 N D


def forward_flops_per_token(shape: Shape) -> int:
    """FLOP of one forward pass per token: R L (4 d² + 4 d K + 2 m d F + 4 T d) + 2 V d.

    Queries and output 4 d², keys and values of width K 4 d K, feed-forward with m = 2 or (gated) 3 matrices 2 m d F,
    scores and their weighted sum 4 T d (the full square: the causal half is not discounted), logits 2 V d; the stack is
    passed R times. With K = d, F = 4 d, m = 2 and R = 1 this is 24 L d² + 4 L T d + 2 V d. An LSTM layer has
    eight d x d products instead, 16 d². Appendix F of [hoffmann2022], without the softmax and the embedding look-up.
    """
    width = shape.width
    if shape.family == "lstm":
        return 16 * shape.layers * width * width + 2 * shape.vocab * width
    kv_width = shape.kv_heads * shape.head_width
    feedforward = 2 * shape.feedforward_matrices * width * shape.feedforward
    block = 4 * width * (width + kv_width) + feedforward + 4 * shape.context * width
    return shape.reuse * shape.layers * block + 2 * shape.vocab * width


def training_flops_per_token(shape: Shape) -> int:
    """FLOP of training per token: three forward passes' worth, since the backward pass costs two.

    Example:
        >>> training_flops_per_token(Shape(layers=2, width=64, heads=8, feedforward=256, vocab=96, context=64))
        724992
    """
    return 3 * forward_flops_per_token(shape)


def training_flops(shape: Shape, tokens: float) -> float:
    """FLOP to train `shape` on `tokens` tokens, counted exactly from its matrix multiplications."""
    return float(training_flops_per_token(shape) * tokens)


def six_nd(params: float, tokens: float) -> float:
    """FLOP of training by the rule C = 6 N D of [kaplan2020].

    It leaves out attention scores, and logits where N does not count the unembedding; for models of some
    thousand parameters the exact figure is up to three times larger.

    Example:
        >>> six_nd(70e9, 1.4e12)
        5.88e+23
    """
    return FLOP_PER_PARAMETER_AND_TOKEN * params * tokens
