"""A source of text whose entropy is known: a mixture of Markov tables of order 0, 1 and 2 over a Zipf law.

With probability λ_k the next token is drawn from the table of order k. Order 0 is a Zipf law over the
vocabulary; a context of order k ≥ 1 is hashed to `CANDIDATES` tokens, themselves drawn from that Zipf law, of
which one is taken with fixed weights. Nothing is stored, contexts are as unequal as in language, and the
conditional probability of every token is known exactly, so the best possible loss is too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VOCAB = 128
ORDER_WEIGHTS = (0.05, 0.40, 0.55)
ZIPF_EXPONENT = 1.2
CANDIDATES = 4
CANDIDATE_WEIGHTS = np.array([8.0, 4.0, 2.0, 1.0]) / 15.0
# Streams are grown side by side, since each is a chain that cannot be vectorised along its own length.
STREAM_TOKENS = 8192
STREAM_BURN_IN = 16

Tokens = NDArray[np.uint8]


@dataclass(frozen=True)
class SyntheticText:
    """Tokens from the source with what is known about them, in nats/token.

    `log_probability` holds the exact conditional log-probability of every token given the two before it.
    """

    tokens: Tokens
    log_probability: NDArray[np.float64]

    def entropy_rate(self) -> tuple[float, float]:
        """Entropy rate and its standard error, from the mean of -log p over blocks of a stream's length."""
        usable = len(self.log_probability) // STREAM_TOKENS * STREAM_TOKENS
        blocks = -self.log_probability[:usable].reshape(-1, STREAM_TOKENS).mean(axis=1)
        return float(blocks.mean()), float(blocks.std(ddof=1) / np.sqrt(len(blocks)))


def zipf_law() -> NDArray[np.float64]:
    """Probability of every token under order 0: p(v) ∝ (v + 1)^-1.2, the law of [zipf1949]."""
    weights = np.arange(1, VOCAB + 1, dtype=np.float64) ** -ZIPF_EXPONENT
    law: NDArray[np.float64] = weights / weights.sum()
    return law


def generate(tokens: int, seed: int) -> SyntheticText:
    """At least `tokens` tokens, rounded up to whole streams; the source is fixed, `seed` picks the sample."""
    streams = max(2, -(-tokens // STREAM_TOKENS))
    random = np.random.default_rng(seed)
    first, second = _candidate_tables()
    law = zipf_law()
    cumulative = np.cumsum(law)[:-1]
    order_cumulative = np.cumsum(ORDER_WEIGHTS)[:-1]
    candidate_cumulative = np.cumsum(CANDIDATE_WEIGHTS)[:-1]
    out = np.empty((STREAM_TOKENS, streams), dtype=np.uint8)
    before, last = (np.searchsorted(cumulative, random.random(streams)) for _ in range(2))
    for position in range(-STREAM_BURN_IN, STREAM_TOKENS):
        order = np.searchsorted(order_cumulative, random.random(streams))
        choice = np.searchsorted(candidate_cumulative, random.random(streams))
        free = np.searchsorted(cumulative, random.random(streams))
        token = np.where(order == 0, free, np.where(order == 1, first[last, choice], second[before, last, choice]))
        if position >= 0:
            out[position] = token
        before, last = last, token
    sequence = np.ascontiguousarray(out.T).ravel()
    return SyntheticText(sequence, log_probability(sequence))


def log_probability(sequence: Tokens) -> NDArray[np.float64]:
    """Exact log p(token | the two before) in nats; the first two tokens of `sequence` count as order 0."""
    table = np.log(conditional_table())
    context = sequence.astype(np.intp)
    out = np.log(zipf_law())[context]
    out[2:] = table[context[:-2], context[1:-1], context[2:]]
    return out


def conditional_table() -> NDArray[np.float64]:
    """The source itself: p(next | before, last), shape (128, 128, 128)."""
    first, second = _candidate_tables()
    order_one = np.zeros((VOCAB, VOCAB))
    rows = np.arange(VOCAB)
    order_two = np.zeros((VOCAB, VOCAB, VOCAB))
    grid = np.ix_(rows, rows)
    for choice, weight in enumerate(CANDIDATE_WEIGHTS):
        order_one[rows, first[:, choice]] += weight
        np.add.at(order_two, (*grid, second[:, :, choice]), weight)
    free, one, two = ORDER_WEIGHTS
    return free * zipf_law() + one * order_one[None, :, :] + two * order_two


def stationary_pairs(table: NDArray[np.float64], *, iterations: int = 200) -> NDArray[np.float64]:
    """Stationary probability of (before, last) pairs of the source, shape (128, 128), by power iteration."""
    pairs = np.outer(zipf_law(), zipf_law())
    for _ in range(iterations):
        pairs = np.einsum("bl,bln->ln", pairs, table, optimize=True)
    return pairs


def entropy_rate(table: NDArray[np.float64], pairs: NDArray[np.float64]) -> float:
    """Entropy rate in nats/token, exactly: -Σ π(b, l) Σ p(n | b, l) log p(n | b, l), section 4.2 of [cover2006]."""
    return float(-np.einsum("bl,bln,bln->", pairs, table, np.log(table), optimize=True))


def entropy_after_one_token(table: NDArray[np.float64], pairs: NDArray[np.float64]) -> float:
    """Entropy in nats of a token given only the one before it, as the first of a window must be predicted."""
    joint = np.einsum("bl,bln->ln", pairs, table, optimize=True)
    conditional = joint / joint.sum(axis=1, keepdims=True)
    return float(-(joint * np.log(conditional)).sum())


def _candidate_tables() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The candidates of every context: (128, 4) for order 1 and (128, 128, 4) for order 2."""
    cumulative = np.cumsum(zipf_law())[:-1]
    token = np.arange(VOCAB, dtype=np.uint64)
    choice = np.arange(CANDIDATES, dtype=np.uint64)
    first = _unit_hash(token[:, None] * np.uint64(CANDIDATES) + choice, salt=1)
    pair = token[:, None, None] * np.uint64(VOCAB) + token[None, :, None]
    second = _unit_hash(pair * np.uint64(CANDIDATES) + choice, salt=2)
    return np.searchsorted(cumulative, first), np.searchsorted(cumulative, second)


def _unit_hash(value: NDArray[np.uint64], salt: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) from whole numbers by the splitmix64 finaliser of [steele2014]."""
    with np.errstate(over="ignore"):
        mixed = value + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) / float(1 << 53)
