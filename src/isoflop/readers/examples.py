"""The example table that comes with the package: 25 small language models, trained by its authors."""

from __future__ import annotations

from pathlib import Path


def example_runs() -> Path:
    """The path of `mini_study.csv`: a ladder of 24 runs and one larger run held out (`held_out` is 1).

    Example:
        >>> example_runs().name
        'mini_study.csv'
    """
    return Path(__file__).parent.parent / "examples" / "mini_study.csv"
