"""The constants that the data say little about, each with its profile: how much worse the fit gets as it moves.

    d(v) = t(v)² / t*²        t the profile of `isoflop.fitting.profiles`, t* Student's t at the level of the fit

A value with d ≥ 1 is refuted at that level; where d stays below 1 to one side, no value on that side is. Profiles are
of the efficient fit, on which the intervals of small studies rest; the stated optimum may lie beside its bottom.

Reference: bates1988
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from isoflop.fitting.binding import bind
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.efficient import efficient_fit
from isoflop.fitting.fit import Fit, Part
from isoflop.fitting.layout import layout_of
from isoflop.fitting.profiles import Profile, profile
from isoflop.fitting.single import distinct_runs
from isoflop.fitting.solver import Problem
from isoflop.laws.graph import Array
from isoflop.laws.law import Law, Parameter
from isoflop.quantities import Estimate

_WIDE = 1.0 / 3.0  # interval over value, above which a constant counts as weak
_PAST = 1.3  # t beyond t* up to which a profile is shown
_FLAT = 0.1  # t between the ends of a profile
_MOST = 2  # a profile costs 0.1 CPU-seconds with 24 rows, a tenth of such a fit (2026-11, 2 cores x86_64)


@dataclass(frozen=True)
class WeakConstant:
    """A weakly determined constant of `law`: its estimate, and d (p,) at values `at` (p,) of it, rising.

    `open_below` and `open_above` say that no value on that side is refuted.
    """

    law: str
    parameter: Parameter
    estimate: Estimate
    at: Array
    deviance: Array
    open_below: bool
    open_above: bool

    @property
    def log(self) -> bool:
        """Whether the constant is positive, so that its values are seen on a logarithmic scale."""
        return self.parameter.scale == "log"

    def resampled(self, count: int) -> tuple[Array, Array]:
        """`count` values evenly spaced on the scale of the constant, and d there."""
        places = np.log(self.at) if self.log else self.at
        wanted = np.linspace(places[0], places[-1], count)
        # d is nearly a parabola: its signed root is nearly a line, which interpolation keeps.
        bottom = int(np.argmin(self.deviance))
        root = np.sqrt(self.deviance) * np.where(np.arange(len(places)) < bottom, -1.0, 1.0)
        return np.exp(wanted) if self.log else wanted, np.interp(wanted, places, root) ** 2


def weak_constants(fit: Fit, most: int = _MOST) -> tuple[WeakConstant, ...]:
    """The weakest constants of a fit, at most `most`, the weakest first; of a stack those of its weightiest law.

    A constant is weak where a bound is open or the interval is wider than a third of its value. A coefficient whose
    unit hangs on an exponent, such as A, is as wide as that exponent makes it: left out unless it is open.

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> [item.parameter.name for item in weak_constants(fit("chinchilla", example_runs(), where="tokens < 3e6"))]
        ['E', 'alpha']
    """
    if not len(fit.ensemble) or fit.status is FitStatus.NOT_STATIONARY or fit.objective.tilt != 0.5:
        return ()
    part = max(fit.parts, key=lambda item: item.weight)
    weak = [parameter for parameter in part.law.parameters if _width(parameter, part) > _WIDE]
    chosen = sorted(weak, key=lambda parameter: -_width(parameter, part))
    if not chosen or len(fit.runs) <= len(part.law.parameters):
        return ()
    try:
        with np.errstate(all="ignore"):  # what a study does not determine shows in its profile
            return tuple(islice(_profiled(fit, part, chosen), most))
    except np.linalg.LinAlgError:  # no efficient fit, where a resampled one may still have draws
        return ()


def _width(parameter: Parameter, part: Part) -> float:
    """The interval over the value; infinite where a bound is open, zero for what another constant decides."""
    estimate = part.params[parameter.name]
    if estimate.low is None or estimate.high is None:
        return float("inf")
    if any(name in parameter.unit for name in part.law.parameter_names if name != parameter.name):
        return 0.0
    return (estimate.high - estimate.low) / max(abs(estimate.value), 1e-300)


def _profiled(fit: Fit, part: Part, chosen: list[Parameter]) -> Iterator[WeakConstant]:
    from scipy.special import stdtrit

    runs = distinct_runs(fit.runs, part.law)

    def bind_law(law: Law) -> Problem:
        return bind(law, runs, fit.objective, fit.weights)

    problem = bind_law(part.law)
    theta = np.array([part.params[name].value for name in part.law.parameter_names])
    fitted = efficient_fit(problem, problem.surface.to_internal(theta[None])[:, 0], layout_of(runs, fit.cluster))
    refuted = float(stdtrit(fitted.noise.freedom, 0.5 + 0.5 * fit.level))
    for parameter in chosen:
        found = profile(fitted, part.law, parameter.name, bind_law)
        # A constant that has run away is equally good wherever its profile looks: there is nothing to see.
        if np.all(np.isfinite(found.t)) and np.ptp(found.t) > _FLAT:
            yield _weak(part, parameter, found, refuted)


def _weak(part: Part, parameter: Parameter, found: Profile, refuted: float) -> WeakConstant:
    """The profile cut where it has passed the level, and stretched to the stated optimum if that lies outside."""
    log = parameter.scale == "log"
    places = np.log(found.at) if log else found.at
    bounds = np.clip([-_PAST * refuted, _PAST * refuted], found.t[0], found.t[-1])
    low, high = np.interp(bounds, found.t, places)
    inside = (places > low) & (places < high)
    at = np.concatenate([[low], places[inside], [high]])
    t = np.interp(at, places, found.t)
    return WeakConstant(
        part.law.name,
        parameter,
        part.params[parameter.name],
        np.exp(at) if log else at,
        (t / refuted) ** 2,
        open_below=bool(found.t[0] > -refuted),
        open_above=bool(found.t[-1] < refuted),
    )
