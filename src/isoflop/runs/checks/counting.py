"""What N counts: the same in every row, and what the architecture in that row gives.

inside the blocks      N_b = attention + feed-forward + norms
with one embedding     N_b + V d        with tied embeddings all parameters, else those without the unembedding
with both              N_b + 2 V d
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.parameters import count_architecture
from isoflop.errors import UsageError
from isoflop.findings import Finding
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import Array, Mask, has_numbers, lines, naming
from isoflop.runs.table import RunTable

COUNT_TOLERANCE = 0.03
"""A count of parameters may differ by this share from that of the architecture: biases and norms are not all known."""

_COUNTED = ("params_total", "params_non_embedding", "params_active")
_MEANINGS = ("no embedding", "one embedding matrix", "both embedding matrices")


def counts(table: RunTable) -> list[Finding]:
    """Rows whose `params` counts other things than in the other rows, or nothing that the row itself gives."""
    if not has_numbers(table, "params"):
        return []
    stated = [name for name in _COUNTED if has_numbers(table, name)]
    if len(stated) > 1:
        matches = np.stack([_same(table["params"], table[name]) for name in stated], axis=1)
        findings = _judge(table, matches, tuple(f"`{name}`" for name in stated), "other columns")
        if findings or matches.all(axis=0).any():
            return findings
    return _against_architecture(table)


def _same(one: Array, other: Array) -> Mask:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(one / other - 1.0) <= COUNT_TOLERANCE)


def _judge(table: RunTable, matches: Mask, meanings: tuple[str, ...], source: str) -> list[Finding]:
    """What the meanings of N that fit each row (n, m) say; nothing where one of them fits every row."""
    if not matches.any() or matches.all(axis=0).any():
        return []
    best = int(np.argmax(matches.sum(axis=0)))
    other = ~matches[:, best] & matches.any(axis=1)
    nothing = ~matches.any(axis=1)
    findings = []
    if other.any():
        rows = lines(table, other)
        theirs = meanings[Counter(np.argmax(matches[other], axis=1).tolist()).most_common(1)[0][0]]
        message = (
            f"params counts {theirs} in {naming(rows)} and {meanings[best]} in the other rows, by the {source}: bring "
            "them to one count."
        )
        findings.append(Finding("mixed-counts", "refuse", message, rows))
    if nothing.any() and 2 * int(nothing.sum()) < len(table):
        rows = lines(table, nothing)
        message = (
            f"params is more than {COUNT_TOLERANCE:.0%} from every count that the {source} give in {naming(rows)}."
        )
        findings.append(Finding("params-mismatch", "warn", message, rows))
    return findings


def _against_architecture(table: RunTable) -> list[Finding]:
    """The same judgement by the formula of a transformer, where its shape and vocabulary are given."""
    if not has_numbers(table, "layers", "width", "vocab"):
        return []
    best: list[Finding] | None = None
    for gated in (False, True):
        counted = _counts(table, gated)
        matches = np.stack([_same(table["params"], counted[:, meaning]) for meaning in range(3)], axis=1)
        if 2 * int(matches.any(axis=1).sum()) < len(table):
            continue
        findings = _judge(table, matches, _MEANINGS, "layers, width and vocab")
        if best is None or len(findings) < len(best):
            best = findings
    if best is not None:
        return best
    return _unknown(table) if has_numbers(table, "feedforward") else []


def _unknown(table: RunTable) -> list[Finding]:
    """No count fits most rows although the shape is given."""
    counted = _counts(table, False)
    ratio = table["params"] / counted[:, 0]
    if not bool(np.all(np.isfinite(ratio))):
        return []
    low, high = format_number(float(ratio.min())), format_number(float(ratio.max()))
    message = (
        f"params is {low} to {high} times what layers, width and feedforward give for the blocks, which no count of "
        "embeddings explains: check which N this is."
    )
    return [Finding("params-mismatch", "warn", message, lines(table, slice(None)))]


def _counts(table: RunTable, gated: bool) -> Array:
    """The three counts (n, 3) of each row's architecture; NaN where it has none."""
    names = ("layers", "width", "heads", "kv_heads", "head_width", "feedforward", "vocab", "context")
    columns = [table[name] if has_numbers(table, name) else np.full(len(table), np.nan) for name in names]
    return np.array([_count(gated, *row) for row in zip(*(column.tolist() for column in columns), strict=True)])


@cache
def _count(
    gated: bool,
    layers: float,
    width: float,
    heads: float,
    kv_heads: float,
    head_width: float,
    feedforward: float,
    vocab: float,
    context: float,
) -> tuple[float, float, float]:
    """Counts of one architecture; what is not given takes the customary value."""
    if not all(value >= 1 for value in (layers, width, vocab)):
        return (float("nan"),) * 3
    heads = heads if heads >= 1 else 1.0
    head_width = head_width if head_width >= 1 else max(width // heads, 1.0)
    try:
        counted = count_architecture(
            Architecture(
                layers=int(layers),
                width=int(width),
                heads=int(heads),
                kv_heads=int(kv_heads if kv_heads >= 1 else heads),
                head_width=int(head_width),
                feedforward=int(feedforward if feedforward >= 1 else 4 * width),
                vocab=int(vocab),
                context=int(context if context >= 1 else 1),
                gated=gated,
            )
        )
    except UsageError:
        return (float("nan"),) * 3
    return tuple(float(counted.non_embedding + times * counted.embedding) for times in range(3))  # type: ignore[return-value]
