"""Planning with few distinct tokens: what repeating them is worth, for any law.

    D' = U + U·R_D·(1 - exp(-(D/U - 1)/R_D))    for D > U, else D
    N' = S + S·R_N·(1 - exp(-(N/S - 1)/R_N))    for N > S, else N

U distinct tokens; S the size that is compute-optimal for U of them; R_D and R_N how many repetitions use up most of the
worth. The law is then read at N' and D'. [muennighoff2023]

The law `muennighoff` holds these decays itself and is used as it is. It takes S for min(U, D) tokens, this wrapper for
U: they differ only for models larger than is optimal on less than one epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoflop.errors import UsageError
from isoflop.laws.graph import Array
from isoflop.laws.published import find_published
from isoflop.planning.allocation import Terms, for_tokens
from isoflop.planning.landscape import Landscape


@dataclass(frozen=True)
class Decay:
    """Repetitions of data, and of parameters beyond what the data support, that use up most of their worth."""

    data: float
    params: float


def published_decay() -> Decay:
    """The decays that Muennighoff et al. fitted to 182 runs on C4, up to some 60 epochs."""
    values = find_published("muennighoff2023").values
    return Decay(values["R_D"], values["R_N"])


def effective(total: Array | float, distinct: Array | float, decay: float) -> Array:
    """What `total` is worth in distinct ones, of which there are `distinct`.

    Example:
        >>> round(float(effective(4e9, 1e9, 15.387756)) / 4e9, 3)
        0.931
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        repeats = np.maximum(np.asarray(total) / distinct - 1.0, 0.0)
        worth = distinct * (1.0 + decay * -np.expm1(-repeats / decay))
    return np.asarray(np.where(repeats > 0.0, worth, total))


def worth_kept(epochs: float, decay: float) -> float:
    """The share of its worth that data keep when they are seen `epochs` times.

    Example:
        >>> [round(worth_kept(epochs, published_decay().data), 3) for epochs in (1, 4, 16, 40)]
        [1.0, 0.931, 0.661, 0.379]
    """
    return float(effective(epochs, 1.0, decay)) / epochs


class RepeatedLandscape:
    """Any landscape, read at what size and data are worth when distinct tokens are few."""

    def __init__(self, base: Landscape, unique: float, decay: Decay) -> None:
        self.rows = base.rows
        self._base, self._unique, self._decay = base, unique, decay
        self.supported = for_tokens(base, Terms(), unique).params
        if math.isnan(self.supported[0, 0]):
            raise UsageError(f"unique_tokens={unique:g} are optimal for no model of this law: give another number.")

    def losses(self, params: Array, tokens: Array) -> Array:
        """See `Landscape`."""
        return self._base.losses(*self.worth(params, tokens))

    def worth(self, params: Array, tokens: Array) -> tuple[Array, Array]:
        """What size and data are worth, N' and D', both (m, p)."""
        supported = np.broadcast_to(self.supported, np.shape(params))
        sizes = np.where(np.isnan(supported), params, effective(params, supported, self._decay.params))
        return sizes, effective(tokens, self._unique, self._decay.data)


@dataclass(frozen=True)
class DataUse:
    """How a plan uses its distinct tokens.

    `kept` is the share of their worth that the tokens keep, `last` the worth of the last one against a fresh one;
    `next_epoch` how much the loss would fall with one more epoch, which takes `next_epoch_compute` FLOP.
    """

    unique_tokens: float
    epochs: float
    kept: float
    last: float
    next_epoch: float
    next_epoch_compute: float
    decay: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "unique_tokens": self.unique_tokens,
            "epochs": self.epochs,
            "worth_kept": self.kept,
            "worth_of_the_last_token": self.last,
            "next_epoch": {"loss": -self.next_epoch, "compute": self.next_epoch_compute},
            "repetitions_that_use_up_most": self.decay,
        }


def data_use(land: Landscape, terms: Terms, params: float, tokens: float, unique: float, decay: float) -> DataUse:
    """How a plan of `params` on `tokens` uses `unique` distinct tokens."""
    if not (math.isfinite(unique) and unique > 0):
        raise UsageError(f"unique_tokens={unique!r} must be a number above zero.")
    epochs = tokens / unique
    size = np.full((land.rows, 1), params)
    now, more = (land.losses(size, np.full((land.rows, 1), data))[0, 0] for data in (tokens, tokens + unique))
    return DataUse(
        unique_tokens=unique,
        epochs=epochs,
        kept=worth_kept(max(epochs, 1.0), decay),
        last=math.exp(-max(epochs - 1.0, 0.0) / decay),
        next_epoch=float(now - more),
        next_epoch_compute=terms.training * params * unique,
        decay=decay,
    )
