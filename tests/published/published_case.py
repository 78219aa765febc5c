"""A published number beside what is derived here: how far apart the two may be, and why they are not equal."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Published:
    """`printed` is text as published, so that its digits are known; beyond them, a gap needs a cause."""

    name: str
    printed: str
    ours: Callable[[Path], float]
    tolerance: float = 0.0
    cause: str = ""

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit."""
        exponent = Decimal(self.printed).as_tuple().exponent
        assert isinstance(exponent, int)
        return 0.5 * 10.0**exponent * (1.0 + 1e-9)

    def agrees(self, ours: float) -> bool:
        """Equal to the printed digits, or within the tolerance for a recorded cause."""
        gap = abs(ours - float(self.printed))
        return gap <= self.rounding or (bool(self.cause) and gap <= self.tolerance)


def several(
    source: str,
    printed: Mapping[str, str],
    ours: Callable[[Path], Mapping[str, float]],
    tolerance: float | Mapping[str, float] = 0.0,
    cause: str = "",
) -> list[Published]:
    """One row for each of the numbers that are derived together."""
    allowed = tolerance if isinstance(tolerance, Mapping) else dict.fromkeys(printed, tolerance)
    return [
        Published(f"{source}, {name}", text, lambda data, n=name: ours(data)[n], allowed.get(name, 0.0), cause)
        for name, text in printed.items()
    ]


def rows_of(path: Path, **wanted: str) -> list[dict[str, str]]:
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
    with opened as lines:
        return [row for row in csv.DictReader(lines) if all(row[name] == value for name, value in wanted.items())]


def numbers(rows: list[dict[str, str]], column: str) -> np.ndarray:
    return np.array([float(row[column] or "nan") for row in rows])
