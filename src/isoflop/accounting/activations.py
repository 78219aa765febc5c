"""Memory of activations in training, in 16 bits, with and without recomputing them in the backward pass.

Legend: s = context, b = sequences in a microbatch, h = width, a = heads, t = tensor-parallel devices. Bytes of a layer:

    none                        s b h (34 + 5 a s / h)
    none, tensor parallel       s b h (10 + 24 / t + 5 a s / (h t))
    none, sequence parallel     s b h (34 + 5 a s / h) / t
    selective                   the same without the term 5 a s / h
    full                        2 s b h

Table 2 of [korthikanti2022], derived there for a feed-forward layer of 4 h units, as many key as query heads and
dropout. The term 5 a s / h is what an attention kernel that keeps no scores saves: with one, count as "selective".
"""

from __future__ import annotations

from typing import Literal, get_args

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.conventions import FORWARD_PASSES_OF_TRAINING, forward_flops_of
from isoflop.errors import UsageError

Recomputation = Literal["none", "selective", "full"]
"""What the backward pass computes again: nothing, the attention core, every layer."""

RECOMPUTATIONS: tuple[Recomputation, ...] = get_args(Recomputation)


def attention_factor(architecture: Architecture) -> float:
    """5 a s / h: memory of the attention core against the 34 of the rest of a layer.

    Example:
        >>> attention_factor(Architecture(layers=96, width=12288, heads=96, kv_heads=96, head_width=128,
        ...     feedforward=49152, vocab=50257, context=2048))
        80.0
    """
    return 5 * architecture.heads * architecture.context / architecture.width


def activation_bytes_per_layer(
    architecture: Architecture,
    sequences: int,
    *,
    recomputation: Recomputation = "none",
    tensor: int = 1,
    sequence_parallel: bool = False,
) -> float:
    """Bytes of activations that one layer keeps on each device for a microbatch of `sequences` sequences.

    Raises:
        UsageError: a count below one, or an unknown way of recomputing.
    """
    for name, value in (("sequences", sequences), ("tensor", tensor)):
        if value < 1:
            raise UsageError(f"{name}={value} must be at least 1.")
    if recomputation not in RECOMPUTATIONS:
        raise UsageError(f"recomputation={recomputation!r} is unknown: use one of {', '.join(RECOMPUTATIONS)}.")
    unit = float(architecture.context * sequences * architecture.width)
    if recomputation == "full":
        return 2 * unit
    core = attention_factor(architecture) / tensor if recomputation == "none" else 0.0
    # Without sequence parallelism every device keeps its own copy of what norms and dropouts need.
    rest = 34 / tensor if sequence_parallel else 10 + 24 / tensor
    return unit * (rest + core)


def recomputation_factor(architecture: Architecture, recomputation: Recomputation) -> float:
    """FLOP carried out in training over the FLOP of the model: 1, a little more, or about 4/3.

    Full recomputation repeats the forward pass of every layer, selective that of the attention core. The 2.7 % that
    [korthikanti2022] state for GPT-3 is the core's share of a layer's forward pass, `attention_share`; of the three
    passes of training it is a third.
    """
    flops = forward_flops_of(architecture)
    if recomputation == "none":
        return 1.0
    again = flops.attention_core if recomputation == "selective" else flops.products - flops.logits
    return 1.0 + again / (FORWARD_PASSES_OF_TRAINING * flops.products)


def attention_share(architecture: Architecture) -> float:
    """The attention core's share of the forward FLOP of a layer: s / (6 h + s) where the feed-forward is 4 h wide.

    Example:
        >>> round(attention_share(Architecture(layers=96, width=12288, heads=96, kv_heads=96, head_width=128,
        ...     feedforward=49152, vocab=50257, context=2048)), 3)
        0.027
    """
    flops = forward_flops_of(architecture)
    return flops.attention_core / (flops.products - flops.logits)
