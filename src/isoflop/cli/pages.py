"""Pages that several commands print: a fit on one screen, and the outcome of a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from isoflop.quantities import format_number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.fitting.fit import Fit
    from isoflop.studies.analyses.analysis import Analysis
    from isoflop.studies.driver import StudyOutcome
    from isoflop.studies.result import HeldOutResult


def fit_page(fitted: Fit) -> Iterator[RenderableType]:
    """The law with its intervals and its numbers, weak constants, certificate, back-test, and every finding."""
    from rich.text import Text

    from isoflop.fitting.weak import weak_constants
    from isoflop.forecasting.calibration import calibrate
    from isoflop.reporting.sparkline import profile_lines
    from isoflop.reporting.tables import findings_lines, fit_table
    from isoflop.reporting.words import formula_with_numbers

    yield fit_table(fitted)
    yield Text(f"{fitted.law.output} = {formula_with_numbers(fitted)}", "bold", no_wrap=True)
    yield from profile_lines(weak_constants(fitted), fitted.level, stacked=bool(fitted.members))
    yield certificate_line(fitted)
    if len(fitted.ensemble):
        yield str(calibrate(fitted))
    yield from findings_lines(fitted.findings)


def certificate_line(fitted: Fit) -> str:
    """What proves the optimum, in one line."""
    evidence = fitted.certificate
    condition = "" if evidence.condition is None else f", condition {evidence.condition:.0e}"
    return (
        f"{fitted.status.value.capitalize()}: relative gradient {evidence.gradient:.0e}, {evidence.agreeing} of "
        f"{evidence.starts} starts agree{condition}."
    )


def study_page(outcome: StudyOutcome) -> Iterator[RenderableType]:
    """The law of the ladder; then forecast, interval and outcome side by side; then where everything is."""
    if outcome.analysis is not None:
        yield from analysis_page(outcome.analysis)
    if outcome.fit is not None:
        yield from fit_page(outcome.fit)
    if outcome.fit is not None and outcome.forecast is not None:
        from isoflop.reporting.tables import findings_lines

        yield _held_out_table(outcome.held_out, outcome.forecast.level)
        yield f"The forecast was written on {outcome.forecast.written} to {outcome.forecast.path}."
        told = set(outcome.fit.findings)
        yield from findings_lines(finding for finding in outcome.forecast.findings if finding not in told)
    counts = outcome.counts
    if counts.failed or counts.diverged:
        yield f"{counts.failed} runs failed and {counts.diverged} diverged; {counts.done} are done."
    if outcome.report is None:
        yield 'There is no report, since the chart library is not installed: run pip install "isoflop[report]".'
    else:
        yield f"Report: {outcome.report}"


def analysis_page(analysis: Analysis) -> Iterator[RenderableType]:
    """Our numbers beside the published ones, what they rest on, and what to make of it."""
    from rich.table import Table
    from rich.text import Text

    from isoflop.reporting.tables import findings_lines
    from isoflop.studies.analysis_page import measured_cells

    table = Table(title=Text(analysis.law), title_justify="left", title_style="bold", header_style="bold")
    for name in ("number", "here", "published", "note"):
        table.add_column(name, overflow="fold")
    for item in analysis.measured:
        table.add_row(*(Text(cell) for cell in measured_cells(item)))
    yield table
    yield from findings_lines(analysis.warnings)
    yield analysis.verdict


def _held_out_table(rows: tuple[HeldOutResult, ...], level: float) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from isoflop.reporting.tables import count_text, interval_text

    title = Text("What was forecast, and what came")
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for name in ("model size", "tokens", "forecast", f"{level:.0%} interval", "outcome", "error", ""):
        table.add_column(name, justify="right", no_wrap=True)
    verdicts = {True: Text("inside", style="green"), False: Text("outside", style="bold red"), None: Text("no loss")}
    for row in rows:
        table.add_row(
            count_text(row.params),
            count_text(row.tokens),
            format_number(row.forecast.value, 4),
            interval_text(row.forecast),
            "–" if row.actual is None else format_number(row.actual, 4),
            "–" if row.error is None else f"{row.error:+.2%}",
            verdicts[row.covered],
        )
    return table
