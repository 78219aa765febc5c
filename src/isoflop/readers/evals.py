"""Benchmark results joined to the runs they belong to, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from isoflop.findings import Finding
from isoflop.readers.log import RunLog
from isoflop.readers.wording import counted, listed
from isoflop.runs.table import RunTable


def join_evals(table: RunTable, results: Sequence[RunLog]) -> RunTable:
    """`table` with the scores of `results` in columns `eval:TASK`, in the rows whose run bears the model's name.

    A model is called by the last part of its path, or the folder of its results. What fits no run, or several, is named
    and left out.
    """
    if not results or not table.has("run"):
        return table
    rows: dict[str, list[int]] = {}
    for place, run in enumerate(table["run"]):
        if name := _last(str(run)):
            rows.setdefault(name, []).append(place)
    columns: dict[str, np.ndarray] = {}
    lost: list[str] = []
    joined = 0
    for result in results:
        places = _places(result, rows)
        runs = {table["run"][place] for place in places}
        if len(runs) != 1:
            lost.append(result.run)
            continue
        joined += 1
        for name, value in result.evals.items():
            columns.setdefault(name, np.full(len(table), np.nan))[places] = value
    return table.with_columns(columns).with_findings(*_said(joined, lost))


def _last(path: str) -> str:
    return path.rstrip("/").replace("__", "/").rsplit("/", 1)[-1]


def _places(result: RunLog, rows: Mapping[str, list[int]]) -> list[int]:
    for name in (str(result.facts.get("model_path", "")), result.run, *reversed(result.source.split("/")[:-1])):
        if found := rows.get(_last(name)):
            return found
    return []


def _said(joined: int, lost: Sequence[str]) -> list[Finding]:
    findings = []
    if joined:
        message = f"Benchmark results of {counted(joined, 'model')} were joined to their runs."
        findings.append(Finding("evals-joined", "note", message))
    if lost:
        shown = f"{counted(len(lost), 'model')} ({listed(lost, 5)})"
        message = f"Benchmark results of {shown} fit no run by name, or several, and are left out."
        findings.append(Finding("evals-without-run", "warn", message))
    return findings
