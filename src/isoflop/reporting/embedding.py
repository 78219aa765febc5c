"""What a report was made from, as a JSON object that stands in the report itself, so that it can be made again.

Only what cannot be derived is written: the fit with its rows and draws, the runs, the outcomes and the facts. The
back-test and the calibration follow from the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.fitting.fit import from_record as fit_from_record
from isoflop.forecasting.backtest import Outcome
from isoflop.quantities import Estimate
from isoflop.reporting.inputs import Facts, HeldOut, ReportInputs
from isoflop.runs.run import Curve, Run

SCHEMA = "isoflop.report/1"


def to_record(inputs: ReportInputs) -> dict[str, Any]:
    """The JSON object of the inputs; `hide` is the factor of the back-test, null where there was none."""
    return {
        "schema": SCHEMA,
        "title": inputs.title,
        "fit": inputs.fit.to_dict(),
        "hide": None if inputs.verdict is None else inputs.verdict.hide,
        "runs": [{"run": run.to_dict(), "curve": asdict(run.curve)} for run in inputs.runs],
        "held_out": [_held_out_record(item) for item in inputs.held_out],
        # Pairs, since the order in which versions are shown is not that of their names.
        "facts": {**asdict(inputs.facts), "versions": [list(pair) for pair in inputs.facts.versions.items()]},
        "commands": list(inputs.commands),
        "findings": [finding.to_dict() for finding in inputs.findings],
    }


def from_record(record: Mapping[str, Any]) -> ReportInputs:
    """The inputs that `to_record` wrote, without the back-test and the calibration.

    Raises:
        InputError: the object is of another schema.
        KeyError, TypeError, ValueError: it is not whole.
    """
    if record["schema"] != SCHEMA:
        raise InputError(f"the report says {record['schema']!r} where this isoflop reads {SCHEMA!r}: upgrade isoflop.")
    return ReportInputs(
        title=record["title"],
        fit=fit_from_record(record["fit"]),
        runs=tuple(_run_from(item) for item in record["runs"]),
        held_out=tuple(_held_out_from(item) for item in record["held_out"]),
        facts=Facts(**{**record["facts"], "versions": dict(record["facts"]["versions"])}),
        commands=tuple(record["commands"]),
        findings=tuple(Finding.from_dict(item) for item in record["findings"]),
    )


def _held_out_record(item: HeldOut) -> dict[str, Any]:
    return {
        "name": item.name,
        "outcome": item.outcome.to_dict(),
        "run": None if item.run is None else item.run.to_dict(),
        "forecast_written": item.forecast_written,
    }


def _held_out_from(record: Mapping[str, Any]) -> HeldOut:
    outcome = record["outcome"]
    told = {name: outcome[name] for name in ("row", "params", "tokens", "compute", "actual")}
    return HeldOut(
        outcome=Outcome(**told, forecast=Estimate.from_dict(outcome["forecast"])),
        name=record["name"],
        run=None if record["run"] is None else Run.from_dict(record["run"]),
        forecast_written=record["forecast_written"],
    )


def _run_from(record: Mapping[str, Any]) -> Run:
    curve = {name: tuple(values) for name, values in record["curve"].items()}
    return Run.from_dict(record["run"], Curve(**curve))
