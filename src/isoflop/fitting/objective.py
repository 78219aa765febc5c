"""What a fit minimises: Σ w_i ρ(r_i), with r the residual of log-loss (or of the value itself).

    huber:δ   ρ(r) = r²/2 for |r| ≤ δ, else δ(|r| - δ/2)     the default, with δ = 1e-3 on log-loss (Hoffmann 2022)
    lad       ρ(r) = |r|
    ls        ρ(r) = r²

`~τ` after the name tilts it: runs below the curve count 2τ, those above 2(1 - τ); with τ = 0.9 the curve follows the
best runs, as a floor does. `@value` takes residuals of the value instead of its logarithm: for outputs of any sign.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from isoflop.errors import UsageError
from isoflop.laws.graph import Array

On = Literal["log-loss", "value"]

# Least absolute deviations is solved as a Huber loss whose quadratic zone is far below any digit of the data.
_LAD_DELTA = 1e-9


@dataclass(frozen=True)
class Objective:
    """An objective by name; `delta` is the half-width of Huber's quadratic zone (None for lad and ls).

    `tilt` is half the weight of runs below the curve.

    Reference: huber1964
    """

    name: Literal["huber", "lad", "ls"] = "huber"
    delta: float | None = 1e-3
    on: On = "log-loss"
    tilt: float = 0.5

    @property
    def zone(self) -> float:
        """Half-width of the quadratic zone the solver uses; infinite for least squares."""
        return {"huber": self.delta or 0.0, "lad": _LAD_DELTA, "ls": math.inf}[self.name]

    def total(self, residual: Array, weights: Array | None = None) -> Array:
        """The objective as reported: Σ w ρ(r) over the last axis, r being observed minus fitted."""
        size = np.abs(residual)
        if self.name == "ls":
            losses = size**2
        elif self.name == "lad":
            losses = size
        else:
            inside = np.minimum(size, self.zone)
            losses = inside * (size - 0.5 * inside)
        if self.tilt != 0.5:
            losses = losses * self.sides(residual)
        return np.asarray(np.sum(losses if weights is None else losses * weights, axis=-1))

    def sides(self, residual: Array) -> Array:
        """Weight of each row by the side of the curve it is on; `residual` is observed minus fitted."""
        return np.where(residual < 0.0, 2.0 * self.tilt, 2.0 * (1.0 - self.tilt))

    def efficiency(self, sigma: float) -> float:
        """Share of the data that this objective makes use of where errors are normal with that standard deviation.

        e(k) = (2Φ(k) - 1)² / (2Φ(k) - 1 - 2kφ(k) + 2k²(1 - Φ(k)))     k = δ/σ; from 0.64 (lad) to 1 (ls)
        """
        k = min(self.zone / sigma, 10.0) if sigma > 0.0 else 10.0
        inside = math.erf(k / math.sqrt(2.0))
        density = math.exp(-0.5 * k * k) / math.sqrt(2.0 * math.pi)
        spread = inside - 2.0 * k * density + k * k * (1.0 - inside)
        return inside**2 / spread if k > 1e-4 else 2.0 / math.pi

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this objective, without its value."""
        return {"name": self.name, "delta": self.delta, "on": self.on, "tilt": self.tilt}

    def __str__(self) -> str:
        """The text that `parse_objective` reads."""
        name = f"huber:{self.delta:g}" if self.name == "huber" else self.name
        name = name if self.tilt == 0.5 else f"{name}~{self.tilt:g}"
        return name if self.on == "log-loss" else f"{name}@value"


def parse_objective(text: str) -> Objective:
    """The objective of a text such as `huber:1e-3`, `lad`, `ls` or `ls@value`.

    Raises:
        UsageError: the text names no objective; the message lists the forms.

    Example:
        >>> str(parse_objective("huber:1e-3"))
        'huber:0.001'
    """
    name, _, on = text.strip().partition("@")
    name, _, side = name.partition("~")
    name, _, number = name.partition(":")
    try:
        delta = float(number) if number else 1e-3
        tilt = float(side) if side else 0.5
    except ValueError:
        delta = tilt = math.nan
    known = name in ("huber", "lad", "ls") and on in ("", "log", "value") and (name == "huber" or not number)
    if not known or not 0.0 < delta < math.inf or not 0.0 < tilt < 1.0:
        raise UsageError(
            f"objective {text!r} is unknown: use huber:1e-3, lad or ls, with ~0.9 to favour the best runs and @value "
            "for any sign."
        )
    where: On = "value" if on == "value" else "log-loss"
    if name == "huber":
        return Objective("huber", delta, where, tilt)
    return Objective("lad" if name == "lad" else "ls", None, where, tilt)
