"""Tables and lines for the terminal, made with rich; the chart library is not needed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from isoflop.findings import Finding, by_weight
from isoflop.fitting.fit import Fit
from isoflop.forecasting.backtest import Outcome, Verdict
from isoflop.forecasting.prediction import Forecast
from isoflop.quantities import Estimate, format_count, format_number
from isoflop.reporting.members import member_rows

_EXPONENTS = {
    "params_exponent": "optimal model size grows as compute to this power",
    "tokens_exponent": "optimal data grows as compute to this power",
}
_LABELS = {"refuse": ("refused", "bold red"), "warn": ("warning", "yellow"), "note": ("note", "cyan")}


def fit_table(fit: Fit) -> Table:
    """The parameters of a fit and the exponents of its frontier: value, interval, meaning.

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> fit_table(fit("chinchilla", read_runs(example_runs()), draws=0)).row_count
        7
    """
    table = _table(f"{fit.law.title}: {fit.law.output} = {fit.formula}")
    if fit.members:
        return _members_table(fit)
    table.add_column("parameter", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column(f"{fit.level:.0%} interval", no_wrap=True)
    table.add_column("meaning", style="dim")
    for parameter in fit.law.parameters:
        estimate = fit.params[parameter.name]
        table.add_row(
            Text(parameter.name), format_number(estimate.value, 5), interval_text(estimate), Text(parameter.meaning)
        )
    for name, estimate in fit.frontier.items():
        table.add_row(name, format_number(estimate.value, 4), interval_text(estimate), _EXPONENTS[name])
    return table


def _members_table(fit: Fit) -> Table:
    """The laws of a stack: how wrong each was on larger runs it had not seen, and how much it counts."""
    table = _table(f"{fit.law.title}, weighed by their errors on larger runs they had not seen")
    table.add_column("law", no_wrap=True)
    table.add_column("weight", justify="right", no_wrap=True)
    table.add_column("error", justify="right", no_wrap=True)
    table.add_column(f"{fit.law.output} =", overflow="fold")
    for row in member_rows(fit):
        table.add_row(row.name, row.weight, row.error, Text(row.formula))
    for name, estimate in fit.frontier.items():
        text = f"{format_number(estimate.value, 4)} {interval_text(estimate)}  {_EXPONENTS[name]}"
        table.add_row(name, "", "", Text(text))
    return table


def forecast_table(forecast: Forecast) -> Table:
    """The points of a forecast with their intervals and their distance from the data."""
    table = _table(f"Forecast by {forecast.law}")
    for name in ("model size", "tokens", "compute", forecast.output):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"{forecast.level:.0%} interval", no_wrap=True)
    table.add_column("compute beyond the data", justify="right")
    for point in forecast.points:
        table.add_row(
            count_text(point.params),
            count_text(point.tokens),
            format_number(point.compute),
            format_number(point.loss.value, 4),
            interval_text(point.loss),
            reach_text(point.decades_beyond_data),
        )
    return table


def outcome_table(outcomes: Sequence[Outcome]) -> Table:
    """Forecast, interval and outcome side by side."""
    table = _table("Forecast and outcome")
    for name in ("model size", "tokens", "forecast"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("interval", no_wrap=True)
    table.add_column("outcome", justify="right", no_wrap=True)
    table.add_column("error", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for outcome in outcomes:
        inside = Text("inside", style="green") if outcome.covered else Text("outside", style="bold red")
        table.add_row(
            count_text(outcome.params),
            count_text(outcome.tokens),
            format_number(outcome.forecast.value, 4),
            interval_text(outcome.forecast),
            format_number(outcome.actual, 4),
            f"{outcome.error:+.2%}",
            inside,
        )
    return table


def findings_lines(findings: Iterable[Finding]) -> tuple[Text, ...]:
    """One line per finding, the heaviest first: what it is, the sentence, the code and the rows.

    Example:
        >>> findings_lines([Finding("few-runs", "warn", "Only 5 runs.", (2, 3))])[0].plain
        'warning: Only 5 runs. (few-runs; rows 2, 3)'
    """
    lines = []
    for finding in by_weight(findings):
        label, style = _LABELS[finding.severity]
        tail = finding.code + (f"; {rows_text(finding.rows)}" if finding.rows else "")
        lines.append(Text.assemble((f"{label}: ", style), finding.message, (f" ({tail})", "dim")))
    return tuple(lines)


def verdict_lines(verdict: Verdict) -> tuple[Text, ...]:
    """The back-test in a sentence, then its findings."""
    return (Text(str(verdict)), *findings_lines(verdict.findings))


def interval_text(estimate: Estimate) -> str:
    """The interval as `[low, high]`, a missing bound as `open`, nothing where there is no interval."""
    if estimate.low is None and estimate.high is None:
        return "–"
    bounds = ("open" if bound is None else format_number(bound, 4) for bound in (estimate.low, estimate.high))
    return f"[{', '.join(bounds)}]"


def count_text(value: float | None) -> str:
    """A count in three digits, a dash where it is not given."""
    return "–" if value is None else format_count(value)


def reach_text(decades: float | None) -> str:
    """How far a point lies beyond the data, as a multiple of the largest compute."""
    return "unknown" if decades is None else "none" if decades <= 0 else f"{format_number(10.0**decades, 2)}×"


def rows_text(rows: Sequence[int], most: int = 8) -> str:
    """Lines of a file, the first few of many."""
    shown = ", ".join(str(row) for row in rows[:most])
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"row{'s' if len(rows) > 1 else ''} {shown}{more}"


def _table(title: str) -> Table:
    return Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
