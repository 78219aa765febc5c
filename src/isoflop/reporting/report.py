"""The front doors of reporting: a self-contained HTML report from a study's values, a fit, or a table."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from isoflop import records
from isoflop.errors import IsoflopError, MissingExtraError, Refusal
from isoflop.fitting.estimation import fit as fit_law
from isoflop.fitting.fit import Fit
from isoflop.forecasting.backtest import Verdict, backtest, outcomes_of
from isoflop.forecasting.calibration import Calibration, calibrate
from isoflop.laws.law import Law
from isoflop.reporting.inputs import NO_FACTS, Facts, HeldOut, ReportInputs
from isoflop.runs.table import RunTable

_HIDE = 4.0
_DRAWS = 300


def write_report(path: str | os.PathLike[str], inputs: ReportInputs) -> Path:
    """Write the report to `path`, whole or not at all, and return where it is; it needs no network.

    Raises:
        MissingExtraError: the chart library is not installed.
    """
    with chart_library("the report"):
        from isoflop.reporting.document import render
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    records.write_text(place, render(inputs, inputs.calibration or calibration_of(inputs.fit)))
    return place


def save_picture(path: str | os.PathLike[str], inputs: ReportInputs, *, title: str = "", width: int = 760) -> Path:
    """Save the picture of forecast and outcome as `.svg` or `.png`.

    Raises:
        Refusal: no run was held out, so there is no such picture.
        MissingExtraError: the chart library is not installed.
    """
    with chart_library("the picture"):
        from isoflop.reporting.export import save_chart
        from isoflop.reporting.figures import headline_figures
    figures = headline_figures(inputs, inputs.calibration or calibration_of(inputs.fit))
    if not figures or figures[0].name != "forecast":
        raise Refusal(
            "There is no picture of forecast and outcome: no run was held out, or the law has several inputs."
        )
    return save_chart(figures[0].chart, path, width=width, title=title)


def report_from_fit(
    fit: Fit, *, title: str = "", facts: Facts = NO_FACTS, commands: tuple[str, ...] = (), hide: float = _HIDE
) -> ReportInputs:
    """The inputs of a report on a fit alone, with a back-test on its own runs where they allow one.

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> inputs = report_from_fit(fit_law("chinchilla", read_runs(example_runs()), draws=20))
        >>> inputs.title
        'Scaling law of 25 runs'
    """
    return ReportInputs(
        title=title or f"Scaling law of {len(fit.runs)} runs",
        fit=fit,
        verdict=verdict_of(fit, hide),
        calibration=calibration_of(fit),
        facts=facts,
        commands=commands,
    )


def report_from_table(
    runs: RunTable,
    law: Law | str = "auto",
    *,
    title: str = "",
    facts: Facts = NO_FACTS,
    commands: tuple[str, ...] = (),
    draws: int = 1000,
    seed: int = 0,
) -> ReportInputs:
    """The inputs of a report on a table: a column `held_out` marks the rows that are forecast rather than fitted."""
    held = np.zeros(len(runs), dtype=bool)
    if runs.has("held_out"):
        held = np.asarray(runs["held_out"], dtype=float) == 1.0
    fitted = fit_law(law, runs.select(~held), draws=draws, seed=seed)
    inputs = report_from_fit(fitted, title=title, facts=facts, commands=commands)
    if not held.any() or not len(fitted.ensemble):
        return inputs
    hidden = runs.select(held)
    names = [str(name) for name in hidden["run"]] if hidden.has("run") else [f"row {row}" for row in hidden.row]
    outcomes = outcomes_of(fitted, hidden)
    return replace(
        inputs,
        held_out=tuple(HeldOut(outcome, name) for name, outcome in zip(names, outcomes, strict=True)),
        title=title or f"Scaling law of {len(fitted.runs)} runs, and {len(outcomes)} held out",
    )


@contextmanager
def chart_library(purpose: str) -> Iterator[None]:
    """Say how to install the chart library where an import inside fails for want of it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("altair", "vl_convert"):
            raise
        raise MissingExtraError(error.name, "report", purpose) from None


def calibration_of(fit: Fit) -> Calibration:
    """What a back-test inside the data shows; nothing for a fit without intervals."""
    return calibrate(fit) if len(fit.ensemble) else Calibration(None, None, 0, fit.level)


def verdict_of(fit: Fit, hide: float) -> Verdict | None:
    """The back-test of a fit on its own runs; None where too few would be left."""
    try:
        return backtest(
            fit.asked,
            fit.runs,
            hide,
            objective=str(fit.objective),
            draws=_DRAWS,
            level=fit.level,
            x=fit.asked_columns,
            y=fit.law.output,
            seed=fit.seed,
        )
    except IsoflopError:
        return None
