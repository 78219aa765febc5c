"""Whether the optimum is one, and a sensible one: D1 to D4."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.diagnostics.evidence import Evidence
from isoflop.fitting.fit import Fit, predict
from isoflop.laws.graph import Array, Graph
from isoflop.laws.law import Law
from isoflop.quantities import format_number

_FEWEST_AGREEING = 3
_ILL, _HOPELESS = 1e8, 1e12  # condition of the Hessian scaled to a unit diagonal
_SHARE_OF_DIRECTION = 0.3  # components of a unit vector that are worth naming
_MOVES_NOTHING = 1e-9
_AT_BOUND = 1e-6
_COUNTED = ("params", "tokens", "compute")


def not_an_optimum(evidence: Evidence) -> Iterator[Finding]:
    """What the certificate withholds: a gradient that does not vanish, a flat direction, a dead term."""
    fit = evidence.fit
    if fit.status is FitStatus.NOT_STATIONARY:
        yield Finding("not-stationary", "refuse", fit.status.sentence)
    elif fit.status is FitStatus.DEGENERATE:
        names = ", ".join(fit.certificate.dead)
        yield Finding("degenerate", "refuse", f"{fit.status.sentence} It concerns {names}.")
    elif fit.status is FitStatus.FLAT:
        yield Finding("flat", "refuse", f"{fit.status.sentence}{_trade_off(evidence)}")
    condition = fit.certificate.condition or 0.0
    if condition > _ILL and fit.status is not FitStatus.FLAT:
        message = f"The data hardly determine every parameter (condition {condition:.0e}).{_trade_off(evidence)}"
        yield Finding("ill-conditioned", "refuse" if condition > _HOPELESS else "warn", message)


def few_starts(evidence: Evidence) -> Iterator[Finding]:
    """An optimum that hardly any start reached may not be the best one."""
    certificate = evidence.fit.certificate
    if certificate.agreeing < _FEWEST_AGREEING and certificate.starts >= _FEWEST_AGREEING:
        message = (
            f"Only {certificate.agreeing} of {certificate.starts} starts reached this optimum: a better one may have "
            "been missed; fit a law with fewer parameters, or state starting values."
        )
        yield Finding("few-starts-agree", "warn", message)


def at_bounds(evidence: Evidence) -> Iterator[Finding]:
    """Parameters that ended at a bound of theirs."""
    fit = evidence.fit
    for item, value in zip(fit.law.parameters, fit.theta.tolist(), strict=True):
        for bound in item.bounds:
            if np.isfinite(bound) and abs(value - bound) <= _AT_BOUND * max(1.0, abs(bound)):
                message = f"{item.name} ended at its bound {format_number(bound)}: the data ask for a value beyond it."
                yield Finding("at-bound", "warn", message)


def misplaced_floor(evidence: Evidence) -> Iterator[Finding]:
    """An irreducible loss that is not positive, or above losses that were seen."""
    fit = evidence.fit
    if fit.law.output != "loss" or not len(fit.runs):
        return
    least = float(np.min(fit.runs.numbers("loss")))
    for name in floors(fit.law):
        value = float(fit.theta[fit.law.parameter_names.index(name)])
        if value <= 0.0:
            message = f"The irreducible loss {name} is {format_number(value)}: no loss can be that low."
            yield Finding("misplaced-floor", "warn", message)
        elif value > least:
            given = f"{format_number(value, 4)}, and a run reached {format_number(least, 4)}"
            message = f"The irreducible loss {name} is {given}: the law levels off too early."
            yield Finding("misplaced-floor", "warn", message)


def floors(law: Law) -> tuple[str, ...]:
    """Parameters that are added to everything else in the formula, unchanged.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> floors(find("chinchilla"))
        ('E',)
    """
    graph = Graph()
    names = {name: graph.symbol(name) for name in (*law.input_names, *law.parameter_names)}
    output = graph.build(law.tree, names)
    one = graph.constant(1.0)
    return tuple(name for name in law.parameter_names if graph.derivative(output, name) == one)


def wrong_direction(evidence: Evidence) -> Iterator[Finding]:
    """A loss that rises with size, data or compute over most of the runs."""
    fit = evidence.fit
    if fit.law.output != "loss":
        return
    for item in fit.law.inputs:
        if item.column in _COUNTED and _rises(fit, evidence.data, item.name):
            message = f"By this fit the loss of most runs rises with {item.column}: the exponent has the wrong sign."
            yield Finding("wrong-sign", "warn", message)


def _rises(fit: Fit, data: dict[str, Array], letter: str) -> bool:
    columns = {item.column: data[item.name] for item in fit.law.inputs}
    column = next(item.column for item in fit.law.inputs if item.name == letter)
    with np.errstate(all="ignore"):
        here = predict(fit.law, fit.theta, columns)[0]
        more = predict(fit.law, fit.theta, {**columns, column: 1.1 * columns[column]})[0]
        return bool(np.mean(more > here * (1.0 + 1e-9)) > 0.5)


def _trade_off(evidence: Evidence) -> str:
    """The flattest direction in words, with the space before it; nothing where it cannot be told."""
    fit = evidence.fit
    jacobian = evidence.surface.linearise(evidence.coordinates(fit.theta), second=False).jacobian[0].T
    lengths = np.linalg.norm(jacobian, axis=0)
    alive = lengths > _MOVES_NOTHING * lengths.max(initial=0.0)
    if not np.all(np.isfinite(jacobian)) or not alive.any():
        return ""
    direction = np.linalg.svd(jacobian[:, alive] / lengths[alive], full_matrices=True)[2][-1]
    living = [name for name, lives in zip(fit.law.parameter_names, alive, strict=True) if lives]
    names = [name for name, share in zip(living, direction, strict=True) if abs(share) > _SHARE_OF_DIRECTION]
    return f" {_listed(names)} trade off." if len(names) > 1 else ""


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
