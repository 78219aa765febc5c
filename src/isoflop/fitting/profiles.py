"""Profile likelihood: how much worse the fit becomes when one parameter is held elsewhere and all others follow.

    t(v) = sign(v - θ̂) · √(2 [S(v) - S(θ̂)] / σ²)        S(v) the least objective with the parameter held at v

compared with Student's t. Where t levels off before it reaches the quantile asked for, the data do not bound the
parameter on that side: no value however far is refuted. Reference: bates1988
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from isoflop import expressions
from isoflop.expressions import Call, Node, Number, Symbol
from isoflop.fitting.efficient import Efficient
from isoflop.fitting.simulation import wald_draws
from isoflop.fitting.solver import Effort, Problem, polish, solve
from isoflop.laws.graph import Array
from isoflop.laws.law import Law, Parameter

_STEPS = (0.5, 1.0, 1.5, 2.0, 2.7, 3.5, 5.0, 7.0, 10.0, 15.0, 25.0)  # in standard deviations of Wald's method
_FAR = 3.7  # t beyond which no interval of interest reaches
_LEVEL = 0.02  # a change of t from one step to the next below which it has levelled off
_EFFORT = Effort(gauss_newton_steps=100, newton_steps=100, patience=0, at_rest=1e-9)
_OFF_THE_SCALE = float(np.log(1e8))  # in the logarithm of a positive parameter


@dataclass(frozen=True)
class Profile:
    """The profile of one parameter: values `at` (p,), rising, in its own unit, and t there (p,).

    `open_below` and `open_above` say that t levels off on that side.
    """

    name: str
    at: Array
    t: Array
    open_below: bool
    open_above: bool


def profile(fitted: Efficient, law: Law, name: str, bind_law: Callable[[Law], Problem]) -> Profile:
    """The profile of parameter `name`; `bind_law` binds a law with fewer parameters to the same rows."""
    index = law.parameter_names.index(name)
    theta = fitted.theta
    width = _width(fitted, law, index)
    below = list(_side(fitted, law, index, bind_law, theta, -width))
    above = list(_side(fitted, law, index, bind_law, theta, width))
    points = [*reversed(below), (float(theta[index]), 0.0), *above]
    return Profile(
        name,
        np.array([value for value, _ in points]),
        np.maximum.accumulate(np.array([t for _, t in points])),
        not below or below[-1][1] > -_FAR,
        not above or above[-1][1] < _FAR,
    )


def profile_draws(fitted: Efficient, law: Law, bind_law: Callable[[Law], Problem], draws: int, seed: int) -> Array:
    """θ (B, k) whose percentiles are the profile bounds of each parameter, with the ranks of Wald's draws."""
    from scipy.special import stdtrit

    found = wald_draws(fitted, draws, seed)
    if len(law.parameters) < 2:
        return found
    ranks = np.argsort(np.argsort(found, axis=0, kind="stable"), axis=0, kind="stable")
    wanted = stdtrit(fitted.noise.freedom, (ranks + 0.5) / draws)
    columns = [
        _values(profile(fitted, law, parameter.name, bind_law), parameter, wanted[:, index])
        for index, parameter in enumerate(law.parameters)
    ]
    return np.stack(columns, axis=1)


def hold(law: Law, name: str, value: float) -> Law:
    """The law with one parameter replaced by a number.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> hold(find("chinchilla"), "E", 1.5).formula
        '1.5 + A / N ^ alpha + B / D ^ beta'
    """
    formula = expressions.to_text(_replaced(law.tree, name, float(value)))
    parameters = tuple(item for item in law.parameters if item.name != name)
    return replace(law, name=f"{law.name}-{name}", formula=formula, parameters=parameters)


def _replaced(node: Node, name: str, value: float) -> Node:
    match node:
        case Symbol(name=found) if found == name:
            return Number(value)
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(_replaced(argument, name, value) for argument in arguments))
    return node


def _width(fitted: Efficient, law: Law, index: int) -> float:
    """Standard deviation by the curvature, in the logarithm of a positive parameter; at most a factor of e³."""
    draws = wald_draws(fitted, 200, 0)[:, index]
    values = np.log(draws) if law.parameters[index].scale == "log" else draws
    quarter, three = np.quantile(values, [0.25, 0.75])
    width = (three - quarter) / 1.349
    # Draws of a constant that ran away are zeros and infinities.
    return float(np.clip(width, 1e-9, 3.0)) if np.isfinite(width) else 3.0


def _side(
    fitted: Efficient, law: Law, index: int, bind_law: Callable[[Law], Problem], theta: Array, width: float
) -> Iterator[tuple[float, float]]:
    """(value, t) on one side, until t is beyond interest, levels off, or the law breaks down."""
    parameter = law.parameters[index]
    others = first = np.delete(theta, index)
    before = 0.0
    for step in _STEPS:
        value = _moved(parameter, float(theta[index]), step * width)
        if not np.isfinite(value) or (parameter.scale == "log" and value <= 0.0):
            return
        size, others = departure(fitted, bind_law(hold(law, parameter.name, value)), np.stack([others, first]), _FAR)
        if not np.isfinite(size):
            return
        t = float(np.copysign(size, width))
        yield value, t
        if abs(t) > _FAR or (step >= 5.0 and abs(t) - abs(before) < _LEVEL):
            return
        before = t


def departure(fitted: Efficient, held: Problem, others: Array, doubted: float = np.inf) -> tuple[float, Array]:
    """|t| of the fit with a parameter held, the others refitted from `others` (m, k - 1), and where those come to rest.

    `held` is the law with that parameter held, bound to the same rows. The first start lies near; where it does not
    come to rest or leads beyond `doubted`, the others are tried too, since a ridge would pass for a refutation.
    """
    held = replace(held, objective=fitted.problem.objective, whitening=fitted.problem.whitening)
    found = polish(held, held.surface.to_internal(others[:1]), effort=_EFFORT)
    if not found.gradient[0] < 1e-6 or _size(fitted, float(found.value[0])) > doubted:
        again = solve(held, others, effort=_EFFORT)
        found = again if np.min(again.value) < found.value[0] or not found.gradient[0] < 1e-6 else found
    best = int(np.argmin(found.value))
    return _size(fitted, float(found.value[best])), held.surface.to_user(found.phi[:, [best]])[0]


def _size(fitted: Efficient, value: float) -> float:
    return float(np.sqrt(2.0 * max(value - fitted.least, 0.0)) / fitted.noise.sigma)


def _moved(parameter: Parameter, value: float, distance: float) -> float:
    low, high = parameter.bounds
    moved = value * float(np.exp(distance)) if parameter.scale == "log" else value + distance
    return float(np.clip(moved, low, high))


def _values(found: Profile, parameter: Parameter, wanted: Array) -> Array:
    """The values at which t equals `wanted`; off the scale where t never reaches it."""
    log = parameter.scale == "log"
    places = np.log(found.at) if log else found.at
    values = np.interp(wanted, found.t, places)
    far = _OFF_THE_SCALE if log else 1e3 * float(np.ptp(places) + 1e-9)
    if found.open_below:
        values = np.where(wanted < found.t[0], places[0] - far, values)
    if found.open_above:
        values = np.where(wanted > found.t[-1], places[-1] + far, values)
    return np.exp(values) if log else values
