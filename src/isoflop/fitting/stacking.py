"""`auto`: several laws compete in forecasting the larger runs of a study from its smaller ones, and share the forecast.

    s_m = mean over cuts of the mean |error| of law m on the hidden rows        (rolling origin)
    w_m ∝ 1/(s_m + ε)²                                                          (Bates and Granger's weights)

A single winner would throw away that several laws are about as good and err in different directions; a plain mean would
keep those that do not hold. The laws and the two constants are the same for every study; what else was tried, and what
they give on public ladders, is in `docs/reference/backtests.md`.

Reference: bates1969, tashman2000
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isoflop.errors import IsoflopError, Refusal, UsageError
from isoflop.fitting.binding import residuals_of, weights_of
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.fit import Contestant, Ensemble, Fit, MemberFit
from isoflop.fitting.forecasts import Rolling
from isoflop.fitting.rolling import Cut, Trial, cuts_of, on_scale, rolling_of, trial
from isoflop.fitting.single import Settings, fit_law, with_ensemble, without_draws
from isoflop.laws import chinchilla, coupled, generic, repeated
from isoflop.laws.graph import Array
from isoflop.laws.law import Law, rebind
from isoflop.laws.stack import stack_draws, stack_laws, stack_theta
from isoflop.runs.table import RunTable

AUTO = "auto"
"""What is asked for where the law is to be chosen."""

SIZE_AND_DATA: tuple[Law, ...] = (
    chinchilla.CHINCHILLA,
    chinchilla.CHINCHILLA_TIED,
    *coupled.COUPLED_STRENGTHS,
    coupled.DATA_DEMAND,
    coupled.SIZE_DEMAND,
)
"""Who competes where model size and data both vary."""

ONE_QUANTITY: tuple[Law, ...] = (generic.POWER, generic.POWER_FLOOR)
"""Who competes where one quantity varies."""

REPETITION: tuple[Law, ...] = (repeated.REPEATED_DATA, repeated.REPEATED)
"""Who competes where tokens were read more than once."""

_FLOOR = 0.002  # ε: errors of log-loss below it are noise of the outcome
_WORST = 0.3  # an error of log-loss beyond which a forecast is simply useless
_LEAST_WEIGHT = 0.03  # below it a law is left out
_VARIES = 1.05  # largest over smallest
_SPARE = 2  # rows a law must have beyond its parameters


def candidates(runs: RunTable, x: Sequence[str] = (), y: str | None = None) -> tuple[Law, ...]:
    """The laws that can compete on `runs`, reading their inputs from the columns `x` where they are named.

    Raises:
        Refusal: nothing that a law could depend on varies.
        UsageError: more columns are named than the laws take.
    """
    output = y or "loss"
    if len(x) > 2:
        raise UsageError(f"law='auto' takes one or two columns, not {', '.join(x)}: name a law or write a formula.")
    if len(x) == 2:
        return tuple(rebind(law, {"N": x[0], "D": x[1]}, output) for law in SIZE_AND_DATA)
    if len(x) == 1:
        return tuple(rebind(law, {"X": x[0]}, output) for law in ONE_QUANTITY)
    size, data = _varies(runs, "params"), _varies(runs, "tokens")
    if size and data:
        menu = REPETITION if _repeats(runs) else SIZE_AND_DATA
        return tuple(rebind(law, {}, output) for law in menu)
    for name, there in (("params", size), ("tokens", data), ("compute", _varies(runs, "compute"))):
        if there:
            return tuple(rebind(law, {"X": name}, output) for law in ONE_QUANTITY)
    raise Refusal("Neither model size nor tokens nor compute varies in these runs: there is nothing to fit a law to.")


@dataclass(frozen=True)
class Contest:
    """Laws fitted to one study, what each forecast at every cut, and how much each counts.

    `errors` (m,) are the mean |error| on hidden rows, NaN where nothing could be hidden; `observed` (n,) the outcomes
    on the scale of the objective.
    """

    fits: tuple[Fit, ...]
    cuts: tuple[Cut, ...]
    trials: tuple[tuple[Trial, ...], ...]
    observed: Array
    errors: Array
    weights: Array

    def sizes(self, place: int) -> Array:
        """|error| of one law on every hidden row of every cut."""
        pairs = zip(self.cuts, self.trials[place], strict=True)
        found = (self.observed[~cut.kept] - item.forecast for cut, item in pairs)
        return np.asarray(np.abs(np.concatenate([np.empty(0), *found])))


def hold_contest(laws: Sequence[Law], runs: RunTable, settings: Settings) -> Contest:
    """Fit every law and let it forecast the larger runs from the smaller.

    Raises:
        Refusal: no law can be fitted to so few rows.
    """
    fits = _fits(laws, runs, settings)
    every = cuts_of(runs, max(len(fit.law.parameters) for fit in fits) + _SPARE)
    fits, cuts, trials = _trials(fits, runs, every, settings)
    observed = on_scale(runs.numbers(fits[0].law.output), settings.objective)
    errors = np.array([_score(own, observed, cuts) for own in trials])
    weights = _weights(errors, settings)
    return Contest(tuple(fits), tuple(cuts), tuple(tuple(own) for own in trials), observed, errors, weights)


def fit_auto(contest: Contest, runs: RunTable, settings: Settings) -> Fit:
    """The laws combined as the contest weighs them; a plain fit where one law is left."""
    kept = np.flatnonzero(contest.weights > 0.0)
    members = [(float(contest.weights[index]), contest.fits[index]) for index in kept]
    shares = [(float(contest.weights[index]), contest.trials[index]) for index in kept]
    fitted = members[0][1] if len(members) == 1 else _stacked(members, runs, settings)
    if settings.draws:
        fitted = _with_draws(fitted, members, settings)
    competed = tuple(
        Contestant(fit.law.name, None if np.isnan(error) else float(error), float(weight))
        for fit, error, weight in zip(contest.fits, contest.errors, contest.weights, strict=True)
    )
    return replace(fitted, contest=competed, rolling=rolling_of(shares, runs, contest.observed, contest.cuts))


def roll(fitted: Fit, settings: Settings) -> Rolling:
    """The rolling forecasts of one law alone."""
    cuts = cuts_of(fitted.runs, len(fitted.law.parameters) + _SPARE)
    found = [trial(fitted.law, fitted.theta, fitted.runs, cut, settings) for cut in cuts]
    done = [(cut, item) for cut, item in zip(cuts, found, strict=True) if item is not None]
    observed = on_scale(fitted.runs.numbers(fitted.law.output), settings.objective)
    return rolling_of([(1.0, [item for _, item in done])], fitted.runs, observed, [cut for cut, _ in done])


def _fits(laws: Sequence[Law], runs: RunTable, settings: Settings) -> list[Fit]:
    """The optimum of every law that can have one on these rows; degenerate ones give way to the simpler ones."""
    able = [law for law in laws if len(runs) >= len(law.parameters) + _SPARE]
    if not able:
        smallest = min(laws, key=lambda law: len(law.parameters))
        raise Refusal(
            f"{len(runs)} runs are too few to choose a law: the smallest, {smallest.name}, has "
            f"{len(smallest.parameters)} parameters and needs {len(smallest.parameters) + _SPARE} runs."
        )
    fits = [fit_law(law, runs, without_draws(settings)) for law in able]
    sound = [fit for fit in fits if fit.status is FitStatus.CONVERGED]
    return sound or fits[:1]


def _trials(
    fits: list[Fit], runs: RunTable, cuts: tuple[Cut, ...], settings: Settings
) -> tuple[list[Fit], list[Cut], list[list[Trial]]]:
    """The trials of every law at every cut; a law that fails at a cut where others forecast is out."""
    found = [[trial(fit.law, fit.theta, runs, cut, settings) for cut in cuts] for fit in fits]
    usable = [place for place in range(len(cuts)) if sum(own[place] is not None for own in found) * 2 > len(fits)]
    stay = [number for number, own in enumerate(found) if all(own[place] is not None for place in usable)] or [0]
    if len(stay) == 1:
        usable = [place for place in usable if found[stay[0]][place] is not None]
    trials = [[item for place in usable if (item := found[number][place]) is not None] for number in stay]
    return [fits[number] for number in stay], [cuts[place] for place in usable], trials


def _score(trials: Sequence[Trial], observed: Array, cuts: Sequence[Cut]) -> float:
    """Mean over cuts of the mean |error| on hidden rows; NaN without a cut."""
    if not trials:
        return float("nan")
    errors = [np.abs(observed[~cut.kept] - item.forecast) for cut, item in zip(cuts, trials, strict=True)]
    return float(np.mean([np.mean(np.minimum(error, _WORST)) for error in errors]))


def _weights(errors: Array, settings: Settings) -> Array:
    """Weights (m,) by rolling error; equal where nothing could be hidden."""
    if np.all(np.isnan(errors)):
        weights = np.ones(len(errors))
    else:
        weights = (errors + _FLOOR) ** -2.0
    weights = weights / weights.sum()
    # The geometric mean needs positive outputs: other values are forecast by the best law alone.
    if settings.objective.on == "value":
        weights = (np.arange(len(weights)) == int(np.argmax(weights))).astype(float)
    weights = np.where(weights < _LEAST_WEIGHT, 0.0, weights)
    return np.asarray(weights / weights.sum())


def _stacked(members: Sequence[tuple[float, Fit]], runs: RunTable, settings: Settings) -> Fit:
    parts = tuple(MemberFit(fit.law, weight, fit.theta, fit.status, fit.certificate) for weight, fit in members)
    law = stack_laws([part.law for part in parts])
    theta = stack_theta(parts)
    residuals = residuals_of(law, theta, runs, settings.objective)
    worst = max((fit for _, fit in members), key=lambda fit: fit.certificate.gradient)
    value = float(settings.objective.total(residuals, weights_of(runs, settings.weights)))
    return replace(
        worst,
        law=law,
        theta=theta,
        objective_value=value,
        residuals=residuals,
        ensemble=Ensemble(law.parameter_names, np.empty((0, len(theta))), "none"),
        members=parts,
    )


def _with_draws(fitted: Fit, members: Sequence[tuple[float, Fit]], settings: Settings) -> Fit:
    """Draws of every member in proportion to its weight."""
    if len(members) == 1:
        return with_ensemble(fitted, settings.draws, settings.seed)
    counts = _shares(np.array([weight for weight, _ in members]), settings.draws)
    drawn = [with_ensemble(fit, count, settings.seed) for count, (_, fit) in zip(counts, members, strict=True)]
    draws = stack_draws(fitted.members, [fit.ensemble.draws for fit in drawn])
    profiled = {
        f"{name}_{number}": bounds
        for number, fit in enumerate(drawn, start=1)
        for name, bounds in fit.ensemble.profiled.items()
    }
    return replace(fitted, ensemble=Ensemble(fitted.law.parameter_names, draws, drawn[0].ensemble.method, profiled))


def _shares(weights: Array, total: int) -> list[int]:
    """Whole numbers in proportion to `weights` that add up to about `total`, none below 2."""
    edges = np.round(np.concatenate([[0.0], np.cumsum(weights)]) * total).astype(int)
    return [max(int(count), 2) for count in np.diff(edges)]


def _varies(runs: RunTable, name: str) -> bool:
    there = runs.has(name) or (name == "tokens" and runs.has("params") and runs.has("compute"))
    if not there:
        return False
    values = runs.tokens() if name == "tokens" else runs[name]
    if values.dtype == object:
        return False
    known = values[np.isfinite(values) & (values > 0.0)]
    return len(known) > 1 and float(known.max() / known.min()) > _VARIES


def _repeats(runs: RunTable) -> bool:
    """Whether some run read its distinct tokens more than once."""
    if not runs.has("unique_tokens") or runs["unique_tokens"].dtype == object:
        return False
    try:
        return bool(np.any(runs.tokens() > 1.01 * runs["unique_tokens"]))
    except IsoflopError:
        return False
