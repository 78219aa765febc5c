"""From run logs to the cells of a table: one row for each run, or one for each checkpoint.

Each log is thinned as soon as it is read, so that ten thousand runs need no more memory than their rows do. Which
metric is the loss is decided once all runs are known, so that all rows speak of the same one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.readers.headers import read_header
from isoflop.readers.log import RunLog, Series
from isoflop.readers.metrics import Meaning, Metric, metric_of, plainest
from isoflop.readers.outcomes import Outcome, outcome_of
from isoflop.readers.raw import Cells, RawTable, Reading
from isoflop.readers.wording import counted, listed
from isoflop.runs.columns import recognise
from isoflop.runs.table import Exclusion

Rows = Literal["finals", "last", "checkpoints"]
"""One row a run (finished ones only, or wherever they stopped), or one row for every held-out loss that was logged."""

ROWS: tuple[Rows, ...] = ("finals", "last", "checkpoints")

_LOSSES: tuple[Meaning, ...] = ("held-out loss", "bits per byte", "perplexity", "training loss")
_COUNTERS: dict[Meaning, str] = {"tokens": "tokens", "samples": "samples_seen", "compute": "compute"}
_COLUMN_OF: dict[Meaning, str] = {
    "held-out loss": "loss",
    "training loss": "loss",
    "bits per byte": "bits_per_byte",
    "perplexity": "perplexity",
}
MOST_METRIC_COLUMNS = 400
_ASIDE = ("system", "_", "gradients", "parameters", "timers", "memory")
"""First words of metrics that say how the machine fared, not the model."""


@dataclass(frozen=True, eq=False)
class _Thin:
    """A run with the points that rows are made of, what its metrics mean, and how it ended for each kind of loss."""

    log: RunLog
    metrics: Mapping[str, Metric]
    outcome: Outcome


def assemble(logs: Iterable[RunLog], source: str, rows: Rows, chosen: Mapping[str, str]) -> RawTable:
    """The table of `logs`: `rows` says which rows, `chosen` which metric is which column where the user says it.

    Raises:
        InputError: there are no runs, or none that can be used; the message gives the first reason.
    """
    runs = [_thinned(log, rows) for log in logs]
    if not runs:
        raise InputError(f"{source} holds no runs.")
    runs = _with_names_of_their_own(runs)
    table = _Building(source, rows, _pick_loss(runs, chosen), chosen)
    for number, run in enumerate(runs, start=2):
        table.add(run, number)
    return table.finished(runs)


def _with_names_of_their_own(runs: list[_Thin]) -> list[_Thin]:
    """The runs, those that share a name called by where they lie too: rows of one name would pass for one run."""
    counts = Counter(run.log.run for run in runs)
    return [
        run
        if counts[run.log.run] == 1
        else replace(run, log=replace(run.log, run=f"{run.log.run} ({re.split('[/#]', run.log.source)[-1]})"))
        for run in runs
    ]


def _thinned(log: RunLog, rows: Rows) -> _Thin:
    # A metric without a name is nothing that anyone asks for.
    log = replace(
        log,
        series={name: series for name, series in log.series.items() if name.strip()},
        summary={name: value for name, value in log.summary.items() if name.strip()},
    )
    metrics = {name: _measures(name, log) for name in (*log.series, *log.summary)}
    losses = tuple(name for kind in _LOSSES for name, metric in metrics.items() if metric.meaning == kind)
    outcome = outcome_of(log, losses)
    if rows == "checkpoints":
        return _Thin(log, metrics, outcome)
    wanted = sorted({log.series[name].last_step for name in losses if name in log.series} | {_end(log)})
    series = {name: _few(item, metrics[name], np.array(wanted)) for name, item in log.series.items()}
    return _Thin(replace(log, series=series), metrics, outcome)


def _measures(name: str, log: RunLog) -> Metric:
    """What a metric measures: as its format knows, or as its name says and its values do not contradict."""
    if name in log.meanings:
        return replace(metric_of(name), meaning=log.meanings[name])
    metric = metric_of(name)
    # Counts of a single step bear the names of counts so far, but do not rise.
    is_count = metric.meaning in _COUNTERS and (
        name not in log.series or bool(np.all(np.diff(log.series[name].values) > 0))
    )
    return metric if is_count or metric.meaning not in _COUNTERS else replace(metric, meaning="other")


def _peak(series: Series) -> float:
    finite = series.values[np.isfinite(series.values)]
    return float(finite.max()) if finite.size else float("nan")


def _end(log: RunLog) -> float:
    return max((series.last_step for series in log.series.values()), default=0.0)


def _few(series: Series, metric: Metric, wanted: np.ndarray) -> Series:
    if metric.meaning in _COUNTERS:
        return Series(wanted, _counted(series, wanted))
    if _is_learning_rate(metric.name):
        return Series(series.steps[-1:], np.array([_peak(series)]))
    return Series(series.steps[-1:].copy(), series.values[-1:].copy())


def _counted(series: Series, steps: np.ndarray) -> np.ndarray:
    """A counter at `steps`: as logged, or on the line through the two nearest steps at which it was."""
    if len(series) < 2:
        per_step = series.values[0] / series.steps[0] if series.steps[0] > 0 else np.nan
        return np.asarray(steps * per_step if series.steps[0] > 0 else np.full(len(steps), np.nan))
    right = np.clip(np.searchsorted(series.steps, steps), 1, len(series) - 1)
    x0, x1, y0, y1 = series.steps[right - 1], series.steps[right], series.values[right - 1], series.values[right]
    return np.where(steps == x1, y1, np.where(steps == x0, y0, y0 + (y1 - y0) * (steps - x0) / (x1 - x0)))


def _is_learning_rate(name: str) -> bool:
    column = recognise(name) or recognise(name.rsplit("/", 1)[-1])
    return column is not None and column.name == "learning_rate"


@dataclass(frozen=True)
class _Picked:
    """The metric that is the loss, what it measures and why it was picked; or the question that is open."""

    name: str = ""
    meaning: Meaning = "other"
    why: str = ""
    findings: tuple[Finding, ...] = ()


def _pick_loss(runs: Sequence[_Thin], chosen: Mapping[str, str]) -> _Picked:
    for name, column in chosen.items():
        if column in ("loss", "bits_per_byte", "perplexity") and any(name in run.metrics for run in runs):
            meaning: Meaning = "held-out loss" if column == "loss" else metric_of(column).meaning
            return _Picked(name, meaning, "you say so")
    counts = Counter(name for run in runs for name in run.metrics)
    metrics = {name: metric for run in runs for name, metric in run.metrics.items()}
    for meaning in _LOSSES:
        found = plainest(metrics.values(), meaning)
        if not found:
            continue
        most = max(counts[metric.name] for metric in found)
        found = tuple(metric for metric in found if counts[metric.name] == most)
        if len(found) > 1:
            names = listed([metric.name for metric in found], 6)
            message = (
                f"These logs hold several metrics that may be the loss ({names}), and none is plainer than the others: "
                f"say which, as with --map '{found[0].name}=loss'."
            )
            return _Picked(findings=(Finding("ask-loss", "warn", message),))
        why = f"the plainest {meaning} that is logged"
        if meaning == "training loss":
            message = (
                f"No held-out loss is logged: `loss` is {found[0].name}, a training loss of single batches, "
                "which is noisy, and too low when text is repeated."
            )
            return _Picked(found[0].name, meaning, why, (Finding("training-loss", "warn", message),))
        return _Picked(found[0].name, meaning, why)
    return _Picked()


class _Building:
    """The rows so far, as columns made of pieces: an array or one value for the rows from `start` to `end`."""

    def __init__(self, source: str, rows: Rows, picked: _Picked, chosen: Mapping[str, str]) -> None:
        self._source, self._rows, self._picked, self._chosen = source, rows, picked, chosen
        self._pieces: dict[str, list[tuple[int, int, Any]]] = {}
        self._lines: list[int] = []
        self._excluded: list[Exclusion] = []
        self._origins: dict[str, Reading] = {
            "run": Reading("run", "run", "the name the log gives", "kept as text"),
            "state": Reading("state", "state", "how the run ended, as its log tells", "kept as text"),
            "step": Reading("step", "step", "the step of the loss", "read as numbers"),
        }

    def add(self, run: _Thin, number: int) -> None:
        """The rows of one run; `number` is the line that findings call it by where it has one row."""
        log = run.log
        if reason := self._unusable(run):
            self._excluded.append(Exclusion(number, f"run {log.run}: {reason}"))
            return
        steps = self._steps(log)
        start, end = len(self._lines), len(self._lines) + max(1, steps.size)
        self._lines += [number] if self._rows != "checkpoints" else range(start + 2, end + 2)
        cells: dict[str, Any] = {"run": log.run, "state": run.outcome.state}
        cells |= {name: value for name, value in log.config.items() if value is not None}
        cells |= log.facts
        if steps.size:
            cells["step"] = steps
        cells |= self._metrics(run, steps)
        cells |= log.evals
        for name, value in cells.items():
            self._pieces.setdefault(name, []).append((start, end, value))

    def _steps(self, log: RunLog) -> np.ndarray:
        measured = log.series.get(self._picked.name)
        if not log.series:
            return np.empty(0)
        if measured is None:
            return np.array([_end(log)])
        return measured.steps if self._rows == "checkpoints" else measured.steps[-1:]

    def _unusable(self, run: _Thin) -> str:
        state, picked = run.outcome.state, self._picked
        if not (run.log.series or run.log.summary):
            return ""
        if picked.name and picked.name not in run.metrics:
            return f"it has no {picked.name}"
        if self._rows == "checkpoints":
            return ""
        if state == "diverged":
            return f"diverged: {run.outcome.reason}"
        if state in ("unfinished", "failed") and self._rows == "finals":
            return f"{state}: {run.outcome.reason}; --rows last keeps it"
        return ""

    def _metrics(self, run: _Thin, steps: np.ndarray) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        for name, metric in run.metrics.items():
            series = run.log.series.get(name)
            value = run.log.summary.get(name) if series is None else _at(series, metric, steps)
            if value is None:
                continue
            column, why = self._place(name, metric)
            if not column:
                continue
            if column == "learning_rate" and series is not None:
                value = _peak(series)
            if metric.meaning in _COUNTERS:
                value = value * metric.scale
            if name == self._picked.name or name in self._chosen:
                cells[column] = value
            else:
                cells.setdefault(column, value)
            self._origins.setdefault(column, Reading(name, column, why, self._when()))
        return cells

    def _place(self, name: str, metric: Metric) -> tuple[str, str]:
        """The column a metric goes to, and why; no column where it says nothing about the model."""
        if self._picked.name and name == self._picked.name:
            return _COLUMN_OF[self._picked.meaning], self._picked.why
        if name in self._chosen:
            return self._chosen[name], "you say so"
        if metric.meaning in _COUNTERS:
            return _COUNTERS[metric.meaning], f"a count of {metric.meaning} so far"
        if metric.meaning == "training loss":
            return "train_loss", "the training loss"
        if _is_learning_rate(name):
            return "learning_rate", "the highest learning rate that is logged"
        if recognise(name) is None and not name.lower().startswith(_ASIDE):
            return name, "a metric of the logs"
        return "", ""

    def _when(self) -> str:
        return "value at every checkpoint" if self._rows == "checkpoints" else "value at the last step"

    def finished(self, runs: Sequence[_Thin]) -> RawTable:
        """The table, with what is to be said about it."""
        if not self._lines:
            first = self._excluded[0].reason
            raise InputError(f"{self._source}: none of its {len(runs)} runs can be used ({first}).")
        header = self._header()
        counts = {run.log.param_count for run in runs}
        return RawTable(
            self._source,
            header,
            tuple(self._column(name) for name in header),
            np.array(self._lines, dtype=np.int64),
            param_count=counts.pop() if len(counts) == 1 else "unspecified",
            origins={name: reading for name, reading in self._origins.items() if name in header},
            excluded=tuple(self._excluded),
            findings=(*self._picked.findings, *_said(self._source, runs, self._rows, len(self._lines))),
        )

    def _column(self, name: str) -> Cells:
        pieces = self._pieces[name]
        if any(isinstance(value, str) for _, _, value in pieces):
            texts: list[Any] = [None] * len(self._lines)
            for start, end, value in pieces:
                texts[start:end] = value.tolist() if isinstance(value, np.ndarray) else [value] * (end - start)
            return texts
        numbers = np.full(len(self._lines), np.nan)
        for start, end, value in pieces:
            numbers[start:end] = value
        return numbers

    def _header(self) -> tuple[str, ...]:
        """The columns worth keeping: those that are understood or measured, and settings that differ between runs."""
        kept: list[str] = []
        measured = 0
        for name, pieces in self._pieces.items():
            if name in self._origins and recognise(name) is None:
                measured += 1
                if measured > MOST_METRIC_COLUMNS:
                    continue
            elif not (read_header(name) or name in self._chosen or name.startswith("eval:")):
                if len({str(value) for _, _, value in pieces}) < 2:
                    continue
            if any(isinstance(value, np.ndarray) or value != "" for _, _, value in pieces):
                kept.append(name)
        return tuple(kept)


def _at(series: Series, metric: Metric, steps: np.ndarray) -> np.ndarray | None:
    """The values of a metric at `steps`: counters by interpolation, others as logged then or last before."""
    if not len(series) or not steps.size:
        return None
    if metric.meaning in _COUNTERS:
        return _counted(series, steps)
    place = np.searchsorted(series.steps, steps, side="right") - 1
    if len(series) == 1:
        # A thinned series holds its last point only, which may lie a little after the last held-out loss.
        return np.full(len(steps), series.values[0])
    return np.where(place >= 0, series.values[np.maximum(place, 0)], np.nan)


def _said(source: str, runs: Sequence[_Thin], rows: Rows, kept: int) -> list[Finding]:
    findings = []
    if rows == "checkpoints":
        message = f"{source}: one row for each of {counted(kept, 'checkpoint')} of {counted(len(runs), 'run')}."
    else:
        message = f"{source}: one row for each run, with its last loss; --rows checkpoints gives one for each loss."
    findings.append(Finding("rows", "note", message))
    overlaps = [(run.log.run, run.log.overlap) for run in runs if run.log.overlap is not None]
    if overlaps:
        name, first = overlaps[0]
        message = (
            f"Restarts logged some steps of {counted(len(overlaps), 'run')} twice; the later values count (run {name}: "
            f"{counted(first.points, 'value')} between steps {first.start:.0f} and {first.end:.0f} replaced)."
        )
        findings.append(Finding("overlapping-restarts", "warn", message))
    notes = Counter(note for run in runs for note in run.log.notes)
    for note, count in notes.items():
        times = f" ({counted(count, 'run')})" if count > 1 else ""
        findings.append(Finding("log-note", "note", f"{note}{times}"))
    return findings
