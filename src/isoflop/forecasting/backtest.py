"""A back-test: hide the largest runs, forecast them from the rest, and see whether the forecasts were right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.fitting.estimation import fit as fit_law
from isoflop.fitting.estimation import table_of
from isoflop.fitting.fit import Fit, predict
from isoflop.forecasting.calibration import calibrate, calibrated_bounds
from isoflop.laws.law import Law
from isoflop.quantities import Estimate
from isoflop.records import Saved
from isoflop.runs.compute import compute_of, has_compute
from isoflop.runs.table import RunTable
from isoflop.tabular import Table, Tabular, estimate_cells

SCHEMA = "isoflop.backtest/1"
_MISSED = 2.0  # half-widths


@dataclass(frozen=True)
class Outcome:
    """One hidden run: what was forecast and what came; `row` is its line in the source, `error` is relative."""

    row: int
    params: float | None
    tokens: float | None
    compute: float
    actual: float
    forecast: Estimate

    @property
    def error(self) -> float:
        """Forecast / actual - 1."""
        return self.forecast.value / self.actual - 1.0

    @property
    def covered(self) -> bool:
        """Whether the outcome fell inside the interval."""
        low, high = self.forecast.low, self.forecast.high
        return (low is None or low <= self.actual) and (high is None or self.actual <= high)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this outcome."""
        return {
            "row": self.row,
            "params": self.params,
            "tokens": self.tokens,
            "compute": self.compute,
            "actual": self.actual,
            "forecast": self.forecast.to_dict(),
            "error": self.error,
            "covered": self.covered,
        }


@dataclass(frozen=True)
class Verdict(Judged, Saved, Tabular):
    """What the back-test showed: the outcomes, their errors and the coverage of the intervals."""

    law: str
    hide: float
    level: float
    outcomes: tuple[Outcome, ...]
    fit: Fit
    findings: tuple[Finding, ...] = ()

    @property
    def median_abs_error(self) -> float:
        """Median of |forecast / actual - 1|."""
        return float(np.median([abs(outcome.error) for outcome in self.outcomes]))

    @property
    def worst_abs_error(self) -> float:
        """Largest |forecast / actual - 1|."""
        return max(abs(outcome.error) for outcome in self.outcomes)

    @property
    def coverage(self) -> float:
        """Share of outcomes inside their intervals."""
        return float(np.mean([outcome.covered for outcome in self.outcomes]))

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "law": self.law,
            "hide": self.hide,
            "level": self.level,
            "fitted": len(self.fit.runs),
            "hidden": len(self.outcomes),
            "median_abs_error": self.median_abs_error,
            "worst_abs_error": self.worst_abs_error,
            "coverage": self.coverage,
            "rows": [outcome.to_dict() for outcome in self.outcomes],
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """One row per hidden run: what was forecast, what came, the relative error."""
        rows = tuple(
            (
                *(item.row, item.params, item.tokens, item.compute),
                *estimate_cells(item.forecast),
                *(item.actual, item.error, "inside" if item.covered else "outside"),
            )
            for item in self.outcomes
        )
        header = ("row", "params", "tokens", "compute", "forecast", "low", "high", "actual", "error", "interval")
        return Table(str(self), header, rows)

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"{self.law}, fitted to {len(self.fit.runs)} runs, forecast the {len(self.outcomes)} runs above "
            f"1/{self.hide:g} of the largest compute: median |error| {self.median_abs_error:.2%}, worst "
            f"{self.worst_abs_error:.2%}; {self.coverage:.0%} fell in their {self.level:.0%} intervals."
        )


def backtest(
    law: Law | str,
    runs: RunTable | Any,
    hide: float = 10.0,
    *,
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
) -> Verdict:
    """Hide the runs with more than 1/`hide` of the largest compute, fit the rest, forecast the hidden ones.

    The other arguments are those of `fit`.

    Raises:
        UsageError: `hide` is not above 1, or `draws` below 2.
        InputError: the compute of the runs is not known.
        Refusal: nothing is left to fit, or nothing is hidden.

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> verdict = backtest("chinchilla", example_runs(), hide=4, draws=100)
        >>> verdict.worst_abs_error < 0.1
        True
    """
    if not hide > 1.0:
        raise UsageError(f"hide={hide!r} must be a factor above 1: 10 hides the top decade of compute.")
    if draws < 2:
        raise UsageError(f"draws={draws}: a back-test scores intervals, which rest on draws: use 1000.")
    runs = table_of(runs, where, y or "loss")
    if not has_compute(runs):
        raise InputError("The runs have no column compute, nor params and tokens: which are the largest is not known.")
    compute = compute_of(runs)
    kept = compute <= compute.max() / hide
    if not kept.any():
        raise Refusal(
            f"Hiding the runs within {hide:g}× of the largest leaves none to fit: the runs span "
            f"{compute.max() / compute.min():.1f}× in compute, choose a smaller --hide."
        )
    fitted = fit_law(
        law,
        runs.select(kept),
        objective=objective,
        draws=draws,
        level=level,
        cluster=cluster,
        intervals=intervals,
        weights=weights,
        x=x,
        y=y,
        seed=seed,
    )
    if not len(fitted.ensemble):
        raise Refusal(f"The {int(kept.sum())} smaller runs have no certified optimum. {fitted.status.sentence}")
    outcomes = outcomes_of(fitted, runs.select(~kept))
    findings = by_weight((*missed_findings(outcomes, level), *fitted.findings))
    return Verdict(fitted.law.name, hide, level, outcomes, fitted, findings)


def missed_findings(outcomes: Sequence[Outcome], level: float) -> tuple[Finding, ...]:
    """A warning where forecasts were off by more than twice the half-width of their intervals, as a rule."""
    ratios = [_in_half_widths(outcome) for outcome in outcomes]
    known = [ratio for ratio in ratios if ratio is not None]
    if len(known) < 2 or not np.median(known) > _MISSED:
        return ()
    rows = tuple(
        item.row for item, ratio in zip(outcomes, ratios, strict=True) if ratio is not None and ratio > _MISSED
    )
    message = (
        f"The hidden runs lie {np.median(known):.1f} times the half-width of their {level:.0%} intervals from their "
        "forecasts, as a rule: this law does not carry that far."
    )
    return (Finding("backtest-miss", "warn", message, rows),)


def _in_half_widths(outcome: Outcome) -> float | None:
    """The distance of an outcome from its forecast in units of the interval's half on that side."""
    value, low, high = outcome.forecast.value, outcome.forecast.low, outcome.forecast.high
    bound = high if outcome.actual > value else low
    if bound is None or bound == value:
        return None
    return abs(outcome.actual - value) / abs(bound - value)


def outcomes_of(fit: Fit, hidden: RunTable) -> tuple[Outcome, ...]:
    """Forecast each row of `hidden` from the fit and set it beside what came out."""
    columns = {item.column: _column(hidden, item.column) for item in fit.law.inputs}
    value = predict(fit.law, fit.theta, columns)[0]
    compute = compute_of(hidden)
    low, high = calibrated_bounds(fit, columns, compute, fit.level, calibrate(fit))
    actual = hidden.column(fit.law.output)
    return tuple(
        Outcome(
            row=int(hidden.row[index]),
            params=_cell(hidden, "params", index),
            tokens=_cell(hidden, "tokens", index),
            compute=float(compute[index]),
            actual=float(actual[index]),
            forecast=Estimate(float(value[index]), float(low[index]), float(high[index])),
        )
        for index in range(len(hidden))
    )


def _column(runs: RunTable, name: str) -> Any:
    return runs.tokens() if name == "tokens" else runs.compute() if name == "compute" else runs.column(name)


def _cell(runs: RunTable, name: str, index: int) -> float | None:
    return float(runs.columns[name][index]) if runs.has(name) else None
