"""The one law that the rules look at, where several share a forecast."""

from __future__ import annotations

from dataclasses import replace

from isoflop.fitting.binding import residuals_of
from isoflop.fitting.diagnostics.search import robust_deviation
from isoflop.fitting.fit import Fit


def closest(fitted: Fit) -> Fit:
    """The fit itself; of a stack, the member that follows its runs most closely, with its own draws.

    What even that member misses, all of them miss, and what it does not miss is no fault of the runs.
    """
    if not fitted.members:
        return fitted
    found = []
    for place, (member, part) in enumerate(zip(fitted.members, fitted.parts, strict=True)):
        residuals = residuals_of(member.law, member.theta, fitted.runs, fitted.objective)
        found.append((robust_deviation(residuals, len(member.theta)), place, member, part.ensemble, residuals))
    _, _, member, ensemble, residuals = min(found, key=lambda item: item[:2])
    return replace(
        fitted,
        law=member.law,
        theta=member.theta,
        status=member.status,
        certificate=member.certificate,
        residuals=residuals,
        ensemble=ensemble,
        members=(),
    )
