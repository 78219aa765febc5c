"""Profiles of weak constants as lines of block characters, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from rich.text import Text

from isoflop.fitting.weak import WeakConstant
from isoflop.laws.graph import Array
from isoflop.quantities import format_number

_BLOCKS = "▁▂▃▄▅▆▇█"
_POINT = "◆"
_WIDTH = 32


def profile_lines(weak: Sequence[WeakConstant], level: float, *, stacked: bool = False) -> Iterator[Text]:
    """A heading, then one line for each constant; nothing where all are well determined.

    Example:
        >>> import numpy as np
        >>> from isoflop.laws.law import exponent
        >>> from isoflop.quantities import Estimate
        >>> at = np.linspace(0.2, 0.6, 9)
        >>> slope = exponent("a", "slope", "a")
        >>> item = WeakConstant("power", slope, Estimate(0.4, 0.2, 0.6), at, 50 * (at - 0.4) ** 2, False, False)
        >>> print(list(profile_lines([item], 0.9))[1])
          a 0.2 █████▇▆▅▄▃▂▂▁▁▁▁◆▁▁▁▂▂▃▄▅▆▇█████ 0.6
    """
    if not weak:
        return
    yield Text(
        f"How the fit worsens as a weak constant moves ({_BLOCKS[-1]} is refuted at {level:.0%}, {_POINT} is the fit):"
    )
    names = [f"{item.parameter.name} of {item.law}" if stacked else item.parameter.name for item in weak]
    lows = [format_number(float(item.at[0]), 2) for item in weak]
    for item, name, low in zip(weak, names, lows, strict=True):
        left = f"  {name:<{max(map(len, names))}} {low:>{max(map(len, lows))}} "
        tail = f" {format_number(float(item.at[-1]), 2)}{_open_sides(item)}"
        yield Text(left + sparkline(item) + tail, no_wrap=True)


def sparkline(item: WeakConstant, width: int = _WIDTH) -> str:
    """Misfit over the range of the profile as blocks, low where the fit is good, with the stated optimum marked."""
    at, deviance = item.resampled(width)
    blocks = [_BLOCKS[_height(value)] for value in deviance]
    blocks[_nearest(at, item.estimate.value)] = _POINT
    return "".join(blocks)


def _height(deviance: float) -> int:
    """The full block for what is refuted, the others for what is not."""
    return len(_BLOCKS) - 1 if deviance > 1.0 - 1e-9 else int(deviance * (len(_BLOCKS) - 1))


def _nearest(at: Array, value: float) -> int:
    return int(np.argmin(np.abs(at - value)))


def _open_sides(item: WeakConstant) -> str:
    sides = [side for side, there in (("below", item.open_below), ("above", item.open_above)) if there]
    return f"  open {' and '.join(sides)}" if sides else ""
