"""From a request to size and data: which constraint binds, and where the request cannot be met, what comes nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import UsageError
from isoflop.findings import Finding
from isoflop.laws.graph import Array
from isoflop.planning.allocation import Allocation, Terms, for_loss, for_params, for_spend, for_tokens, for_training
from isoflop.planning.landscape import Landscape
from isoflop.planning.request import Request
from isoflop.quantities import format_count, format_flops, format_number

LARGEST_FORESEEN = 2e29
"""FLOP of the largest run thought feasible by 2030 (Epoch AI, Can AI scaling continue through 2030, 2024-08-20)."""

_TIGHT = 1e-3  # relative distance at which a limit counts as reached


@dataclass(frozen=True)
class Problem:
    """A request on a landscape.

    `size_limit` names what keeps the size below `terms.most_params`; `fresh` is the landscape with unlimited data.
    """

    land: Landscape
    fresh: Landscape
    terms: Terms
    request: Request
    size_limit: str = "max_params"

    def at_budget(self, flops: Array | float) -> Allocation:
        """The best for a budget or several (p,), of training or of the whole life as the request says."""
        if self.request.covers == "lifetime":
            return for_spend(self.land, self.terms, flops)
        return for_training(self.land, self.terms, flops)

    def spend(self, found: Allocation) -> Array:
        """What the budget pays for, in FLOP."""
        if self.request.covers == "lifetime":
            return self.terms.spend(found.params, found.tokens)
        return np.asarray(self.terms.training * found.params * found.tokens)

    def without_limits(self) -> Problem:
        """The same with size and data free."""
        terms = replace(self.terms, most_params=math.inf, most_tokens=math.inf, params=None, tokens=None)
        request = replace(self.request, params=None, tokens=None, unique_tokens=None, max_epochs=None)
        return replace(self, land=self.fresh, terms=terms, request=request)


@dataclass(frozen=True)
class Solution:
    """Size, data and loss (m, 1) of a problem, what binds in words, and a finding where the request could not be met.

    `problem` is the one that was solved in the end: of an infeasible request, the nearest that is not.
    """

    problem: Problem
    allocation: Allocation
    binding: tuple[str, ...]
    infeasible: Finding | None = None


def problem_of(
    land: Landscape, fresh: Landscape, request: Request, active: float = 1.0, precision: float = 1.0
) -> Problem:
    """The problem of a request where a token passes through the share `active` of all parameters."""
    limits = request.serving.size_limits(active)
    if request.max_params is not None:
        limits["max_params"] = request.max_params
    terms = Terms(
        training=FLOP_PER_PARAMETER_AND_TOKEN * active * precision,
        serving=request.serving.flops_per_param(active),
        most_params=min(limits.values(), default=math.inf),
        most_tokens=request.most_tokens,
        params=request.params,
        tokens=request.tokens,
    )
    return Problem(land, fresh, terms, request, min(limits, key=lambda name: limits[name], default="max_params"))


def solve(problem: Problem) -> Solution:
    """Size and data for the request, or the nearest that can be had."""
    request = problem.request
    broken = _within_limits(problem)
    if broken is not None:
        nearest = solve(broken[0])
        return replace(nearest, infeasible=nearest.infeasible or broken[1])
    if request.params is not None and request.tokens is not None:
        return _both_fixed(problem, request.params, request.tokens)
    if request.target_loss is not None:
        return _for_target(problem, request.target_loss)
    if request.budget is not None:
        return _for_budget(problem)
    return _optimal_for(problem)


def _for_budget(problem: Problem) -> Solution:
    budget = problem.request.budget
    assert budget is not None
    found = problem.at_budget(budget.flops)
    if math.isnan(found.params[0, 0]):
        raise UsageError(f"{budget.option}: {budget.words} leave nothing to train with under these limits.")
    spent = problem.spend(found)[0, 0] >= budget.flops * (1.0 - _TIGHT)
    words = (f"{budget.option}: {budget.words}",) if spent else ()
    return Solution(problem, found, (*words, *_reached(problem, found)))


def _optimal_for(problem: Problem) -> Solution:
    """The point of the path at which the size, or the data, that was given is optimal."""
    request, land = problem.request, problem.land
    terms = replace(problem.terms, params=None, tokens=None)
    free = replace(problem, terms=terms, request=replace(request, params=None, tokens=None))
    if request.params is not None:
        name, found = "params", for_params(land, terms, request.params)
    else:
        assert request.tokens is not None
        name, found = "tokens", for_tokens(land, terms, request.tokens)
    binding = (f"{name}: the spend is the one for which they are optimal",)
    if not math.isnan(found.params[0, 0]):
        return Solution(free, found, binding)
    asked = format_count(getattr(request, name))
    cause = f"{name}={asked} are optimal at no spend up to 1e45 FLOP under these limits: give a budget as well"
    return Solution(free, for_training(land, terms, LARGEST_FORESEEN), binding, _infeasible(cause))


def _both_fixed(problem: Problem, params: float, tokens: float) -> Solution:
    request, land = problem.request, problem.land
    size, data = (np.full((land.rows, 1), value) for value in (params, tokens))
    found = Allocation(size, data, land.losses(size, data))
    binding = ("params and tokens, both given",)
    spend = float(problem.spend(found)[0, 0])
    if request.budget is not None and spend > request.budget.flops * (1.0 + _TIGHT):
        less = replace(problem, terms=replace(problem.terms, tokens=None), request=replace(request, tokens=None))
        nearest = less.at_budget(request.budget.flops)
        return Solution(less, nearest, (request.budget.option,), _over_budget(request, spend))
    loss = float(found.loss[0, 0])
    if request.target_loss is not None and loss > request.target_loss:
        reached, wanted = format_number(loss, 4), format_number(request.target_loss, 4)
        return Solution(
            problem, found, binding, _infeasible(f"params and tokens bind: they reach {reached}, not {wanted}")
        )
    return Solution(problem, found, binding)


def _for_target(problem: Problem, target: float) -> Solution:
    """The cheapest plan that reaches a loss, if the budget allows it."""
    found, budget = for_loss(problem.land, problem.terms, target), problem.request.budget
    if math.isnan(found.loss[0, 0]):
        return _out_of_reach(problem, target)
    spend = float(problem.spend(found)[0, 0])
    if budget is None or spend <= budget.flops * (1.0 + _TIGHT):
        return Solution(problem, found, (f"target_loss: {format_number(target, 4)}", *_reached(problem, found)))
    nearest = problem.at_budget(budget.flops)
    return Solution(problem, nearest, (budget.option,), _over_budget(problem.request, spend))


def _out_of_reach(problem: Problem, target: float) -> Solution:
    """The target loss is below what the limits, or the law itself, allow."""
    lowest = for_training(problem.land, problem.terms, LARGEST_FORESEEN)
    wanted, reached = format_number(target, 4), format_number(float(lowest.loss[0, 0]), 4)
    free = problem.without_limits()
    without = for_loss(free.land, free.terms, target)
    if math.isnan(without.loss[0, 0]):
        cause = f"this law never reaches a loss of {wanted}: {format_flops(LARGEST_FORESEEN)} reach {reached}"
        return Solution(problem, lowest, ("floor of the law",), _infeasible(cause))
    names = _limit_names(problem)
    cause = (
        f"with {' and '.join(names)} as given, even {format_flops(LARGEST_FORESEEN)} reach a loss of {reached}, not "
        f"{wanted}; the nearest plan does without that"
    )
    return Solution(free, without, tuple(names), _infeasible(cause))


def _within_limits(problem: Problem) -> tuple[Problem, Finding] | None:
    """The problem with a given size or data cut to their limit, and what was wrong; None where all is well."""
    terms, request = problem.terms, problem.request
    if terms.params is not None and terms.params > terms.most_params * (1.0 + _TIGHT):
        asked, most = format_count(terms.params), terms.most_params
        finding = _infeasible(f"{problem.size_limit} binds: it allows {format_count(most)} parameters, not {asked}")
        cut = replace(problem, terms=replace(terms, params=most), request=replace(request, params=most))
        return cut, finding
    if terms.tokens is not None and terms.tokens > terms.most_tokens * (1.0 + _TIGHT):
        asked, most = format_count(terms.tokens), terms.most_tokens
        finding = _infeasible(f"max_epochs binds: the distinct tokens allow {format_count(most)} tokens, not {asked}")
        cut = replace(problem, terms=replace(terms, tokens=most), request=replace(request, tokens=most))
        return cut, finding
    return None


def _reached(problem: Problem, found: Allocation) -> tuple[str, ...]:
    """The limits that the allocation touches, in words."""
    terms, request = problem.terms, problem.request
    size, data = float(found.params[0, 0]), float(found.tokens[0, 0])
    touched = []
    if size >= terms.most_params * (1.0 - _TIGHT):
        touched.append(f"{problem.size_limit}: at most {format_count(terms.most_params)} parameters")
    if data >= terms.most_tokens * (1.0 - _TIGHT):
        touched.append(f"max_epochs: at most {format_count(terms.most_tokens)} tokens")
    elif request.unique_tokens is not None and data > request.unique_tokens:
        epochs = format_number(data / request.unique_tokens)
        touched.append(f"unique_tokens: {epochs} epochs of {format_count(request.unique_tokens)}")
    touched += [f"{name}, given" for name in ("params", "tokens") if getattr(request, name) is not None]
    return tuple(touched)


def _limit_names(problem: Problem) -> list[str]:
    """The options that keep size and data small."""
    terms, request = problem.terms, problem.request
    names = [problem.size_limit] if math.isfinite(terms.most_params) else []
    if request.unique_tokens is not None:
        names.append("unique_tokens" if request.max_epochs is None else "max_epochs")
    names += [name for name in ("params", "tokens") if getattr(request, name) is not None]
    return names or ["the limits"]


def _over_budget(request: Request, spend: float) -> Finding:
    assert request.budget is not None
    given = format_flops(request.budget.flops)
    return _infeasible(
        f"{request.budget.option} binds: {request.budget.words} give {given}, and what is asked for takes "
        f"{format_flops(spend)}"
    )


def _infeasible(cause: str) -> Finding:
    return Finding("infeasible", "refuse", f"This cannot be had: {cause}.")
