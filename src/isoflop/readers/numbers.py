"""One cell, one number: what people and programs write for it, with a decimal point or a decimal comma.

7B   1.4T   10,000,000   10 000 000   10'000'000   6e23   5.76e23 FLOP   1e4 PF-days   6×10^23   1.234,5 (comma)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import UsageError
from isoflop.quantities import Kind, parse_quantity

Decimal = Literal["point", "comma"]
"""The character that separates the fraction of a number."""

DECIMALS: tuple[Decimal, ...] = ("point", "comma")

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "--", "?", "#n/a", "<na>"})
"""Texts that say that a value was not given, without case."""

LONGEST_NUMBER = 64
"""Characters; a longer text is no number that anyone wrote."""

_THOUSANDS_SPACES = re.compile(r"(?<=\d)[\u0020\u00a0\u2009\u202f'\u2019](?=\d{3}(?:\D|$))")
_POWER_OF_TEN = re.compile(r"\s*[x×*·]\s*10\s*(?:\^|\*\*)?\s*([+-]?\d+)")
_MARKS = str.maketrans({"\u2212": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " "})


def plain_number(cell: Any) -> float | None:
    """The number a cell is without reading units: NaN for a missing one, None when it is something else."""
    # The missing marks of frame libraries have these type names and compare with nothing.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return float("nan")
    if isinstance(cell, bytes):
        return None
    if isinstance(cell, str):
        if "_" in cell or len(cell) > LONGEST_NUMBER:
            return None
        if cell.strip().lower() in MISSING:
            return float("nan")
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def quantity(cell: Any, kind: Kind, decimal: Decimal = "point") -> float:
    """The number a cell stands for, units and separators resolved; NaN for a missing one.

    Raises:
        UsageError: it stands for none.

    Example:
        >>> quantity("1.234,5", "number", "comma"), quantity("10 000 000", "count"), quantity("6×10^23", "compute")
        (1234.5, 10000000.0, 6e+23)
    """
    if decimal == "comma" and isinstance(cell, str):
        cell = with_point(cell)
    plain = plain_number(cell)
    if plain is not None:
        return plain
    if not isinstance(cell, str) or len(cell) > LONGEST_NUMBER:
        raise UsageError(f"{str(cell)[:LONGEST_NUMBER]!r} is not a number.")
    text = _POWER_OF_TEN.sub(r"e\1", _THOUSANDS_SPACES.sub("", cell.translate(_MARKS)).strip())
    plain = plain_number(text)
    return parse_quantity(text, kind, signed=True) if plain is None else plain


def with_point(text: str) -> str:
    """A number written with a decimal comma as one with a decimal point; other text with a comma is spoilt by it."""
    return text.replace(".", "").replace(",", ".") if "," in text or _GROUPED_BY_POINTS.fullmatch(text) else text


_GROUPED_BY_POINTS = re.compile(r"\s*[+-]?\d{1,3}(?:\.\d{3})+\s*\D*")


def all_numbers(cells: NDArray[np.float64] | Sequence[Any], decimal: Decimal = "point") -> NDArray[np.float64] | None:
    """The cells as numbers, or None where one is not, or none is given."""
    if isinstance(cells, np.ndarray):
        return None if np.isnan(cells).all() else cells
    numbers = np.empty(len(cells))
    for index, cell in enumerate(cells):
        number = plain_number(with_point(cell) if decimal == "comma" and isinstance(cell, str) else cell)
        if number is None:
            return None
        numbers[index] = number
    return None if np.isnan(numbers).all() else numbers
