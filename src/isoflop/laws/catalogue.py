"""The laws that ship, listed one by one, and `find`."""

from __future__ import annotations

from isoflop.errors import UsageError
from isoflop.laws import chinchilla, power
from isoflop.laws.law import Law

LAWS: tuple[Law, ...] = (
    chinchilla.CHINCHILLA,
    chinchilla.CHINCHILLA_TIED,
    chinchilla.CHINCHILLA_NO_FLOOR,
    power.KAPLAN_PARAMS,
    power.KAPLAN_TOKENS,
    power.POWER_COMPUTE,
    power.FLOOR_PARAMS,
    power.FLOOR_TOKENS,
    power.FLOOR_COMPUTE,
)


def find(name: str) -> Law:
    """The law called `name`.

    Raises:
        UsageError: no law has that name; the message lists those that exist.

    Example:
        >>> find("chinchilla").parameter_names
        ('E', 'A', 'B', 'alpha', 'beta')
    """
    for law in LAWS:
        if law.name == name:
            return law
    raise UsageError(f"law {name!r} is unknown: the laws are {', '.join(law.name for law in LAWS)}.")
