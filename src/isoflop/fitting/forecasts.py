"""Forecasts of hidden larger runs from smaller ones, as a fit carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.laws.graph import Array


@dataclass(frozen=True)
class Rolling:
    """Forecasts of hidden rows at every cut, one entry for each (cut, hidden row).

    `error` is observed minus forecast on the scale of the objective (log-loss, or the value), `spread` the standard
    deviation that the fit to the smaller runs expected of it, `distance` decades of compute beyond those runs.
    """

    cut: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: Array
    error: Array
    spread: Array

    def __len__(self) -> int:
        return len(self.error)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of these forecasts."""
        return {"cut": self.cut, "row": self.row, "distance": self.distance, "error": self.error, "spread": self.spread}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Rolling:
        """The forecasts that `to_dict` wrote."""
        return cls(
            np.array(record["cut"], dtype=np.int64),
            np.array(record["row"], dtype=np.int64),
            *(np.array(record[name], dtype=float) for name in ("distance", "error", "spread")),
        )
