"""The front door of ladder design: which small runs make the forecast of a large one as sure as it can be.

The runs are those of least variance of the forecast at the target for their cost (c-optimal), by the information of a
law at a prior fit, in the mean over what the truth may be: draws of that fit, or other published constants of the law.
The two usual ladders of the same cost stand beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.accounting.flops import six_nd
from isoflop.accounting.utilization import SECONDS_PER_HOUR
from isoflop.errors import UsageError
from isoflop.findings import Finding, by_weight
from isoflop.fitting.fit import Fit
from isoflop.forecasting.calibration import calibrate
from isoflop.laws.frontier import has_frontier
from isoflop.laws.graph import Array
from isoflop.laws.published import published_for
from isoflop.planning.allocation import Terms, for_spend
from isoflop.planning.budget import Machine
from isoflop.planning.design import Comparison, Design, DesignedRun, Step
from isoflop.planning.exchange import Choice, Chosen, best_design
from isoflop.planning.information import Scenarios, forecast_variance, information
from isoflop.planning.ladders import Limits, Runs, candidates, fixed_ratio_ladder, isoflop_grids
from isoflop.planning.landscape import LawLandscape
from isoflop.planning.request import Given, quantity
from isoflop.planning.shape import nearest_shape
from isoflop.planning.source import source_of
from isoflop.quantities import ParamCount, format_count, format_duration, format_number
from isoflop.readers.read import read_runs
from isoflop.runs.compute import compute_of, has_compute
from isoflop.runs.table import RunTable

DEFAULT_NOISE = 0.005
"""Relative noise of the loss of one run where no fit says it: seeds move it by 0.2 to 1 %."""

DEFAULT_RUNS, DEFAULT_SEEDS = 25, 3
DEFAULT_RATIO = (1.0, 500.0)
_SMALLEST = 3000.0  # the budget over the smallest run
_LARGEST = 0.5  # share of the budget that one run may take
_SCENARIOS = 10
_STARTS = 3
_BUDGETS = (0.5, 2.0, 4.0)
_TOO_FAR = 2.5  # decades of compute beyond the largest run: there a forecast is refused


@dataclass(frozen=True)
class Equipment:
    """What a ladder is trained on: a machine, how long in all and how long for one run, in seconds; and its shapes.

    Shapes are given for a vocabulary and a context, where both are known.
    """

    machine: Machine | None = None
    time: float | None = None
    longest: float | None = None
    vocab: int | None = None
    context: int | None = None

    def budget(self, given: float | None) -> float:
        """The FLOP of all runs: what was given, or what the machine does in its time, whichever is less."""
        of_time = self._flops(self.time, "time")
        if given is None and of_time is None:
            raise UsageError(
                "budget is missing: give the compute of all runs together, such as 3e19, or gpus with time."
            )
        return min(value for value in (given, of_time) if value is not None)

    @property
    def longest_run(self) -> float:
        """The FLOP of the longest run."""
        found = self._flops(self.longest, "longest")
        return math.inf if found is None else found

    def equipped(self, run: DesignedRun, counted: ParamCount) -> DesignedRun:
        """A run with its device hours and its shape."""
        hours = None if self.machine is None else self.machine.hours(run.compute)
        if self.vocab is None or self.context is None:
            return replace(run, gpu_hours=hours)
        shape = nearest_shape(run.params, vocab=self.vocab, context=self.context, counted=counted)
        return replace(run, gpu_hours=hours, shape=shape)

    def _flops(self, seconds: float | None, name: str) -> float | None:
        if seconds is None:
            return None
        if self.machine is None or self.machine.count is None:
            raise UsageError(
                f"{name}={format_duration(seconds)!r} needs a number of devices: give gpus, such as 8xh100."
            )
        return self.machine.flops(self.machine.count * seconds / SECONDS_PER_HOUR)


@dataclass(frozen=True)
class _Task:
    """What a design is for: scenarios of the truth, the target (s,) in each, the noise, and runs in hand."""

    scenarios: Scenarios
    params: Array
    tokens: Array
    noise: float
    given: Runs

    @property
    def target(self) -> Array:
        """Gradients (s, k) at the target."""
        return self.scenarios.gradients_each(self.params, self.tokens)

    @property
    def known(self) -> Array:
        """Information (s, k, k) of the runs in hand."""
        return information(self.scenarios.gradients(self.given.params, self.given.tokens), self.noise)

    def deviation(self, runs: Runs) -> Array:
        """Standard deviation (s,) of the forecast log-loss from these runs and those in hand."""
        both = Runs(
            *(np.concatenate([one, other]) for one, other in zip(_columns(self.given), _columns(runs), strict=True))
        )
        return np.sqrt(
            forecast_variance(information(self.scenarios.gradients(*_columns(both)), self.noise), self.target)
        )


def design(
    fit: Fit | str | Path,
    *,
    budget: Given = None,
    target: Given = None,
    target_params: Given = None,
    target_tokens: Given = None,
    given: RunTable | Any = None,
    runs: int = DEFAULT_RUNS,
    seeds: int = DEFAULT_SEEDS,
    smallest: Given = None,
    largest: Given = None,
    ratio: tuple[float, float] = DEFAULT_RATIO,
    min_params: Given = None,
    max_params: Given = None,
    batch_tokens: Given = None,
    noise: float | None = None,
    equipment: Equipment | None = None,
    level: float | None = None,
    seed: int = 0,
) -> Design:
    """The ladder of runs, within a budget, that best pins down the forecast at a target.

        minimise  mean_s log cᵀ M_s⁻¹ c   over runs (N, D)   subject to   Σ 6·N·D ≤ budget and the limits

    Args:
        fit: the prior: a fit of a law of size and data, the path of a saved one, or `published:NAME`.
        budget: training FLOP of all runs together.
        target: compute to forecast at, spent in the optimal way.
        target_params: size to forecast at, with `target_tokens`, instead of `target`.
        target_tokens: data to forecast at.
        given: runs in hand (a table, or anything `read_runs` reads): the design adds to what they tell.
        runs: how many runs at most, seeds counted.
        seeds: how many seeds of one configuration at most.
        smallest: least compute of a run, a 3,000th of the budget unless given.
        largest: most compute of a run, half of the budget unless given.
        ratio: tokens for each parameter that runs may have.
        min_params: smallest size of a run.
        max_params: largest size of a run.
        batch_tokens: tokens of a step; runs are whole steps.
        noise: relative noise of one run, that of the fit's residuals unless given.
        equipment: what is trained on, for how long, and what shapes look like; its time is a budget too.
        level: nominal coverage of the expected interval; that of the fit unless given.
        seed: of the starts of the search.

    Raises:
        UsageError: a quantity that cannot be, limits that allow no run, or a law that is not one of size and data.

    Reference: pronzato2013

    Example:
        >>> found = design("published:besiroglu2024", budget="3e19", target="1e22", runs=12)
        >>> found.deviation < 0.5 * found.comparisons[0].deviation or len(found.runs) <= 12
        True
    """
    prior, equipment = _prior(fit), equipment or Equipment()
    total = equipment.budget(quantity(budget, "compute", "budget"))
    largest_run = quantity(largest, "compute", "largest") or total * _LARGEST
    limits = Limits(
        runs=runs,
        seeds=seeds,
        smallest=quantity(smallest, "compute", "smallest") or total / _SMALLEST,
        largest=min(largest_run, equipment.longest_run),
        ratio=ratio,
        params=(
            quantity(min_params, "count", "min_params") or 0.0,
            quantity(max_params, "count", "max_params") or math.inf,
        ),
        batch_tokens=_whole(quantity(batch_tokens, "tokens", "batch_tokens")),
    )
    at = (quantity(target, "compute", "target"), quantity(target_params, "count", "target_params"))
    task = _task(prior, (*at, quantity(target_tokens, "tokens", "target_tokens")), given, noise)
    found = _designed(prior, task, limits, total, prior.level if level is None else level, seed)
    return replace(found, runs=tuple(equipment.equipped(run, prior.runs.param_count) for run in found.runs))


def scenarios_of(fit: Fit) -> Scenarios:
    """What the truth may be: the fit and some of its draws, or published constants and the others of their law.

    Example:
        >>> from isoflop.fitting.published_fit import fit_from
        >>> len(scenarios_of(fit_from("published:besiroglu2024")).theta)
        5
    """
    draws = fit.ensemble.draws
    if len(draws) > 1:
        step = max(1, len(draws) // _SCENARIOS)
        return Scenarios(fit.law, np.concatenate([fit.theta[None], draws[::step][:_SCENARIOS]]))
    count = fit.runs.param_count
    others = [item.theta for item in published_for(fit.law) if item.param_count == count != "unspecified"]
    rows = np.array([fit.theta.tolist(), *others])
    _, first = np.unique(rows, axis=0, return_index=True)
    return Scenarios(fit.law, rows[np.sort(first)])


def _prior(fit: Fit | str | Path) -> Fit:
    found = source_of(fit)
    if not isinstance(found, Fit) or not has_frontier(found.law):
        raise UsageError(
            f"{found.law if not isinstance(found, Fit) else found.law.name}: a design needs a law of params "
            "and tokens alone, such as chinchilla."
        )
    return _one_law(found)


def _one_law(fit: Fit) -> Fit:
    """Of a stacked fit the law with most weight, with the draws that are its own: information is that of one law."""
    if not fit.members:
        return fit
    part = max(fit.parts, key=lambda item: item.weight)
    return replace(fit, law=part.law, theta=part.theta, ensemble=part.ensemble, members=())


def _task(
    prior: Fit, target: tuple[float | None, float | None, float | None], given: RunTable | Any, noise: float | None
) -> _Task:
    scenarios = scenarios_of(prior)
    compute, params, tokens = target
    if (compute is None) == (params is None) or (params is None) != (tokens is None):
        raise UsageError("target: give the compute to forecast at, or target_params with target_tokens.")
    count = len(scenarios.theta)
    if compute is not None:
        best = for_spend(LawLandscape(scenarios.law, scenarios.theta), Terms(), compute)
        sizes, data = best.params[:, 0], best.tokens[:, 0]
    else:
        sizes, data = np.full(count, params), np.full(count, tokens)
    if noise is not None and not 0.0 < noise < 1.0:
        raise UsageError(f"noise={noise!r} must be the relative noise of a run, above 0 and below 1, such as 0.005.")
    return _Task(scenarios, sizes, data, noise or noise_of(prior), _in_hand(given))


def noise_of(fit: Fit) -> float:
    """Relative noise of one run: the spread of the residuals, DEFAULT_NOISE where there are none."""
    count, spare = len(fit.residuals), len(fit.residuals) - len(fit.theta)
    if not len(fit.runs) or spare < 1 or fit.objective.on != "log-loss":
        return DEFAULT_NOISE
    # The middle half of the residuals: a few runs that went wrong are no noise.
    low, high = np.quantile(fit.residuals, [0.25, 0.75])
    return max(float(high - low) / 1.349 * math.sqrt(count / spare), 1e-5)


def _in_hand(given: RunTable | Any) -> Runs:
    if given is None:
        return Runs(np.empty(0), np.empty(0))
    table = given if isinstance(given, RunTable) else read_runs(given)
    return Runs(np.asarray(table["params"], dtype=float), np.asarray(table.tokens(), dtype=float))


def _designed(prior: Fit, task: _Task, limits: Limits, budget: float, level: float, seed: int) -> Design:
    usual = _usual(task, limits, budget)
    chosen = _search(task, limits, budget, seed, [comparison[1] for comparison in usual])
    runs = _grouped(chosen)
    deviation = task.deviation(chosen)
    loss = float(
        LawLandscape(task.scenarios.law, task.scenarios.theta[:1]).losses(task.params[:1, None], task.tokens[:1, None])[
            0, 0
        ]
    )
    steps = []
    for factor in _BUDGETS:
        # The smallest run stays: what a larger budget offers, it offers beside all that there was.
        scaled = replace(limits, largest=limits.largest * factor)
        more = _search(task, scaled, budget * factor, seed, [chosen])
        steps.append(Step(factor, budget * factor, float(task.deviation(more)[0])))
    return Design(
        law=prior.law.name,
        source=", ".join(prior.runs.source),
        level=level,
        budget=budget,
        spent=float(chosen.cost.sum()),
        target_params=float(task.params[0]),
        target_tokens=float(task.tokens[0]),
        target_loss=loss,
        noise=task.noise,
        runs=runs,
        deviation=float(deviation[0]),
        worst_deviation=float(deviation.max()),
        comparisons=tuple(
            Comparison(name, len(ladder.params), float(ladder.cost.sum()), float(task.deviation(ladder)[0]))
            for name, ladder in usual
        ),
        steps=tuple(steps),
        scenarios=len(task.scenarios.theta),
        given=len(task.given.params),
        given_deviation=float(task.deviation(_none())[0]) if len(task.given.params) else None,
        findings=by_weight(
            [
                *_notes(prior, task, limits),
                *_too_few(task, runs),
                *(finding for finding in prior.findings if finding.severity == "refuse"),
            ]
        ),
    )


def _usual(task: _Task, limits: Limits, budget: float) -> list[tuple[str, Runs]]:
    """The best isoFLOP grid within the limits, and the ladder of 20 tokens for each parameter."""
    grids = isoflop_grids(task.scenarios, limits, budget)
    found = []
    if grids:
        best = min(grids, key=lambda grid: float(np.mean(np.log(task.deviation(grid)))))
        found.append(("best isoFLOP grid", best))
    return [*found, ("20 tokens for each parameter", fixed_ratio_ladder(limits, budget))]


def _search(task: _Task, limits: Limits, budget: float, seed: int, starts: Sequence[Runs]) -> Runs:
    """The best design from all that the limits allow."""
    generator = np.random.default_rng(seed)
    pool = candidates(limits)
    begun = [_nearest(pool, start) for start in starts]
    for _ in range(_STARTS):
        chosen = np.zeros(len(pool.params), dtype=np.int64)
        chosen[generator.choice(len(chosen), min(len(chosen), max(limits.runs // 3, 1)), replace=False)] = 1
        begun.append(chosen)
    chosen = best_design(_choice(task, pool, limits, budget), begun)
    return Runs(np.repeat(pool.params, chosen), np.repeat(pool.tokens, chosen))


def _choice(task: _Task, pool: Runs, limits: Limits, budget: float) -> Choice:
    return Choice(
        gradients=task.scenarios.gradients(pool.params, pool.tokens),
        cost=pool.cost,
        target=task.target,
        given=task.known,
        noise=task.noise,
        budget=budget,
        most_runs=limits.runs,
        most_seeds=limits.seeds,
    )


def _nearest(pool: Runs, runs: Runs) -> Chosen:
    """How often each of a pool is the nearest to one of the runs, in logarithms."""
    chosen = np.zeros(len(pool.params), dtype=np.int64)
    for params, tokens in zip(*_columns(runs), strict=True):
        away = np.log(pool.params / params) ** 2 + np.log(pool.tokens / tokens) ** 2
        chosen[int(np.argmin(away))] += 1
    return chosen


def _grouped(runs: Runs) -> tuple[DesignedRun, ...]:
    """Runs of one configuration as one row with its seeds, the cheapest first."""
    pairs, counts = np.unique(np.stack(_columns(runs)), axis=1, return_counts=True)
    rows = [
        DesignedRun(float(params), float(tokens), int(count))
        for params, tokens, count in zip(*pairs, counts, strict=True)
    ]
    return tuple(sorted(rows, key=lambda run: run.compute))


def _columns(runs: Runs) -> tuple[Array, Array]:
    return runs.params, runs.tokens


def _none() -> Runs:
    return Runs(np.empty(0), np.empty(0))


def _notes(prior: Fit, task: _Task, limits: Limits) -> list[Finding]:
    notes = []
    if not len(prior.runs):
        message = (
            f"The prior is {prior.law.name} with constants of the literature, and a run's noise is taken as "
            f"{format_number(100 * task.noise)} %: --noise gives another; a fit of your own runs is a better prior."
        )
        notes.append(Finding("published-prior", "note", message))
    notes += _bend(prior, task)
    largest = max(limits.largest, float(np.max(task.given.cost, initial=0.0)))
    reach = float(six_nd(task.params[0], task.tokens[0]) / largest)
    if reach < 1.0:
        message = "The target takes less compute than the largest run of the ladder: train it, and nothing is forecast."
        notes.append(Finding("target-inside", "warn", message))
    if reach > 10**_TOO_FAR:
        message = (
            f"The target has {format_count(reach)} times the compute of the largest run: the interval holds if the law "
            "does, which no run tests that far, so isoflop forecast will ask for --force."
        )
        notes.append(Finding("far-target", "warn", message))
    return notes


def _too_few(task: _Task, runs: tuple[DesignedRun, ...]) -> list[Finding]:
    """A refusal where configurations are fewer than parameters, as a fit of them would be refused."""
    configurations, parameters = len(runs) + len(task.given.params), len(task.scenarios.law.parameters)
    if configurations >= parameters:
        return []
    message = (
        f"{configurations} configurations cannot determine the {parameters} parameters of {task.scenarios.law.name}: "
        "allow more runs."
    )
    return [Finding("few-runs", "refuse", message)]


def _bend(prior: Fit, task: _Task) -> list[Finding]:
    """What the back-test of the prior's own runs says of the law, which no design can better."""
    if not len(prior.runs) or not has_compute(prior.runs):
        return []
    error = calibrate(prior).error_per_decade
    beyond = math.log10(six_nd(task.params[0], task.tokens[0]) / float(compute_of(prior.runs).max()))
    if error is None or beyond <= 0.0 or error * beyond < 2.0 * task.noise:
        return []
    message = (
        f"Forecasts from the runs of the prior missed hidden ones by up to {error:.1%} per decade of compute, and the "
        f"target is {beyond:.1f} decades beyond them: the law bends, and the interval here takes it at its word."
    )
    return [Finding("law-bends", "warn", message)]


def _whole(value: float | None) -> int | None:
    if value is None:
        return None
    if value != int(value) or value < 1:
        raise UsageError(f"batch_tokens={value:g} must be a whole number of tokens.")
    return int(value)
