"""Draft: the part of a plan that follows from its law alone, before machines and prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.fit import interval
from isoflop.laws.graph import Array
from isoflop.planning.data_limit import DataUse
from isoflop.planning.plan import Regret
from isoflop.quantities import Estimate, ParamCount


@dataclass(frozen=True)
class Candidate:
    """Another run beside the plan; see `Alternative`."""

    why: str
    params: float
    tokens: float
    compute: float
    loss: Estimate
    change: Estimate
    extra_compute: float | None = None


@dataclass(frozen=True)
class Draft:
    """Size, data, loss and training FLOP with their intervals, what binds, and what lies around.

    `active` is the share of parameters that a token passes through, `unserved_lifetime` what the compute-optimal plan
    of the same loss takes with its serving, in FLOP at the price of training; None where nothing is served.
    """

    law: str
    source: str
    counted: ParamCount
    params: Estimate
    tokens: Estimate
    ratio: Estimate
    loss: Estimate
    compute: Estimate
    binding: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()
    others: Mapping[str, float] = field(default_factory=dict)
    active: float = 1.0
    data: DataUse | None = None
    regret: Regret | None = None
    unserved_lifetime: float | None = None
    findings: tuple[Finding, ...] = ()


def spread(values: Array, level: float) -> Estimate:
    """Row 0 of values (m,) with the interval of the rest at `level`.

    A bound is open where a share of draws that it has to hold has no finite value.

    Example:
        >>> print(spread(np.array([2.0, 1.0, 2.0, 3.0]), 0.9))
        2 [1.1, 2.9]
    """
    value, draws = float(values[0]), values[1:]
    if len(draws) < 2:
        return Estimate(value)
    # A draw for which no spend is enough counts as infinite: it opens the upper bound, not the lower one.
    ordered = np.where(np.isnan(draws), np.inf, draws)
    with np.errstate(invalid="ignore"):
        low, high = interval(np.minimum(ordered, 1e300), level, value)
    return Estimate(value, _finite(float(low)), _finite(float(high)))


def _finite(bound: float) -> float | None:
    return bound if np.isfinite(bound) and abs(bound) < 1e290 else None
