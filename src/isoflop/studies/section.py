"""A table of a study file: what all have in common, and the kinds of values that stand in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from isoflop.errors import UsageError
from isoflop.quantities import parse_quantity

# The largest whole number that TOML, JSON and floating point all carry exactly.
LARGEST = 2**53


def _count(value: object) -> object:
    if not isinstance(value, str):
        return value
    number = parse_quantity(value, "tokens", "quantity")
    if number != int(number):
        raise UsageError(f"{value!r} is not a whole number: write 512k, 4M or 1e9.")
    return int(number)


def _compute(value: object) -> object:
    return parse_quantity(value, "compute", "quantity") if isinstance(value, str) else value


def _seconds(value: object) -> object:
    return parse_quantity(value, "duration", "duration") if isinstance(value, str) else value


def _dollars(value: object) -> object:
    return parse_quantity(value, "dollars", "price") if isinstance(value, str) else value


Count = Annotated[int, BeforeValidator(_count), Field(ge=1, le=LARGEST)]
Compute = Annotated[float, BeforeValidator(_compute), Field(gt=0)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Dollars = Annotated[float, BeforeValidator(_dollars), Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """What all sections have in common: no key that is not listed, no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
