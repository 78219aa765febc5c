"""What a metric measures, told from its name: held-out loss, training loss, tokens and compute so far, or else.

Trackers leave names to the user, so a name is taken apart into words: `eval/c4_en/CrossEntropyLoss` is a held-out
loss on c4_en, `loss_scale` no loss at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Meaning = Literal[
    "held-out loss", "training loss", "perplexity", "bits per byte", "tokens", "samples", "compute", "other"
]

_HELD_OUT = frozenset(
    "val valid validation eval evaluation test heldout holdout held dev paloma".split()
)  # "held" of held_out; the out is dropped with the plain words
_LOSS = frozenset("loss nll ce xent crossentropy crossentropyloss celoss lmloss".split())
_NOT_LOSS = frozenset(
    "scale scaler scaling z zloss aux auxiliary balance balancing router load mtp kl grad gradient norm reg penalty "
    "min max std stderr var variance spike ema speed time runtime diff delta delta ratio best steps step per seconds "
    "second samples rank count weight weights".split()
)
_PLAIN = frozenset(
    "lm avg average mean macro global metrics learning train training micro final out data total".split()
)
_TRAINING = frozenset("train training learning".split())
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TOKENS = frozenset(
    "tokens totaltokens tokensseen numinputtokensseen consumedtokens traintokens tokenstrained trainingtokens "
    "tokenstotal ntokens numtokens processedtokens optimtotaltokens throughputtotaltokens traintotaltokens "
    "traintokensseen".split()
)
_SAMPLES = frozenset({"consumedsamples", "samplesseen", "consumedtrainsamples", "totalsamples"})
_COMPUTE = frozenset(
    "totalflops totalflos totaltrainingflops trainingflops trainflops flops totalgflops throughputtotalgflops "
    "throughputtotalpetaflops totalpetaflops".split()
)
_COMPUTE_SCALES = (("petaflops", 1e15), ("gflops", 1e9), ("flops", 1.0), ("flos", 1.0))


@dataclass(frozen=True)
class Metric:
    """A metric by its `name`: its `meaning`, what it is multiplied by, and how many words say more than that.

    Among several held-out losses the one without `extra` words is the plainest.
    """

    name: str
    meaning: Meaning
    scale: float = 1.0
    extra: int = 0


def metric_of(name: str) -> Metric:
    """What the metric called `name` measures.

    Example:
        >>> [metric_of(name).meaning for name in ("eval/c4_en/CrossEntropyLoss", "lm loss", "loss_scale")]
        ['held-out loss', 'training loss', 'other']
    """
    joined = re.sub(r"[^a-z0-9]", "", name.lower())
    words = [word.lower() for word in _WORDS.findall(name)]
    there = set(words)
    if joined in _TOKENS:
        return Metric(name, "tokens")
    if joined in _SAMPLES:
        return Metric(name, "samples")
    if joined in _COMPUTE:
        return Metric(name, "compute", next(scale for ending, scale in _COMPUTE_SCALES if joined.endswith(ending)))
    held_out = bool(there & _HELD_OUT) or "heldout" in joined
    extra = len(there - _HELD_OUT - _LOSS - _PLAIN - {"cross", "entropy", "out"})
    if "bpb" in there or joined.endswith("bitsperbyte"):
        plain = len(there - _HELD_OUT - _PLAIN - {"bpb", "bits", "per", "byte", "loss"})
        return Metric(name, "other" if there & _TRAINING else "bits per byte", extra=plain)
    if there & {"ppl", "perplexity"}:
        plain = len(there - _HELD_OUT - _PLAIN - {"ppl", "perplexity", "loss"})
        return Metric(name, "perplexity" if held_out else "other", extra=plain)
    if (there & _LOSS or "crossentropy" in joined) and not there & _NOT_LOSS:
        return Metric(name, "held-out loss" if held_out else "training loss", extra=extra)
    return Metric(name, "other")


def plainest(metrics: Iterable[Metric], meaning: Meaning) -> tuple[Metric, ...]:
    """Those of the metrics with that meaning whose names say no more than that; else all of them.

    A name with further words belongs to one data set of several, and none of those is plainer than another.
    """
    found = tuple(metric for metric in metrics if metric.meaning == meaning)
    plain = tuple(metric for metric in found if metric.extra == 0)
    return plain or found
