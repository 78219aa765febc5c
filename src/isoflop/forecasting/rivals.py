"""Other laws that fit the same runs as well: where they forecast something else, the form itself is uncertain.

    AICc = n log(RSS/n) + 2 k + 2 k (k + 1)/(n - k - 1)      k counts the scatter as a parameter

Reference: hurvich1989, burnham2002
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.binding import bind, inputs_of
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import Effort, solve
from isoflop.fitting.starts import projected_starts
from isoflop.forecasting.reach import beyond_inputs
from isoflop.laws.catalogue import LAWS
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.quantities import format_number
from isoflop.runs.table import RunTable

_TIE = 2.0
"""Of AICc. By the first setting, 4, 2 % of clean studies have a rival outside the interval, twice as many (2026-11)."""

_SPARE = 3  # degrees of freedom that a rival must leave
_MORE = 1  # parameter that a rival may have more: larger laws tie with anything on a small ladder
_INSIDE_ONLY = ("log-quadratic",)
"""Polynomials, which turn upwards somewhere beyond their runs: no law of a forecast."""

_STARTS = 6
_BRIEFLY = Effort(gauss_newton_steps=60, gauss_newton_tolerance=1e-4, newton_steps=5, patience=0)
"""Within 0.2 of the AICc of a thorough search, in half the time (2026-11)."""
_LEFT_OUT = ("outlier", "unit-slip")
_LEAST_REACH = 0.1  # decades: nearer forecasts are interpolations, which laws that fit agree about


@dataclass(frozen=True)
class Rival:
    """A law fitted by least squares to the runs of another fit: its θ (k,) and AICc."""

    law: Law
    theta: Array
    criterion: float


def form_findings(
    fit: Fit, columns: Mapping[str, Array], bounds: tuple[Array, Array], beyond: Array
) -> tuple[Finding, ...]:
    """A warning where a law that fits as well forecasts the farthest point outside the interval.

    None where laws competed: their spread is in the interval.
    """
    asked = np.where(np.isfinite(beyond), beyond, beyond_inputs(fit, columns))
    place = int(np.argmax(asked))
    if not asked[place] > _LEAST_REACH or fit.objective.tilt != 0.5 or fit.weights is not None or fit.contest:
        return ()
    runs = _agreeing(fit)
    own = fitted_rival(fit.law, runs, fit.objective.on)
    if own is None:
        return ()
    point = {column: np.asarray(columns[column], dtype=float)[[place]] for column in fit.law.columns}
    low, high = float(bounds[0][place]), float(bounds[1][place])
    value = float(predict(fit.law, fit.theta, point)[0, 0])
    found = []
    for rival in rivals(fit.law, runs, fit.objective.on):
        other = float(predict(rival.law, rival.theta, point)[0, 0])
        if rival.criterion <= own.criterion + _TIE and np.isfinite(other) and not low <= other <= high:
            found.append((abs(other - value), other, rival))
    if not found:
        return ()
    _, other, rival = max(found, key=lambda item: item[0])
    apart = rival.criterion - own.criterion
    how = "as well" if apart > -_TIE else "better"
    message = (
        f"{rival.law.name} fits these runs {how} (AICc {apart:+.1f}) and forecasts {format_number(other, 4)}, outside "
        f"the interval around the {format_number(value, 4)} of {fit.law.name}: the form is uncertain that far."
    )
    return (Finding("form-uncertainty", "warn", message),)


def rivals(law: Law, runs: RunTable, on: str) -> Iterator[Rival]:
    """The other laws of the catalogue of the same inputs and output, fitted to `runs`."""
    for other in LAWS:
        alike = set(other.columns) == set(law.columns) and other.output == law.output and other.name not in _INSIDE_ONLY
        size = len(other.parameters)
        if alike and other.formula != law.formula and size <= min(len(law.parameters) + _MORE, len(runs) - _SPARE):
            found = fitted_rival(other, runs, on)
            if found is not None:
                yield found


def fitted_rival(law: Law, runs: RunTable, on: str) -> Rival | None:
    """The law by least squares with its AICc; None where no start comes to rest."""
    objective = Objective("ls", None, "log-loss" if on == "log-loss" else "value")
    problem = bind(law, runs, objective)
    starts = projected_starts(law, inputs_of(law, runs), problem.target, objective, _STARTS)
    found = solve(problem, starts, effort=_BRIEFLY)
    best = int(np.argmin(found.value))
    rows, count = len(runs), len(law.parameters) + 1
    if not np.isfinite(found.value[best]) or rows - count - 1 < 1:
        return None
    squares = max(2.0 * float(found.value[best]), 1e-300)
    criterion = rows * np.log(squares / rows) + 2.0 * count + 2.0 * count * (count + 1) / (rows - count - 1)
    return Rival(law, problem.surface.to_user(found.phi[:, [best]])[0], float(criterion))


def _agreeing(fit: Fit) -> RunTable:
    """The rows that no finding calls off the curve."""
    off = {row for finding in fit.findings if finding.code in _LEFT_OUT for row in finding.rows}
    return fit.runs.select(~np.isin(fit.runs.row, sorted(off))) if off else fit.runs
