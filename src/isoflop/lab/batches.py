"""The order of the data: which windows a step trains on, as a pure function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import UsageError


@dataclass
class BatchOrder:
    """The shuffled windows of a text of `tokens` tokens, `batch_tokens` of them a step.

    The text is cut into windows of `context` tokens; every epoch visits each of them once, in an order drawn
    from (seed, epoch). The permutation of the current epoch is kept between calls to save time; it never
    changes what a step gets.
    """

    tokens: int
    context: int
    batch_tokens: int
    seed: int
    _permutations: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.windows < 1:
            raise UsageError(f"text: {self.tokens} training tokens do not fill one context of {self.context}.")

    @property
    def windows(self) -> int:
        """Windows in one epoch."""
        return (self.tokens - 1) // self.context

    def starts(self, step: int) -> NDArray[np.int64]:
        """First token of every window of update `step` (0 first), shape (batch_tokens / context,)."""
        size = self.batch_tokens // self.context
        wanted = np.arange(step * size, (step + 1) * size, dtype=np.int64)
        epochs, places = wanted // self.windows, wanted % self.windows
        chosen = np.empty(size, dtype=np.int64)
        for epoch in np.unique(epochs):
            inside = epochs == epoch
            chosen[inside] = self._permutation(int(epoch))[places[inside]]
        return chosen * self.context

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if epoch not in self._permutations:
            if len(self._permutations) >= 2:
                self._permutations.pop(min(self._permutations))
            self._permutations[epoch] = np.random.default_rng([self.seed, epoch]).permutation(self.windows)
        return self._permutations[epoch]


def windows_of_step(train: NDArray[np.uint8], order: BatchOrder, step: int) -> NDArray[np.uint8]:
    """Windows (batch, context + 1) of update `step`: inputs and, shifted by one, targets."""
    windows: NDArray[np.uint8] = train[order.starts(step)[:, None] + np.arange(order.context + 1)]
    return windows
