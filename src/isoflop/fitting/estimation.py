"""The front door: `fit(law, runs)` → Fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from isoflop.errors import UsageError
from isoflop.findings import by_weight
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.diagnostics import examine
from isoflop.fitting.fit import Fit
from isoflop.fitting.objective import Objective, parse_objective
from isoflop.fitting.single import Settings, fit_law
from isoflop.fitting.solver import DEFAULT_EFFORT, Effort
from isoflop.fitting.stacking import AUTO, candidates, fit_auto, hold_contest, roll
from isoflop.laws.catalogue import find
from isoflop.laws.formula import law_for_columns
from isoflop.laws.law import Law
from isoflop.readers.read import read_runs
from isoflop.runs.checks.examination import carried
from isoflop.runs.table import RunTable


def fit(
    law: Law | str,
    runs: RunTable | Any,
    *,
    objective: Objective | str = "huber:1e-3",
    draws: int = 1000,
    level: float = 0.9,
    cluster: str = "auto",
    intervals: str = "auto",
    starts: str = "default",
    weights: str | None = None,
    where: str | None = None,
    x: Sequence[str] = (),
    y: str | None = None,
    seed: int = 0,
    effort: Effort = DEFAULT_EFFORT,
) -> Fit:
    """Fit a law to runs: the optimum with its certificate, and an ensemble of draws for its uncertainty.

        θ̂ = argmin_θ Σ_i ρ(log L̂(x_i; θ) - log L_i)

    Args:
        law: a law, the name of one in the catalogue, or a formula such as `"E + A/N^alpha"`; `"auto"` lets several
            laws compete in forecasting the larger runs from the smaller, and combines the better ones.
        runs: the table, or anything `read_runs` reads; its columns named by the law's inputs and output are used.
        objective: `huber:δ`, `lad` or `ls`, on log-loss unless `@value` is added; `~0.9` favours the best runs.
        draws: how many draws the intervals rest on; 0 for none.
        level: nominal coverage of the intervals.
        cluster: a column whose equal values are resampled together, `none`, or `auto` (runs, else sizes within 1 %).
        intervals: how the draws come about, one of `isoflop.fitting.uncertainty.METHODS`; `auto` suits the study.
        starts: `default` (16 by variable projection and 128 diverse), `projected` (the 16 alone), `hoffmann4500`.
        weights: a column that says how much each row counts, scaled to a mean of 1.
        where: a condition such as `params > 1e7`; the rows that fulfil it are used.
        x: columns the law's inputs are read from, in their order; of a formula, the names that are inputs.
        y: the column that the law predicts, if not the loss.
        seed: of everything random.
        effort: bounds on the solver's steps.

    Raises:
        InputError: a needed column is missing or not positive where logarithms are taken.
        Refusal: fewer runs than parameters, or nothing that varies.

    Reference: hoffmann2022, besiroglu2024

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> fitted = fit("chinchilla", example_runs(), where="held_out == 0", draws=50)
        >>> fitted.status.value
        'converged'
    """
    objective = parse_objective(objective) if isinstance(objective, str) else objective
    runs = table_of(runs, where, y or "loss")
    if draws < 0 or draws == 1:
        raise UsageError(f"draws={draws} must be 0, for no intervals, or 2 and more: use 1000.")
    settings = Settings(objective, draws, level, cluster, intervals, starts, weights, seed, effort)
    if law == AUTO:
        fitted = fit_auto(hold_contest(candidates(runs, x, y), runs, settings), runs, settings)
    else:
        fitted = fit_law(choose_law(law, runs, objective, x, y), runs, settings)
        if draws and fitted.status is not FitStatus.NOT_STATIONARY:
            fitted = replace(fitted, rolling=roll(fitted, settings))
    return replace(fitted, findings=by_weight((*carried(fitted.runs), *examine(fitted, draws))))


def choose_law(law: Law | str, runs: RunTable, objective: Objective, x: Sequence[str], y: str | None) -> Law:
    """The law meant by a law, a name or a formula, reading its inputs from `x` and predicting `y`."""
    if isinstance(law, str) and any(sign in law for sign in "+*/^("):
        return law_for_columns(law, list(runs.columns), x, y, positive=objective.on == "log-loss")
    law = find(law) if isinstance(law, str) else law
    if x and len(x) != len(law.inputs):
        raise UsageError(f"x={', '.join(x)}: law {law.name} takes {len(law.inputs)} inputs ({', '.join(law.columns)}).")
    inputs = (
        tuple(replace(item, column=column) for item, column in zip(law.inputs, x, strict=True)) if x else law.inputs
    )
    return replace(law, inputs=inputs, output=y or law.output)


def table_of(runs: RunTable | Any, where: str | None = None, y: str = "loss") -> RunTable:
    """`runs` as a table: one that is a table is taken as it is, anything else is read and checked."""
    return runs if isinstance(runs, RunTable) and where is None else read_runs(runs, where=where, y=y)
