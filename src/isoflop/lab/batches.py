"""The order of the data: which windows a step trains on, as a pure function of seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import UsageError
from isoflop.runs.spec import RunSpec

Tokens = NDArray[np.unsignedinteger[Any]]

# Which windows a run on few distinct tokens sees is the same for every seed, and fewer are a subset of more.
_SUBSET_SEED = 20_250
_MIXTURE_STREAM = 1


@dataclass
class BatchOrder:
    """The shuffled windows of a text of `tokens` tokens, `batch_tokens` of them a step.

    The text is cut into windows of `context` tokens; every epoch visits each of them once, in an order drawn
    from (seed, epoch). With `unique_tokens` only that many tokens are used, in windows drawn evenly from the whole.
    The permutation of the current epoch is kept between calls to save time; it never changes what a step gets.
    """

    tokens: int
    context: int
    batch_tokens: int
    seed: int
    unique_tokens: int | None = None
    _permutations: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)
    _subset: NDArray[np.int64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        available = (self.tokens - 1) // self.context
        if available < 1:
            raise UsageError(f"text: {self.tokens} training tokens do not fill one context of {self.context}.")
        if self.unique_tokens is not None:
            count = min(available, max(1, self.unique_tokens // self.context))
            self._subset = np.random.default_rng(_SUBSET_SEED).permutation(available)[:count]

    @property
    def windows(self) -> int:
        """Windows in one epoch."""
        return (self.tokens - 1) // self.context if self._subset is None else len(self._subset)

    def starts(self, step: int) -> NDArray[np.int64]:
        """First token of every window of update `step` (0 first), shape (batch_tokens / context,)."""
        size = self.batch_tokens // self.context
        return self.starts_at(np.arange(step * size, (step + 1) * size, dtype=np.int64))

    def starts_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """First token of the windows at `places` in the order of the whole run."""
        epochs, inside_epoch = places // self.windows, places % self.windows
        chosen = np.empty(len(places), dtype=np.int64)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            chosen[inside] = self._permutation(int(epoch))[inside_epoch[inside]]
        return chosen * self.context

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._permutations:
            if len(self._permutations) >= 2:
                self._permutations.pop(min(self._permutations))
            order = np.random.default_rng([self.seed, epoch]).permutation(self.windows)
            self._permutations[epoch] = order if self._subset is None else self._subset[order]
        return self._permutations[epoch]


class MixtureOrder:
    """The windows of a text of several parts, each drawn with its own weight; every part keeps epochs of its own.

    Which part a window comes from is drawn once for the whole run from the seed.
    """

    def __init__(self, parts: Sequence[BatchOrder], weights: Sequence[float], windows: int, seed: int) -> None:
        self._parts = parts
        self._offsets = np.concatenate([[0], np.cumsum([part.tokens for part in parts])])
        chances = np.array(weights) / sum(weights)
        self._part = np.random.default_rng([seed, 0, _MIXTURE_STREAM]).choice(len(parts), size=windows, p=chances)
        self._place = np.zeros(windows, dtype=np.int64)
        for number in range(len(parts)):
            inside = self._part == number
            self._place[inside] = np.arange(int(inside.sum()))

    def starts(self, step: int) -> NDArray[np.int64]:
        """First token of every window of update `step` (0 first)."""
        size = self._parts[0].batch_tokens // self._parts[0].context
        span = slice(step * size, (step + 1) * size)
        chosen = np.empty(size, dtype=np.int64)
        for number, part in enumerate(self._parts):
            inside = self._part[span] == number
            if inside.any():
                chosen[inside] = part.starts_at(self._place[span][inside]) + self._offsets[number]
        return chosen


def order_of(spec: RunSpec) -> BatchOrder | MixtureOrder:
    """The order in which a run reads its text."""
    context, text = spec.shape.context, spec.text
    if not spec.mixture:
        return BatchOrder(text.tokens, context, spec.batch_tokens, spec.seed, spec.unique_tokens)
    parts = [
        BatchOrder(part.tokens, context, spec.batch_tokens, spec.seed + place, spec.unique_tokens)
        for place, part in enumerate(text.parts)
    ]
    return MixtureOrder(parts, spec.mixture, spec.tokens // context, spec.seed)


def windows_of_step(train: Tokens, order: BatchOrder | MixtureOrder, step: int, context: int) -> Tokens:
    """Windows (batch, context + 1) of update `step`: inputs and, shifted by one, targets."""
    windows: Tokens = train[order.starts(step)[:, None] + np.arange(context + 1)]
    return windows
