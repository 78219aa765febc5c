"""Small words of sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "file"), counted(1200, "run")
        ('1 file', '1,200 runs')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(texts: Sequence[str], most: int, mark: str = ", ") -> str:
    """The first few of several texts, and a sign that there are more."""
    return mark.join(texts[:most]) + (" …" if len(texts) > most else "")
