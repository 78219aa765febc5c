"""What a report is made from: a fit, its runs, the runs held out, and the facts of where and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isoflop.findings import Finding
from isoflop.fitting.fit import Fit
from isoflop.forecasting.backtest import Outcome, Verdict
from isoflop.forecasting.calibration import Calibration
from isoflop.runs.run import Run


@dataclass(frozen=True)
class HeldOut:
    """A run that was not fitted: what was forecast and what came.

    `name` is what it is called, `run` the run where it is at hand, `forecast_written` when the forecast was written
    down (ISO time), empty where it was not written before the outcome was known.
    """

    outcome: Outcome
    name: str = ""
    run: Run | None = None
    forecast_written: str = ""


@dataclass(frozen=True)
class Facts:
    """Where and how the runs were made; whatever is empty or None is left out of the report.

    `unit` is what a token is (`byte`, `character` or `token`); `flops` and `seconds` are the cost of all runs.
    """

    text: str = ""
    text_note: str = ""
    unit: str = "token"
    machine: str = ""
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    flops: float | None = None
    seconds: float | None = None


NO_FACTS = Facts()
"""Nothing is known of where and how."""


@dataclass(frozen=True)
class ReportInputs:
    """All that a report shows.

    `runs` may be empty where only a table is known: there are no learning curves then. `commands` are the commands
    that made this report. `calibration` is measured on the fit where it is not given. `findings` are what is worth
    saying beyond the findings of the fit.
    """

    title: str
    fit: Fit
    runs: tuple[Run, ...] = ()
    held_out: tuple[HeldOut, ...] = ()
    verdict: Verdict | None = None
    calibration: Calibration | None = None
    facts: Facts = NO_FACTS
    commands: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
