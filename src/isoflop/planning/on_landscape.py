"""A draft from the fit of a law: the request solved on its landscape, with what lies around the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.fit import Fit
from isoflop.forecasting.calibration import Calibration
from isoflop.forecasting.prediction import Forecast
from isoflop.laws.graph import Array
from isoflop.planning.allocation import Allocation, for_loss, for_training, spend_to_match
from isoflop.planning.data_limit import DataUse, RepeatedLandscape, data_use, published_decay
from isoflop.planning.draft import Candidate, Draft, spread
from isoflop.planning.landscape import UNIQUE, columns_of, decays_of, landscape_of, name_of
from isoflop.planning.outcome import forecast_runs
from isoflop.planning.plan import Regret
from isoflop.planning.request import Request, active_share, precision_share
from isoflop.planning.solution import Problem, Solution, problem_of, solve
from isoflop.quantities import format_count, format_number

SIZES = (0.25, 0.5, 0.71, 1.41, 2.0, 4.0)
BUDGETS = (0.25, 0.5, 2.0, 4.0)
_RATIO_BEYOND = 1.5  # tokens per parameter may leave the range of the fitted runs by this factor without a word


def draft_of(fit: Fit, request: Request, level: float) -> Draft:
    """The draft for a request: of all values given for other inputs of the law, those that do best."""
    solved = [(solve(problem_for(fit, request, others)), others) for others in request.choices()]
    best = min(range(len(solved)), key=lambda index: _rank(solved[index][0]))
    solution, others = solved[best]
    places = _around(solution, others)
    for index, (other, given) in enumerate(solved):
        if index != best:
            words = ", ".join(f"{name} {format_number(value)}" for name, value in given.items())
            places.append(_at(other.problem, other.allocation, words, given))
    return _draft(fit, solution, places, others, level)


def problem_for(fit: Fit, request: Request, others: Mapping[str, float]) -> Problem:
    """The problem of a request on the landscape of a fit, its other inputs being `others`."""
    fresh = land = landscape_of(fit, others)
    if request.unique_tokens is not None:
        if UNIQUE in columns_of(fit):
            land = landscape_of(fit, {**others, UNIQUE: request.unique_tokens})
        else:
            land = RepeatedLandscape(fresh, request.unique_tokens, published_decay())
    return problem_of(land, fresh, request, active_share(others), precision_share(others))


def _rank(solution: Solution) -> tuple[float, ...]:
    """Feasible before infeasible; then the least spend for a target loss, else the least loss."""
    problem = solution.problem
    loss = float(solution.allocation.loss[0, 0])
    infeasible = float(solution.infeasible is not None)
    if problem.request.target_loss is None:
        return (infeasible, loss)
    return (infeasible, float(problem.spend(solution.allocation)[0, 0]), loss)


@dataclass(frozen=True)
class _Place:
    """A run of a problem before its loss is known with an interval; `others` are further inputs of its law."""

    why: str
    problem: Problem
    others: Mapping[str, float]
    params: float
    tokens: float
    extra: float | None = None

    @property
    def losses(self) -> Array:
        """Loss (m,) by row of the landscape."""
        land = self.problem.land
        return land.losses(np.full((land.rows, 1), self.params), np.full((land.rows, 1), self.tokens))[:, 0]

    @property
    def compute(self) -> float:
        """Training FLOP."""
        return self.problem.terms.training * self.params * self.tokens

    def inputs(self, columns: tuple[str, ...]) -> dict[str, float]:
        """What a law of these columns is read at: size and data at what they are worth, and the rest."""
        land, size, data = self.problem.land, self.params, self.tokens
        if isinstance(land, RepeatedLandscape):
            worth = land.worth(np.full((land.rows, 1), size), np.full((land.rows, 1), data))
            size, data = (float(values[0, 0]) for values in worth)
        unlimited = self.problem.land is self.problem.fresh or self.problem.request.unique_tokens is None
        distinct = {UNIQUE: data if unlimited else self.problem.request.unique_tokens} if UNIQUE in columns else {}
        return {"params": size, "tokens": data, **self.others, **distinct}  # type: ignore[dict-item]


def _draft(fit: Fit, solution: Solution, places: list[_Place], others: Mapping[str, float], level: float) -> Draft:
    problem, found = solution.problem, solution.allocation
    params, tokens = found.params[:, 0], found.tokens[:, 0]
    plan = _Place("plan", problem, others, float(params[0]), float(tokens[0]))
    told = _forecast(fit, [plan], level)
    places = [place for place in places if math.isfinite(place.params * place.tokens)]
    around = _forecast(fit, places, level, told.calibration)
    candidates = tuple(
        Candidate(
            why=run.why,
            params=run.params,
            tokens=run.tokens,
            compute=run.compute,
            loss=point.loss,
            change=spread(run.losses - plan.losses, level),
            extra_compute=run.extra,
        )
        for run, point in zip(places, around.points, strict=True)
    )
    loss = told.points[0].loss
    findings = [*told.findings, *_data_findings(fit, problem), *_ratio_findings(fit, plan)]
    if solution.infeasible is not None:
        nearest = f"The nearest plan is {format_count(plan.params)} parameters on {format_count(plan.tokens)} tokens"
        message = f"{solution.infeasible.message} {nearest}, loss {format_number(loss.value, 4)}."
        findings.insert(0, replace(solution.infeasible, message=message))
    return Draft(
        law=name_of(fit),
        source=", ".join(fit.runs.source),
        counted=fit.runs.param_count,
        params=spread(params, level),
        tokens=spread(tokens, level),
        ratio=spread(tokens / params, level),
        loss=loss,
        compute=spread(problem.terms.training * params * tokens, level),
        binding=solution.binding,
        candidates=candidates,
        others=others,
        active=active_share(others),
        data=_data_use(fit, problem, plan),
        regret=_regret(problem, plan, level),
        unserved_lifetime=_unserved_lifetime(problem, plan),
        findings=tuple(findings),
    )


def _forecast(fit: Fit, runs: Sequence[_Place], level: float, calibration: Calibration | None = None) -> Forecast:
    """Losses of runs with their intervals."""
    read = [run.inputs(columns_of(fit)) for run in runs]
    columns = {name: [point[name] for point in read] for name in (read[0] if read else {})}
    return forecast_runs(fit, columns, level, calibration)


def losses_along(
    fit: Fit,
    problem: Problem,
    params: Sequence[float],
    tokens: Sequence[float],
    others: Mapping[str, float],
    level: float,
) -> Forecast:
    """Losses of runs of one problem with their intervals."""
    runs = [_Place("", problem, others, size, data) for size, data in zip(params, tokens, strict=True)]
    return _forecast(fit, runs, level)


def _around(solution: Solution, others: Mapping[str, float]) -> list[_Place]:
    """Other sizes for the same training, other budgets, and what the plan would be without what binds it."""
    problem, found = solution.problem, solution.allocation
    land, terms = problem.land, problem.terms
    params, tokens, loss = (float(values[0, 0]) for values in (found.params, found.tokens, found.loss))
    compute = terms.training * params * tokens
    places = []
    for factor in SIZES:
        size = factor * params
        data = min(compute / (terms.training * size), terms.most_tokens)
        same = for_loss(land, replace(terms, params=size, tokens=None, serving=0.0), loss).tokens[0, 0]
        extra = None if math.isnan(same) else float(terms.training * size * same / compute - 1.0)
        places.append(_Place(f"size ×{factor:g}", problem, others, size, data, extra))
    budget = float(problem.spend(found)[0, 0])
    if not (terms.params and terms.tokens):
        budgets = problem.at_budget(budget * np.array(BUDGETS))
        for index, factor in enumerate(BUDGETS):
            size, data = float(budgets.params[0, index]), float(budgets.tokens[0, index])
            places.append(_Place(f"budget ×{factor:g}", problem, others, size, data))
    return [*places, *_without(solution, others, budget)]


def _without(solution: Solution, others: Mapping[str, float], budget: float) -> list[_Place]:
    """The plan without what binds it: serving, a size limit, repeated tokens, a size or data that were given."""
    problem, request, places = solution.problem, solution.problem.request, []
    terms, land = problem.terms, problem.land
    params, tokens = (float(values[0, 0]) for values in (solution.allocation.params, solution.allocation.tokens))
    if terms.params or terms.tokens:
        free = replace(problem, terms=replace(terms, params=None, tokens=None))
        places.append(_at(free, free.at_budget(budget), "size and tokens free", others))
    elif terms.serving:
        plain = for_training(land, replace(terms, serving=0.0), terms.training * params * tokens)
        places.append(_at(problem, plain, "nothing to serve", others))
        same = for_loss(land, terms, float(plain.loss[0, 0]))
        if not math.isnan(same.params[0, 0]):
            places.append(_at(problem, same, "loss of that, cheapest in all", others))
    if params >= terms.most_params * 0.999 and not terms.params:
        free = replace(problem, terms=replace(terms, most_params=math.inf))
        places.append(_at(free, free.at_budget(budget), f"without {problem.size_limit}", others))
    if request.unique_tokens is not None and tokens > request.unique_tokens:
        fresh = replace(problem, land=problem.fresh, terms=replace(terms, most_tokens=math.inf))
        places.append(_at(fresh, fresh.at_budget(budget), "fresh tokens alone", others))
    return places


def _at(problem: Problem, found: Allocation, why: str, others: Mapping[str, float]) -> _Place:
    """The point estimate's optimum as a run."""
    return _Place(why, problem, others, float(found.params[0, 0]), float(found.tokens[0, 0]))


def _regret(problem: Problem, plan: _Place, level: float) -> Regret | None:
    """How much of the spend the best plan of each draw would save at the loss that this plan reaches by that draw."""
    terms = problem.terms
    if problem.land.rows < 3 or terms.params or terms.tokens:
        return None
    spend = float(terms.spend(np.array(plan.params), np.array(plan.tokens)))
    needed = spend_to_match(problem.land, terms, plan.losses[:, None], spend)[1:, 0]
    saved = np.clip(1.0 - needed / spend, 0.0, 1.0)
    return Regret(float(np.median(saved)), float(np.quantile(saved, level)))


def _unserved_lifetime(problem: Problem, plan: _Place) -> float | None:
    """What training and serving take for the compute-optimal plan of the same loss."""
    terms = problem.terms
    if not terms.serving:
        return None
    plain = for_loss(problem.land, replace(terms, serving=0.0), float(plan.losses[0]))
    spend = float(terms.spend(plain.params, plain.tokens)[0, 0])
    return None if math.isnan(spend) else spend


def _data_use(fit: Fit, problem: Problem, plan: _Place) -> DataUse | None:
    unique = problem.request.unique_tokens
    if unique is None:
        return None
    return data_use(
        problem.land, problem.terms, plan.params, plan.tokens, unique, decays_of(fit).get("R_D", published_decay().data)
    )


def _data_findings(fit: Fit, problem: Problem) -> list[Finding]:
    if problem.request.unique_tokens is None or UNIQUE in columns_of(fit):
        return []
    decay = published_decay()
    message = (
        f"The law knows no repeated data: what they are worth is that of Muennighoff et al. on C4 (R_D "
        f"{format_number(decay.data)}, R_N {format_number(decay.params)}), without an interval."
    )
    return [Finding("repetition-assumed", "note", message)]


def _ratio_findings(fit: Fit, plan: _Place) -> list[Finding]:
    """A law fitted within a range of tokens per parameter is not tested outside it ([sardana2024])."""
    runs = fit.runs
    if not (len(runs) and runs.has("params") and runs.has("tokens")):
        return []
    ratios = np.asarray(runs["tokens"], dtype=float) / np.asarray(runs["params"], dtype=float)
    low, high, ratio = float(np.nanmin(ratios)), float(np.nanmax(ratios)), plan.tokens / plan.params
    if low / _RATIO_BEYOND <= ratio <= high * _RATIO_BEYOND:
        return []
    message = (
        f"The plan has {format_number(ratio)} tokens for each parameter, the fitted runs {format_number(low)} to "
        f"{format_number(high)}: nothing in the data tests the law there."
    )
    return [Finding("ratio-outside-data", "warn", message)]
