"""Where a fit is heading: the point at ten times the compute of its largest run, for rules about forecasts."""

from __future__ import annotations

import numpy as np

from isoflop.fitting.diagnostics.evidence import Evidence
from isoflop.laws.frontier import frontier, has_frontier
from isoflop.laws.graph import Array

AHEAD = 10.0
"""Times the largest compute."""


def ahead(evidence: Evidence, theta: Array) -> dict[str, Array] | None:
    """The point by run-table column (each of one value); None where some input cannot be scaled up.

    A law of size and data is asked at its own optimum there; any other with every input as large as its largest times
    the same root of ten.
    """
    law, fit = evidence.fit.law, evidence.fit
    if has_frontier(law) and set(law.columns) == {"params", "tokens"} and evidence.log_compute is not None:
        compute = AHEAD * float(np.exp(evidence.log_compute.max()))
        best = frontier(law, theta, np.array([compute]))
        point = {"params": best.params[0], "tokens": best.tokens[0]}
        if all(bool(np.all(np.isfinite(values) & (values > 0.0))) for values in point.values()):
            return point
    if len(evidence.log_inputs) < len(law.inputs) or not len(fit.runs):
        return None
    factor = AHEAD ** (1.0 / len(law.inputs))
    return {item.column: factor * evidence.data[item.name].max(keepdims=True) for item in law.inputs}


def slopes_ahead(evidence: Evidence, theta: Array) -> Array | None:
    """Derivatives (k,) of the fitted quantity there."""
    point = ahead(evidence, theta)
    if point is None:
        return None
    slopes = evidence.slopes_at(theta, point)[0]
    return slopes if bool(np.all(np.isfinite(slopes))) else None
