"""Loss of a run nobody has trained yet, with an interval for that run's outcome.

A confidence interval of the curve is not a prediction interval. Three things are added up, draw by draw:

    log L = log L̂(x; θ_b)            the curve, uncertain because its parameters are: one draw of the ensemble
          + e_b                      what any single run departs from the curve: a residual drawn at random
    then widened                     where forecasts inside the data missed by more (see calibration)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import Refusal, UsageError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.published_fit import fit_from
from isoflop.forecasting.calibration import Calibration, calibrate, calibrated_bounds
from isoflop.forecasting.reach import direction_findings, distance_findings
from isoflop.forecasting.rivals import form_findings
from isoflop.laws.frontier import frontier, has_frontier
from isoflop.laws.graph import Array
from isoflop.quantities import Estimate, format_count, format_flops, format_number
from isoflop.records import Saved
from isoflop.runs.compute import compute_of, has_compute
from isoflop.tabular import Table, Tabular, estimate_cells

SCHEMA = "isoflop.forecast/1"
_COUNTED = ("params", "tokens", "compute")


@dataclass(frozen=True)
class Point:
    """A run to forecast and its forecast loss (or whatever the law predicts).

    `decades_beyond_data` is log10 of its 6ND over the largest fitted; `at` holds inputs other than params, tokens and
    compute.
    """

    params: float | None
    tokens: float | None
    compute: float
    loss: Estimate
    decades_beyond_data: float | None
    at: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this point."""
        return {
            "params": self.params,
            "tokens": self.tokens,
            "compute": self.compute,
            "loss": self.loss.to_dict(),
            "decades_beyond_data": self.decades_beyond_data,
            **({"at": dict(self.at)} if self.at else {}),
        }


@dataclass(frozen=True)
class Forecast(Judged, Saved, Tabular):
    """Forecasts at `level`, how the same intervals fared in the back-test, and what gives cause for doubt."""

    law: str
    points: tuple[Point, ...]
    level: float
    calibration: Calibration
    findings: tuple[Finding, ...] = ()
    output: str = "loss"

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "law": self.law,
            "level": self.level,
            "output": self.output,
            "points": [point.to_dict() for point in self.points],
            "backtest_coverage": self.calibration.coverage,
            "backtest_error_per_decade": self.calibration.error_per_decade,
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """One row per point: what is asked for, the loss with its interval, the distance from the data."""
        others = tuple(dict.fromkeys(name for point in self.points for name in point.at))
        rows = tuple(
            (
                *(point.params, point.tokens, point.compute),
                *(point.at.get(name) for name in others),
                *estimate_cells(point.loss),
                point.decades_beyond_data,
            )
            for point in self.points
        )
        header = ("params", "tokens", "compute", *others, "loss", "low", "high", "decades_beyond_data")
        return Table(f"Forecast by {self.law}, {self.level:.0%} intervals", header, rows)

    def __str__(self) -> str:
        """One line per point, and the back-test."""
        lines = []
        for point in self.points:
            what = f"{format_flops(point.compute)}"
            if point.params is not None and point.tokens is not None:
                what = f"{format_count(point.params)} parameters on {format_count(point.tokens)} tokens, {what}"
            elif point.at:
                what = ", ".join(f"{name} {format_number(value)}" for name, value in point.at.items())
            beyond = point.decades_beyond_data
            reach = "" if beyond is None else f", {beyond:+.2f} decades beyond the data"
            lines.append(f"{what}: {self.output} {point.loss}{reach}")
        return "\n".join([*lines, str(self.calibration)])


def forecast(
    fit: Fit | str | Path,
    *,
    params: float | Sequence[float] | None = None,
    tokens: float | Sequence[float] | None = None,
    compute: float | Sequence[float] | None = None,
    at: Mapping[str, float | Sequence[float]] | None = None,
    level: float | None = None,
    calibration: Calibration | None = None,
) -> Forecast:
    """Forecast the loss of runs given by model size and tokens, or by compute alone.

    With compute alone, a law of model size and data is evaluated at its compute-optimal N and D (C = 6·N·D).

    Args:
        fit: the fitted law, the path of a saved fit, or `published:NAME`.
        params: model size or sizes.
        tokens: training tokens, as many as `params`.
        compute: training FLOP, instead of the two.
        at: values of other input columns of the law, by name.
        level: nominal coverage; that of the fit unless given.
        calibration: what a back-test showed; measured on the fit's own runs unless given.

    Raises:
        UsageError: the points do not suit the law.
        Refusal: the fit has no ensemble to draw from.

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> fitted = fit("chinchilla", read_runs(example_runs()), draws=100)
        >>> forecast(fitted, params=1e6, tokens=1e8).points[0].decades_beyond_data > 1
        True
    """
    fit = fit_from(fit)
    if not len(fit.ensemble):
        raise Refusal(f"The fit of {fit.law.name} has no draws, so no interval can be given: fit with --draws 1000.")
    level = fit.level if level is None else level
    columns = _columns(fit, {"params": params, "tokens": tokens, "compute": compute, **(at or {})})
    calibration = calibrate(fit, level) if calibration is None else calibration
    value = predict(fit.law, fit.theta, columns)[0]
    flop = columns["compute"]
    known = len(fit.ensemble) > 1
    bounds = calibrated_bounds(fit, columns, flop, level, calibration) if known else None
    beyond = np.log10(flop / compute_of(fit.runs).max()) if has_compute(fit.runs) else np.full(len(flop), np.nan)
    points = tuple(
        Point(
            params=_item(columns, "params", index),
            tokens=_item(columns, "tokens", index),
            compute=float(flop[index]),
            loss=Estimate(float(value[index]), *(() if bounds is None else (float(side[index]) for side in bounds))),
            decades_beyond_data=float(beyond[index]) if np.isfinite(beyond[index]) else None,
            at={name: float(columns[name][index]) for name in fit.law.columns if name not in _COUNTED},
        )
        for index in range(len(flop))
    )
    doubts = (*distance_findings(beyond), *direction_findings(fit, columns, beyond))
    if bounds is not None:
        doubts = (*doubts, *form_findings(fit, columns, bounds, beyond))
    findings = by_weight((*fit.findings, *doubts, *calibration.findings))
    return Forecast(fit.law.name, points, level, calibration, findings, fit.law.output)


def _columns(fit: Fit, values: Mapping[str, float | Sequence[float] | None]) -> dict[str, Array]:
    given = {name: _numbers(name, value) for name, value in values.items() if value is not None}
    counted = {name for name in given if name in _COUNTED}
    if counted == {"params", "tokens"} and given["params"].shape == given["tokens"].shape:
        given["compute"] = FLOP_PER_PARAMETER_AND_TOKEN * given["params"] * given["tokens"]
    elif set(given) == {"compute"} and has_frontier(fit.law):
        best = frontier(fit.law, fit.theta, given["compute"])
        given.update(params=best.params[0], tokens=best.tokens[0])
    unknown = [name for name in given if name not in {*_COUNTED, *fit.law.columns}]
    if unknown:
        raise UsageError(
            f"forecast: {unknown[0]!r} is no input of law {fit.law.name}: {' and '.join(fit.law.columns)}."
        )
    missing = [name for name in fit.law.columns if name not in given]
    if missing or not given or len({len(values) for values in given.values()}) != 1:
        raise UsageError(
            f"forecast: law {fit.law.name} needs {' and '.join(fit.law.columns)}; give --params and --tokens in equal "
            "number, or --compute; other columns as --at COLUMN=VALUE."
        )
    given.setdefault("compute", np.full(len(next(iter(given.values()))), np.nan))
    return given


def _numbers(name: str, value: float | Sequence[float]) -> Array:
    values = np.atleast_1d(np.asarray(value, dtype=float))
    if not np.all(np.isfinite(values) & ((values > 0.0) | (name not in _COUNTED))):
        raise UsageError(f"forecast: {name}={value!r} must be a positive number, such as 70e9.")
    return values


def _item(columns: Mapping[str, Array], name: str, index: int) -> float | None:
    return float(columns[name][index]) if name in columns else None
