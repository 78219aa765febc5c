"""Prices of an hour of an accelerator, from `price.toml` and a user's own file of that form.

A price is a range as it was found, with source and date. Where one number is needed it is the geometric middle of the
range: offers for one device differ by factors, not by dollars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from isoflop.accounting.entries import Schema, entries, shipped_tables, user_tables
from isoflop.errors import InputError

_SCHEMA = Schema("price", {"low": "dollars", "high": "dollars"})


@dataclass(frozen=True)
class Price:
    """US dollars for an hour of one device, from the cheapest to the dearest offer found.

    Example:
        >>> round(Price("h100", 2.0, 8.0, "an offer", "2026-01-01").middle, 6)
        4.0
    """

    device: str
    low: float
    high: float
    source: str
    date: str
    note: str = ""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise InputError(f"price of {self.device}: low={self.low} is above high={self.high}: exchange them.")

    @property
    def middle(self) -> float:
        """The geometric middle of the range."""
        return math.sqrt(self.low * self.high)


@cache
def shipped_prices() -> tuple[Price, ...]:
    """The prices of `price.toml`."""
    return entries(shipped_tables("price.toml"), _SCHEMA, Price, "price.toml")


def read_prices(path: Path) -> tuple[Price, ...]:
    """The prices of a user's file before the shipped ones, so that they are found first.

    Raises:
        InputError: naming the file, the entry and the key that is wrong.
    """
    return (*entries(user_tables(path), _SCHEMA, Price, str(path)), *shipped_prices())


def find_price(device: str, prices: Iterable[Price] | None = None) -> Price | None:
    """The price of a device by its name, None where none is known.

    Example:
        >>> find_price("h100").low
        2.45
    """
    listed = shipped_prices() if prices is None else prices
    return next((price for price in listed if price.device.lower() == device.lower()), None)
