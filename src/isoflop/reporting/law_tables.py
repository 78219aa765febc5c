"""Terminal tables of a comparison of laws, made with rich."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from isoflop.forecasting.comparison import Comparison
from isoflop.forecasting.prediction import Point
from isoflop.quantities import format_count, format_number
from isoflop.reporting.numbers import percent
from isoflop.reporting.tables import interval_text, reach_text


def laws_table(comparison: Comparison) -> Table:
    """The laws, the best first: errors on hidden larger runs, weight, and what each says of the run to come.

    Example:
        >>> from isoflop.forecasting.comparison import compare
        >>> from isoflop.readers.examples import example_runs
        >>> laws_table(compare(example_runs(), ["chinchilla", "chinchilla-tied"], draws=20)).row_count
        2
    """
    tested = f"{comparison.hidden} outcomes, {comparison.cuts} cuts" if comparison.cuts else "none could be hidden"
    title = Text(f"Laws by their errors on hidden larger runs ({tested})")
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column("law", no_wrap=True)
    for name in ("parameters", "median error", "mean error", "weight", f"its {comparison.fit.law.output}"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in comparison.laws:
        table.add_row(
            Text(item.law),
            str(item.parameters),
            _error(item.median_abs_error),
            _error(item.mean_abs_error),
            f"{item.weight:.0%}" if item.weight else "–",
            "–" if item.forecast is None else format_number(item.forecast, 4),
        )
    return table


def together_sentence(comparison: Comparison) -> str:
    """What the weighted laws forecast together, with an interval that carries their spread, and where."""
    ahead = comparison.forecast
    if ahead is None:
        return "No run is forecast: there are no draws, or the compute of the runs is not known."
    point = ahead.points[0]
    reach = point.decades_beyond_data
    far = "" if reach is None or reach <= 0 else f", {reach_text(reach)} the largest compute of the data"
    return (
        f"Together they forecast {ahead.output} {format_number(point.loss.value, 4)} {interval_text(point.loss)} "
        f"({ahead.level:.0%}, spread of the laws included) at {_place(point)}{far}."
    )


def _place(point: Point) -> str:
    if point.params is not None and point.tokens is not None:
        return f"{format_count(point.params)} parameters on {format_count(point.tokens)} tokens"
    named = {"parameters": point.params, "tokens": point.tokens}
    told = [f"{format_count(value)} {name}" for name, value in named.items() if value is not None]
    return told[0] if told else f"{format_number(point.compute)} FLOP"


def _error(value: float | None) -> str:
    return "–" if value is None else percent(value)
