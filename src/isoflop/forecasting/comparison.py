"""Laws ranked by how well they forecast larger runs from smaller ones, and what they say together of a run to come.

Never by R², nor by how closely a law follows the runs it was fitted to: laws with an R² above 0.99 miss larger runs by
1 to 10 % on public ladders (`docs/reference/backtests.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoflop.errors import UsageError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.fitting.diagnostics import examine
from isoflop.fitting.estimation import choose_law, table_of
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.objective import parse_objective
from isoflop.fitting.single import Settings
from isoflop.fitting.stacking import Contest, candidates, fit_auto, hold_contest
from isoflop.forecasting.prediction import Forecast, forecast
from isoflop.laws.law import Law
from isoflop.records import Saved
from isoflop.runs.checks.examination import carried
from isoflop.runs.compute import compute_of, has_compute
from isoflop.runs.table import RunTable
from isoflop.tabular import Table, Tabular

SCHEMA = "isoflop.compare/1"
_ALSO = ("chinchilla-no-floor", "kaplan-nd", "log-quadratic")
_AHEAD = 10.0  # times the largest compute, where no other point is asked for
_TIE = 1.25  # errors within this factor of the best cannot be told apart by so few cuts


@dataclass(frozen=True)
class LawScore:
    """One law: its errors (relative, of log-loss) on hidden larger runs, its weight, and its own forecast."""

    law: str
    parameters: int
    median_abs_error: float | None
    mean_abs_error: float | None
    weight: float
    forecast: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this law."""
        return {
            "law": self.law,
            "parameters": self.parameters,
            "median_abs_error": self.median_abs_error,
            "mean_abs_error": self.mean_abs_error,
            "weight": self.weight,
            "forecast": self.forecast,
        }


@dataclass(frozen=True)
class Comparison(Judged, Saved, Tabular):
    """The laws, the best first; `forecast` is what they say together, with an interval that carries their spread.

    `cuts` is how many times the largest runs were hidden, `hidden` how many outcomes were forecast in all.
    """

    laws: tuple[LawScore, ...]
    fit: Fit
    forecast: Forecast | None
    cuts: int
    hidden: int
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "laws": [item.to_dict() for item in self.laws],
            "cuts": self.cuts,
            "hidden": self.hidden,
            "forecast": None if self.forecast is None else self.forecast.points[0].to_dict(),
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """One row per law, the best first."""
        header = ("law", "parameters", "median_abs_error", "mean_abs_error", "weight", "forecast")
        rows = tuple(tuple(item.to_dict()[name] for name in header) for item in self.laws)
        return Table(str(self), header, rows)

    def __str__(self) -> str:
        """One sentence."""
        best = self.laws[0]
        if best.median_abs_error is None:
            return f"{len(self.laws)} laws, and no larger runs to hide: they count alike."
        return (
            f"{best.law} forecast larger runs best of {len(self.laws)} laws: median |error| "
            f"{best.median_abs_error:.2%} on {self.hidden} outcomes hidden at {self.cuts} cuts."
        )


def compare(
    runs: RunTable | Any,
    laws: Sequence[Law | str] = (),
    *,
    params: float | None = None,
    tokens: float | None = None,
    compute: float | None = None,
    objective: str = "huber:1e-3",
    draws: int = 1000,
    level: float = 0.9,
    cluster: str = "auto",
    intervals: str = "auto",
    weights: str | None = None,
    where: str | None = None,
    x: Sequence[str] = (),
    y: str | None = None,
    seed: int = 0,
) -> Comparison:
    """Rank laws by rolling held-out extrapolation, and let them forecast a run together.

    Args:
        runs: the table, or anything `read_runs` reads.
        laws: which laws; those that `auto` considers and a few more unless given.
        params: size of the run to forecast; ten times the largest compute, at the tokens per parameter of the largest
            run, unless given.
        tokens: its training tokens.
        compute: its compute instead of the two.
        objective: as in `fit`, like all further arguments.
        draws: as in `fit`.
        level: as in `fit`.
        cluster: as in `fit`.
        intervals: as in `fit`.
        weights: as in `fit`.
        where: as in `fit`.
        x: as in `fit`.
        y: as in `fit`.
        seed: as in `fit`.

    Raises:
        UsageError: the laws do not take the same inputs.
        Refusal: no law can be fitted to so few rows.

    Reference: tashman2000, bates1969

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> found = compare(example_runs(), ["chinchilla", "chinchilla-tied"], draws=50)
        >>> sorted(item.law for item in found.laws)
        ['chinchilla', 'chinchilla-tied']
    """
    parsed = parse_objective(objective)
    table = table_of(runs, where, y or "loss")
    settings = Settings(parsed, draws, level, cluster, intervals, "default", weights, seed)
    wanted = tuple(choose_law(law, table, parsed, x, y) for law in laws) or _default(table, x, y)
    if len({tuple(sorted(law.columns)) for law in wanted}) > 1:
        said = "; ".join(f"{law.name}: {', '.join(law.columns)}" for law in wanted)
        raise UsageError(f"laws={','.join(law.name for law in wanted)} do not take the same inputs ({said}).")
    contest = hold_contest(wanted, table, settings)
    fitted = fit_auto(contest, table, settings)
    findings = (*carried(table), *examine(fitted, draws))
    fitted = replace(fitted, findings=by_weight(findings))
    ahead = _ahead(fitted, _point(fitted, params, tokens, compute))
    scores = _scores(contest, ahead)
    told = () if ahead is None else ahead.findings
    return Comparison(
        laws=scores,
        fit=fitted,
        forecast=ahead,
        cuts=len(contest.cuts),
        hidden=int(sum(np.sum(~cut.kept) for cut in contest.cuts)),
        findings=by_weight((*fitted.findings, *told, *_left_out(wanted, contest), *_ties(scores))),
    )


def _default(runs: RunTable, x: Sequence[str], y: str | None) -> tuple[Law, ...]:
    """What `auto` considers, and for laws of size and data a few that it does not."""
    found = candidates(runs, x, y)
    columns = sorted(found[0].columns)
    others = (choose_law(name, runs, parse_objective("huber:1e-3"), (), y) for name in _ALSO)
    return (*found, *(law for law in others if sorted(law.columns) == columns))


def _ahead(fitted: Fit, point: Mapping[str, float]) -> Forecast | None:
    """The combined forecast at `point`; None where there is none to ask for, or no draws to carry its interval."""
    if not point or not len(fitted.ensemble):
        return None
    return forecast(fitted, params=point.get("params"), tokens=point.get("tokens"), compute=point.get("compute"))


def _point(fitted: Fit, params: float | None, tokens: float | None, compute: float | None) -> dict[str, float]:
    given = {name: value for name, value in (("params", params), ("tokens", tokens), ("compute", compute)) if value}
    if given or not has_compute(fitted.runs):
        return given
    largest = int(np.argmax(compute_of(fitted.runs)))
    if sorted(fitted.law.columns) == ["params", "tokens"]:
        reach = float(np.sqrt(_AHEAD))
        return {"params": reach * float(fitted.runs["params"][largest]),
                "tokens": reach * float(fitted.runs.tokens()[largest])}  # fmt: skip
    return {"compute": _AHEAD * float(fitted.runs["compute"][largest])} if fitted.law.columns == ("compute",) else {}


def _scores(contest: Contest, ahead: Forecast | None) -> tuple[LawScore, ...]:
    scores = []
    for place, fit in enumerate(contest.fits):
        sizes = contest.sizes(place)
        scores.append(
            LawScore(
                law=fit.law.name,
                parameters=len(fit.law.parameters),
                median_abs_error=float(np.median(sizes)) if len(sizes) else None,
                mean_abs_error=None if np.isnan(contest.errors[place]) else float(contest.errors[place]),
                weight=float(contest.weights[place]),
                forecast=_own_forecast(fit, ahead),
            )
        )
    return tuple(sorted(scores, key=lambda item: (item.mean_abs_error is None, item.mean_abs_error or 0.0)))


def _own_forecast(fit: Fit, ahead: Forecast | None) -> float | None:
    if ahead is None:
        return None
    point = ahead.points[0]
    known = {"params": point.params, "tokens": point.tokens, "compute": point.compute, **point.at}
    columns = {name: np.array([known.get(name)], dtype=float) for name in fit.law.columns}
    value = float(predict(fit.law, fit.theta, columns)[0, 0])
    return value if np.isfinite(value) else None


def _left_out(wanted: Sequence[Law], contest: Contest) -> tuple[Finding, ...]:
    there = {fit.law.name for fit in contest.fits}
    gone = [law.name for law in wanted if law.name not in there]
    if not gone:
        return ()
    message = (
        f"{', '.join(gone)} took no part: too few runs for their parameters, no certified optimum, or a term of theirs "
        "is not needed, so that a simpler law says the same."
    )
    return (Finding("laws-left-out", "note", message),)


def _ties(scores: Sequence[LawScore]) -> tuple[Finding, ...]:
    """Laws about as good as the best that say something else of the run to come."""
    errors = [item for item in scores if item.mean_abs_error is not None and item.forecast is not None]
    if len(errors) < 2:
        return ()
    best = errors[0]
    assert best.mean_abs_error is not None
    close = [item for item in errors if (item.mean_abs_error or 0.0) <= _TIE * best.mean_abs_error]
    values = [item.forecast for item in close if item.forecast is not None]
    if len(close) < 2 or max(values) / min(values) < 1.01:
        return ()
    message = (
        f"{len(close)} laws forecast the hidden runs about equally well, and the run to come between {min(values):.4g} "
        f"({close[int(np.argmin(values))].law}) and {max(values):.4g} ({close[int(np.argmax(values))].law}): the "
        "interval carries that spread."
    )
    return (Finding("form-uncertainty", "note", message),)
