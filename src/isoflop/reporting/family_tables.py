"""Terminal tables of a comparison of recipes, made with rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from isoflop.forecasting.advantage import Advantage, times_text
from isoflop.forecasting.families import FamilyComparison
from isoflop.quantities import Estimate, format_number
from isoflop.reporting.numbers import loss_text
from isoflop.reporting.tables import reach_text


def families_table(comparison: FamilyComparison, answered: Sequence[Advantage]) -> Table:
    """Each answered family: its multiplier over the baseline, and how that changes with compute.

    Example:
        >>> from isoflop.forecasting.families import compare_families
        >>> size, data = [1e7, 2e7, 4e7, 8e7, 1.6e8], [1e9, 4e9, 2e9, 8e9, 4e9]
        >>> loss = [1.7 + 400 / n**0.34 + 1500 / d**0.37 for n, d in zip(size, data)]
        >>> runs = {"params": size * 2, "tokens": data * 2, "loss": [*loss, *(0.99 * value for value in loss)],
        ...         "family": ["plain"] * 5 + ["better"] * 5}
        >>> result = compare_families(runs, draws=0)
        >>> families_table(result, result.advantages).row_count
        1
    """
    title = f"How much compute {comparison.baseline} needs to match each {comparison.by}"
    level = f"{comparison.settings.level:.0%} interval"
    table = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
    table.add_column(Text(comparison.by))
    for name in ("runs", "twins", "at FLOP"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(f"multiplier, {level}", no_wrap=True)
    table.add_column("per decade of compute", no_wrap=True)
    table.add_column("trend", no_wrap=True)
    for item in answered:
        trend = item.trend_per_decade
        table.add_row(
            Text(item.family),
            str(item.runs),
            str(item.twins),
            format_number(item.at_compute, 2),
            times_text(item.multiplier),
            "–" if trend is None else times_text(trend),
            "not known" if trend is None else item.direction,
        )
    return table


def reading_hint(comparison: FamilyComparison) -> str:
    """How to read the tables, in two sentences."""
    return (
        f"Above 1×, {comparison.baseline} needs more compute, so the other is better. Twins are runs of equal size and "
        "data: what they share cancels."
    )


def points_table(comparison: FamilyComparison, answered: Sequence[Advantage]) -> Table:
    """Losses of both recipes at some computes, the gap between them and the multiplier there."""
    title = f"Loss at equal compute, and the multiplier there ({comparison.settings.level:.0%} intervals)"
    table = Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
    table.add_column(Text(comparison.by))
    table.add_column("FLOP", justify="right", no_wrap=True)
    for name in (comparison.baseline, "loss", "gap"):
        table.add_column(Text(name), justify="right", no_wrap=True)
    table.add_column("multiplier", no_wrap=True)
    table.add_column("beyond", justify="right")
    for item in answered:
        for point in item.points:
            table.add_row(
                Text(item.family),
                format_number(point.compute, 2),
                loss_text(point.baseline_loss),
                loss_text(point.loss),
                _gap(point.gap),
                times_text(point.multiplier),
                reach_text(point.decades_beyond),
            )
    return table


def _gap(value: Estimate) -> str:
    """A difference of losses with its interval, signs written out."""
    if value.low is None or value.high is None:
        return f"{value.value:+.4f}"
    return f"{value.value:+.4f} [{value.low:+.4f}, {value.high:+.4f}]"
