"""Constants from the literature, each with its source, data, counting convention and how well it is verified.

They are kept in `published.toml` beside this file. Constants of different rows are comparable only where tokenizer,
data and parameter count agree: an exponent moves from .50 to .78 by counting parameters another way.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import resources
from typing import Any, Literal

from isoflop.errors import UsageError
from isoflop.laws.catalogue import find
from isoflop.laws.law import Law
from isoflop.quantities import ParamCount

Status = Literal["verified", "secondary", "computed"]
"""Read in the paper or its data; quoted by others; worked out by this project from the paper's data."""


@dataclass(frozen=True)
class Published:
    """Constants as somebody published them.

    `values` are as printed, in `units`; `law` is the law they are parameters of, None where they fill none. `convert`
    multiplies values into the units of that law. `interval` is at `level`.
    """

    name: str
    law: Law | None
    values: Mapping[str, float]
    reference: str
    source: str
    dataset: str
    tokenizer: str
    param_count: ParamCount
    units: str
    status: Status
    note: str = ""
    convert: Mapping[str, float] = field(default_factory=dict)
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    level: float | None = None

    @property
    def theta(self) -> tuple[float, ...]:
        """Parameters of the law in its order and units.

        Raises:
            UsageError: these constants are not the parameters of a law.
        """
        if self.law is None:
            raise UsageError(f"{self.name} holds constants that fill no law: use its values {', '.join(self.values)}.")
        return tuple(self.values[name] * self.convert.get(name, 1.0) for name in self.law.parameter_names)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of these constants."""
        return {
            "name": self.name,
            "law": self.law.name if self.law else None,
            "values": dict(self.values),
            "params": dict(zip(self.law.parameter_names, self.theta, strict=True)) if self.law else None,
            "standard_errors": dict(self.standard_errors),
            "interval": {name: list(bounds) for name, bounds in self.interval.items()},
            "level": self.level,
            "reference": self.reference,
            "source": self.source,
            "dataset": self.dataset,
            "tokenizer": self.tokenizer,
            "param_count": self.param_count,
            "units": self.units,
            "status": self.status,
            "note": self.note,
        }


@cache
def published() -> tuple[Published, ...]:
    """All published constants, in the order of the file.

    Example:
        >>> [item.name for item in published() if item.law is not None and item.law.name == "kaplan-nd"]
        ['kaplan2020-nd']
    """
    text = resources.files("isoflop.laws").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(_published(entry) for entry in tomllib.loads(text)["published"])


def find_published(name: str) -> Published:
    """The published constants called `name`.

    Raises:
        UsageError: there are none of that name; the message names those that are alike.

    Example:
        >>> find_published("hoffmann2022-approach3").theta
        (1.6934, 406.4, 410.7, 0.33917084, 0.2849083)
    """
    for item in published():
        if item.name == name:
            return item
    names = [item.name for item in published()]
    alike = [item for item in names if item[:4] == name[:4]] or get_close_matches(name, names, 5)
    meant = f"; did you mean {', '.join(alike)}" if alike else ""
    raise UsageError(f"published constants {name!r} are unknown{meant}: isoflop laws published lists them.")


def published_for(law: Law) -> tuple[Published, ...]:
    """The published constants that are parameters of `law`.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> [item.name for item in published_for(find("kaplan-c"))]
        ['kaplan2020-c', 'kaplan2020-c-min', 'henighan2020-language-c']
    """
    return tuple(item for item in published() if item.law is not None and item.law.name == law.name)


def _published(entry: dict[str, Any]) -> Published:
    law = find(entry["law"]) if "law" in entry else None
    intervals = {name: (low, high) for name, (low, high) in entry.get("interval", {}).items()}
    return Published(**{**entry, "law": law, "interval": intervals})
