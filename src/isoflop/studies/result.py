"""What a study concludes: the fit of its ladder, the forecast written down beforehand, the outcome beside it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from isoflop import records
from isoflop.accounting.parameters import count_parameters
from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.fitting.estimation import fit as fit_law
from isoflop.fitting.fit import Fit
from isoflop.forecasting.prediction import forecast as forecast_law
from isoflop.quantities import Estimate, ParamCount, format_count, format_number
from isoflop.readers.read import read_runs
from isoflop.runs.directory import RunDirectory
from isoflop.runs.run import Run
from isoflop.runs.spec import RunSpec
from isoflop.runs.table import RunTable
from isoflop.studies.study import FitRule, PlannedRun

SCHEMA = "isoflop.study-forecast/1"


@dataclass(frozen=True)
class ForecastRow:
    """The forecast of one held-out run: `params` as the fit counts them, `compute` 6ND, `loss` with its interval."""

    identifier: str
    params: float
    tokens: float
    compute: float
    loss: Estimate
    decades_beyond_data: float


@dataclass(frozen=True)
class WrittenForecast:
    """A forecast as it stands on disk, with the time it was written."""

    path: Path
    written: str
    level: float
    rows: tuple[ForecastRow, ...]
    findings: tuple[Finding, ...]
    record: dict[str, Any]

    def __str__(self) -> str:
        """One line per run, and where and when it was written."""
        lines = [
            f"Forecast for {format_count(row.params)} parameters on {format_count(row.tokens)} tokens "
            f"({10**row.decades_beyond_data:.2g}× the compute of the largest run in the ladder): loss {row.loss}"
            for row in self.rows
        ]
        return "\n".join([*lines, f"Written to {self.path} at {self.written}."])


@dataclass(frozen=True)
class HeldOutResult:
    """A held-out run beside its forecast; `actual` is None where the run gave no loss. `error` is relative."""

    identifier: str
    params: float
    tokens: float
    actual: float | None
    forecast: Estimate

    @property
    def error(self) -> float | None:
        """Forecast / actual - 1."""
        return None if self.actual is None else self.forecast.value / self.actual - 1.0

    @property
    def covered(self) -> bool | None:
        """Whether the interval contains the outcome."""
        if self.actual is None:
            return None
        low, high = self.forecast.low, self.forecast.high
        return (low is None or low <= self.actual) and (high is None or self.actual <= high)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this row."""
        return {
            "run": self.identifier,
            "params": self.params,
            "tokens": self.tokens,
            "actual": self.actual,
            "forecast": self.forecast.to_dict(),
            "error": self.error,
            "covered": self.covered,
        }

    def __str__(self) -> str:
        """Forecast, interval and outcome side by side."""
        what = f"{format_count(self.params)} parameters on {format_count(self.tokens)} tokens: forecast {self.forecast}"
        if self.actual is None or self.error is None:
            return f"{what}; the run gave no loss"
        inside = "inside" if self.covered else "outside"
        return f"{what}, came out {format_number(self.actual, 4)}: error {self.error:+.2%}, {inside} the interval"


def finished_runs(study_directory: Path, planned: Sequence[PlannedRun]) -> tuple[Run, ...]:
    """The results there are, in the order of the plan."""
    results = (RunDirectory(study_directory / "runs" / run.spec.identifier).result() for run in planned)
    return tuple(result for result in results if result is not None)


def ladder_table(study_directory: Path, rule: FitRule, ladder: Sequence[PlannedRun]) -> RunTable:
    """The rows that the rule of the study fits; runs without a loss are excluded and say why."""
    runs = finished_runs(study_directory, ladder)
    table = RunTable.from_runs(runs, param_count=rule.param_count, source=("runs",))
    return read_runs(table, where=None if rule.rows == "all" else rule.rows)


def fit_ladder(study_directory: Path, rule: FitRule, ladder: Sequence[PlannedRun], seed: int) -> tuple[Fit, Path]:
    """Fit the ladder by the rule that was fixed before, and write `fits/fit.json`."""
    table = ladder_table(study_directory, rule, ladder)
    fitted = fit_law(rule.law, table, objective=rule.objective, draws=rule.draws, level=rule.level, seed=seed)
    path = study_directory / "fits" / "fit.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    fitted.save(path)
    return fitted, path


def forecast_held_out(
    study_directory: Path, rule: FitRule, fit: Fit, ladder: Sequence[PlannedRun], held_out: Sequence[PlannedRun]
) -> WrittenForecast:
    """The forecast of the held-out runs: the one on disk if this plan has one, else made and written now.

    A forecast is never rewritten. One that is made when an outcome is there already says so.
    """
    key = _plan_key(rule, ladder, held_out)
    found = _find(study_directory, key)
    if found is not None:
        return found
    specs = [run.spec for run in held_out]
    forecast = forecast_law(
        fit,
        params=[params_of(spec, rule.param_count) for spec in specs],
        tokens=[float(spec.tokens) for spec in specs],
    )
    late = [spec.identifier for spec in specs if RunDirectory(study_directory / "runs" / spec.identifier).is_done()]
    findings = [finding.to_dict() for finding in forecast.findings]
    if late:
        findings.append(_too_late(late).to_dict())
    written = datetime.now(UTC).isoformat(timespec="seconds")
    record = {
        "schema": SCHEMA,
        "written": written,
        "plan": key,
        "rule": asdict(rule),
        "runs": [spec.identifier for spec in specs],
        "forecast": forecast.to_dict(),
        "warnings": findings,
    }
    place = study_directory / "forecasts" / f"{written.replace(':', '-').replace('+00-00', 'Z')}.json"
    place = place if not place.exists() else place.with_stem(f"{place.stem}-{os.getpid()}")
    records.publish_once(place, records.to_json(record, indent=1) + "\n")
    return _read(place)


def written_forecast(
    study_directory: Path, rule: FitRule, ladder: Sequence[PlannedRun], held_out: Sequence[PlannedRun]
) -> WrittenForecast | None:
    """The forecast of this plan that is on disk, None where none was made."""
    return _find(study_directory, _plan_key(rule, ladder, held_out))


def compare_held_out(study_directory: Path, forecast: WrittenForecast) -> tuple[HeldOutResult, ...]:
    """What was forecast beside what came out."""
    rows = []
    for row in forecast.rows:
        result = RunDirectory(study_directory / "runs" / row.identifier).result()
        actual = result.loss if result is not None and result.state == "done" else None
        rows.append(HeldOutResult(row.identifier, row.params, row.tokens, actual, row.loss))
    return tuple(rows)


def params_of(spec: RunSpec, param_count: ParamCount) -> float:
    """The parameters of a run as `param_count` counts them."""
    count = count_parameters(spec.shape)
    return float(count.non_embedding if param_count == "non-embedding" else count.total)


def _plan_key(rule: FitRule, ladder: Sequence[PlannedRun], held_out: Sequence[PlannedRun]) -> str:
    """What a forecast is a forecast of: the rule, the runs it rests on, and those it is about."""
    runs = [sorted(run.spec.identifier for run in ladder), sorted(run.spec.identifier for run in held_out)]
    return records.digest({"rule": asdict(rule), "runs": runs})


def _find(study_directory: Path, key: str) -> WrittenForecast | None:
    """The earliest forecast on disk of this plan; a file that cannot be read is passed over."""
    for place in sorted((study_directory / "forecasts").glob("*.json")):
        try:
            found = _read(place)
        except InputError:
            continue
        if found.record["plan"] == key:
            return found
    return None


def _read(place: Path) -> WrittenForecast:
    record = records.read_record(place, SCHEMA)
    try:
        rows = tuple(
            ForecastRow(
                identifier=identifier,
                params=point["params"],
                tokens=point["tokens"],
                compute=point["compute"],
                loss=Estimate.from_dict(point["loss"]),
                decades_beyond_data=point["decades_beyond_data"],
            )
            for identifier, point in zip(record["runs"], record["forecast"]["points"], strict=True)
        )
        findings = tuple(Finding.from_dict(finding) for finding in record["warnings"])
        return WrittenForecast(place, record["written"], record["forecast"]["level"], rows, findings, record)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{place} is not a forecast of a study ({error}).") from error


def _too_late(runs: Sequence[str]) -> Finding:
    return Finding(
        "forecast-after-outcome",
        "warn",
        f"This forecast was written when {len(runs)} of the runs it is about were already trained: it is a fit that "
        "was checked, not a forecast that came true.",
    )
