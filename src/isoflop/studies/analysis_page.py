"""The page of an analysis in Markdown: what was asked, our numbers beside the published ones, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from isoflop.quantities import format_duration, format_flops, format_number
from isoflop.studies.analyses.analysis import Analysis, Measured
from isoflop.studies.study import Study


@dataclass(frozen=True)
class Circumstances:
    """How the runs behind an analysis came about."""

    text: str
    machine: str
    versions: str
    date: str
    runs: int
    flops: float
    cpu_seconds: float
    states: Mapping[str, int]


def markdown_page(analysis: Analysis, study: Study, told: Circumstances) -> str:
    """The page of an analysis; the same values give the same text."""
    return "\n".join(_lines(analysis, study, told)) + "\n"


def measured_cells(item: Measured) -> tuple[str, str, str, str]:
    """Name, our number with its interval, the published number with its source, and what is to be said."""
    ours = "–" if item.ours is None else str(item.ours)
    published = "no number" if item.published is None else format_number(item.published, 4)
    if not item.source:
        return item.name, ours, "" if item.published is None else published, item.note
    return item.name, ours, f"{published} ({item.source})", item.note


def _lines(analysis: Analysis, study: Study, told: Circumstances) -> Iterator[str]:
    yield f"# {study.name}"
    yield ""
    yield f"    {analysis.law}"
    yield ""
    yield from _table(("number", f"here, {study.fit.level:.0%} interval", "published", "note"),
                      [measured_cells(item) for item in analysis.measured])  # fmt: skip
    yield ""
    yield analysis.verdict
    yield ""
    bad = "".join(f", {count} {state}" for state, count in told.states.items() if count)
    yield (
        f"{told.runs} runs{bad}, {format_flops(told.flops)}, {format_duration(told.cpu_seconds)} of processor time; "
        f"seed {study.seed}; {told.text.rstrip('.')}. {told.machine}; {told.versions}; {told.date}."
    )
    for panel in analysis.panels:
        yield ""
        yield f"## {panel.title}"
        yield ""
        yield from _table(panel.columns, panel.rows)
    if analysis.warnings:
        yield ""
        yield "## What the fits warn of"
        yield ""
        for finding in analysis.warnings:
            refused = "refused: " if finding.severity == "refuse" else ""
            yield f"- {refused}{finding.message} ({finding.code})"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")
