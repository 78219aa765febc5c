"""FLOP of a transformer under the conventions of the literature, each by its name, so that tables can be compared.

    6nd                           2 N a token forwards; N counts all active parameters
    kaplan                        2 N + 2 L T A forwards; N without embeddings, T the context, A the attention width
    hoffmann                      appendix F: embedding and logits as products with V d, softmax counted
    hoffmann-without-embeddings   the same without embedding and logits; it is what gives Table A4
    matmul                        every matrix multiplication that is carried out, nothing else

The backward pass costs two forward ones, so training is three times the forward FLOP. A multiply and an add are two
operations, and the causal half of attention is not discounted. [kaplan2020] counts the scores but not the weighted
sum of the values; the other two count both. The same model and data differ by up to 1.6 times between conventions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.parameters import count_architecture
from isoflop.errors import UsageError

Convention = Literal["6nd", "kaplan", "hoffmann", "hoffmann-without-embeddings", "matmul"]
"""Which operations are counted."""

CONVENTIONS: tuple[Convention, ...] = get_args(Convention)

FORWARD_PASSES_OF_TRAINING = 3
"""One forward pass, and a backward pass that costs two."""


@dataclass(frozen=True)
class ForwardFlops:
    """FLOP of one forward pass per token, by what they are spent on, over all layers."""

    embedding: int
    queries_keys_values: int
    scores: int
    softmax: int
    mixing: int
    output: int
    feedforward: int
    routers: int
    logits: int

    @property
    def attention_core(self) -> int:
        """Scores and the weighted sum of the values: what grows with the context."""
        return self.scores + self.mixing

    @property
    def products(self) -> int:
        """The matrix multiplications that are carried out: an embedding is looked up, not multiplied."""
        projections = self.queries_keys_values + self.output
        return projections + self.attention_core + self.feedforward + self.routers + self.logits


def forward_flops_of(architecture: Architecture, context: int | None = None) -> ForwardFlops:
    """FLOP of one forward pass per token that attends to `context` tokens (those of the architecture unless given).

    With A = attention width, K = key width, T = context: queries, keys, values 2 d (A + 2 K) a layer, scores 2 T A,
    softmax 3 h T, mixing 2 T A, output 2 A d, feed-forward 2 m d F, embedding and logits 2 V d each. Appendix F of
    [hoffmann2022] for one token.

    Example:
        >>> forward_flops_of(Architecture(layers=2, width=8, heads=1, kv_heads=1, head_width=8, feedforward=32,
        ...     vocab=10, context=4)).products
        3488
    """
    attended = architecture.context if context is None else context
    width, layers, experts = architecture.width, architecture.layers, architecture.experts
    matrices = 2 * architecture.feedforward_matrices * width
    feedforward = architecture.dense_layers * matrices * architecture.feedforward
    routers = 0
    if experts is not None:
        feedforward += (
            architecture.expert_layers * matrices * experts.feedforward * (experts.per_token + experts.shared)
        )
        routers = 2 * architecture.expert_layers * width * experts.count
    core = 2 * layers * attended * architecture.attention_width
    return ForwardFlops(
        embedding=2 * architecture.vocab * width,
        queries_keys_values=2 * layers * width * (architecture.attention_width + 2 * architecture.kv_width),
        scores=core,
        softmax=3 * layers * architecture.heads * attended,
        mixing=core,
        output=2 * layers * architecture.attention_width * width,
        feedforward=feedforward,
        routers=routers,
        logits=2 * architecture.vocab * width,
    )


def forward_flops_under(architecture: Architecture, convention: Convention) -> int:
    """FLOP of one forward pass per token as `convention` counts them.

    Raises:
        UsageError: there is no such convention; the message lists them.
    """
    flops = forward_flops_of(architecture)
    if convention == "6nd":
        return 2 * count_architecture(architecture).active
    if convention == "kaplan":
        return 2 * count_architecture(architecture).active_non_embedding + flops.scores
    if convention == "hoffmann":
        return flops.products + flops.softmax + flops.embedding
    if convention == "hoffmann-without-embeddings":
        return flops.products + flops.softmax - flops.logits
    if convention == "matmul":
        return flops.products
    raise UsageError(f"convention={convention!r} is unknown: use one of {', '.join(CONVENTIONS)}.")


def training_flops_under(architecture: Architecture, tokens: float, convention: Convention) -> float:
    """FLOP to train `architecture` on `tokens` tokens as `convention` counts them."""
    return float(FORWARD_PASSES_OF_TRAINING * forward_flops_under(architecture, convention) * tokens)


def inference_flops(architecture: Architecture, prompt: int, generated: int) -> int:
    """FLOP to read a prompt and generate from it with a cache, every matrix multiplication counted.

    The token at position t attends to t tokens, so that attention is charged for what a causal model must read: the
    sum over positions is exact. Only the last prompt token and those generated after it need logits.

    Example:
        >>> tiny = Architecture(layers=1, width=8, heads=1, kv_heads=1, head_width=8, feedforward=32, vocab=10,
        ...                     context=4)
        >>> inference_flops(tiny, prompt=1, generated=1)
        1728
    """
    for name, value in (("prompt", prompt), ("generated", generated)):
        if value < 1:
            raise UsageError(f"{name}={value} must be at least 1 token.")
    # The last token generated is never read back, so the model runs on one token fewer than there are.
    positions = prompt + generated - 1
    one = forward_flops_of(architecture, context=1)
    without_core = one.products - one.attention_core - one.logits
    return positions * without_core + one.attention_core * positions * (positions + 1) // 2 + generated * one.logits
