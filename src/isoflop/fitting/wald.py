"""Standard errors from the curvature at the optimum, the textbook way: for least squares with independent errors.

    Cov(θ̂) = s² (JᵀJ)⁻¹    s² = RSS/(n - k)    J = ∂z/∂θ in the user's parameters

The columns of J are scaled to unit length and factored by QR, so that parameters of very different size cost no digits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isoflop.fitting.binding import inputs_of
from isoflop.fitting.fit import Fit
from isoflop.laws.surface import GeneralSurface


def standard_errors(fit: Fit) -> dict[str, float]:
    """Standard error of every parameter; infinite where the data do not determine it.

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> errors = standard_errors(fit("chinchilla", read_runs(example_runs()), objective="ls", draws=0))
        >>> 0 < errors["alpha"] < 0.2
        True
    """
    plain = replace(fit.law, parameters=tuple(replace(item, scale="linear") for item in fit.law.parameters))
    surface = GeneralSurface(plain, inputs_of(fit.law, fit.runs), log_output=fit.objective.on == "log-loss")
    linear = surface.linearise(fit.theta[:, None], second=False)
    jacobian = linear.jacobian[0].T
    lengths = np.linalg.norm(jacobian, axis=0)
    if len(jacobian) <= len(fit.theta) or np.any(lengths == 0.0):
        return dict.fromkeys(fit.law.parameter_names, float("inf"))
    triangle = np.linalg.qr(jacobian / lengths, mode="r")
    inverse = np.linalg.inv(triangle)
    variance = float(np.sum(fit.residuals**2)) / (len(jacobian) - len(fit.theta))
    errors = np.sqrt(variance * np.sum(inverse**2, axis=1)) / lengths
    return dict(zip(fit.law.parameter_names, map(float, errors), strict=True))
