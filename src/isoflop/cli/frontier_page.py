"""The page of a fit by isoflops or envelope: the minima, the two power laws, the bias, every finding."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from isoflop.fitting.frontier_fit import FORMULA, MEANINGS, FrontierFit
from isoflop.quantities import format_count, format_number

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from isoflop.quantities import Estimate

_MOST_ROWS = 20


def frontier_page(fitted: FrontierFit, out: Path | None) -> Iterator[RenderableType]:
    """Everything a person needs to judge the fit, and the command that comes next."""
    from isoflop.reporting.tables import findings_lines

    yield minima_table(fitted)
    if len(fitted.minima) > _MOST_ROWS:
        yield f"The first {_MOST_ROWS} of {len(fitted.minima)} minima; --json gives all."
    yield laws_table(fitted)
    yield loss_line(fitted)
    yield bias_line(fitted)
    yield from findings_lines(fitted.findings)
    larger = format_number(100.0 * max(item.compute for item in fitted.minima), 2)
    command = f"isoflop forecast {shlex.quote(str(out or 'fit.json'))} --compute {larger}"
    yield f"Next: {command}" if out else f"Next: keep the fit with --out fit.json, then {command}"


def minima_table(fitted: FrontierFit) -> Table:
    """The best size, data and loss at each compute."""
    title = "Best model at each budget" if fitted.method == "isoflops" else "Models on the envelope"
    table = _table(title)
    for name in ("compute", "model size", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
        if name != "compute" and fitted.method == "isoflops":
            table.add_column(f"{fitted.level:.0%} interval", no_wrap=True)
    table.add_column("loss", justify="right", no_wrap=True)
    table.add_column("runs", justify="right")
    for item in fitted.minima[:_MOST_ROWS]:
        cells = [format_number(item.compute)]
        for side in (item.params, item.tokens):
            cells += [format_count(side.value), *([_counts(side)] if fitted.method == "isoflops" else [])]
        table.add_row(*cells, format_number(item.loss, 4), str(item.runs))
    return table


def laws_table(fitted: FrontierFit) -> Table:
    """The coefficients and exponents of the two power laws."""
    from isoflop.reporting.tables import interval_text

    table = _table(f"Compute-optimal frontier: {FORMULA}")
    table.add_column("parameter", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column(f"{fitted.level:.0%} interval", no_wrap=True)
    table.add_column("meaning", style="dim")
    for name, item in fitted.params.items():
        table.add_row(name, format_number(item.value, 4), interval_text(item), MEANINGS[name])
    return table


def loss_line(fitted: FrontierFit) -> str:
    """The loss along the frontier in one line, or why it is not known."""
    if fitted.loss_law is None:
        return f"Loss along the frontier: not fitted. {fitted.loss_reason}"
    numbers = ", ".join(f"{name} = {value}" for name, value in fitted.loss_law.params.items())
    return f"Loss along the frontier: {fitted.loss_law.law.formula} with {numbers}."


def bias_line(fitted: FrontierFit) -> str:
    """The error of the method without noise in one line, or why it is not known."""
    if fitted.bias is None:
        return f"Bias of the method on this grid: not measured. {fitted.bias_reason}"
    bias = fitted.bias
    return (
        f"Bias of the method on this grid, without noise: exponent of N {bias.params_exponent:+.4f}, optimal size at "
        f"{format_number(bias.compute)} FLOP {bias.params_at_largest:+.1%} (exact exponent {bias.exact_exponent:.4f} "
        "of the Chinchilla surface fitted to the same runs)."
    )


def _counts(side: Estimate) -> str:
    if side.low is None or side.high is None:
        return "–"
    return f"[{format_count(side.low)}, {format_count(side.high)}]"


def _table(title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    return Table(title=Text(title), title_justify="left", title_style="bold", header_style="bold")
