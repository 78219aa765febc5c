"""Constants printed with few digits: what rounding alone does to a forecast, part of D25."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.fit import predict
from isoflop.laws.law import Law

_PROBE = {"params": 1e10, "tokens": 2e11, "compute": 1.2e22}
"""A run of a size that published constants are used for."""

_MOVED = 0.005  # of the forecast


def rounded_constants(law: Law, printed: Mapping[str, float]) -> Iterator[Finding]:
    """A warning where half a unit of the last printed digits moves a forecast by more than half a percent.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> rounded = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
        >>> [finding.code for finding in rounded_constants(find("chinchilla"), rounded)]
        ['rounded-constants']
    """
    if not set(law.columns) <= set(_PROBE) or set(printed) != set(law.parameter_names):
        return
    point = {column: np.array([_PROBE[column]]) for column in law.columns}
    theta = np.array([printed[name] for name in law.parameter_names])
    halves = np.diag([half_unit(value) for value in theta.tolist()])
    with np.errstate(all="ignore"):
        value = float(predict(law, theta, point)[0, 0])
        moved = float(np.sum(np.abs(predict(law, theta + halves, point)[:, 0] / value - 1.0)))
    if not moved > _MOVED:
        return
    message = (
        f"Rounding of the printed constants alone moves a forecast at 10B parameters and 200B tokens by up to "
        f"{moved:.1%}: use constants with more digits."
    )
    yield Finding("rounded-constants", "warn", message)


def half_unit(value: float) -> float:
    """Half a unit of the last digit of a number as it is written.

    Example:
        >>> half_unit(0.34), half_unit(406.4)
        (0.005, 0.05)
    """
    exponent = Decimal(repr(value)).as_tuple().exponent
    return 0.5 * 10.0**exponent if isinstance(exponent, int) else 0.0
