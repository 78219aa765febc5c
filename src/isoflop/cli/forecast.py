"""`isoflop forecast`: a saved fit in, the loss of runs nobody has trained out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.errors import InputError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.fitting.fit import Fit
    from isoflop.forecasting.prediction import Forecast
    from isoflop.runs.table import RunTable

SCHEMA = "isoflop.forecast/1"


@click.command("forecast")
@click.argument("fit_path", metavar="FIT", type=click.Path(path_type=Path))
@click.option("--params", type=options.Quantity("count"), multiple=True, help="Model size, such as 7B; may be repeated.")
@click.option("--tokens", type=options.Quantity("tokens"), multiple=True, help="Training tokens, such as 1.4T.")
@click.option(
    "--compute", type=options.Quantity("compute"), multiple=True, help="FLOP instead, spent the optimal way: 6e23."
)
@click.option("--table", type=click.Path(), help="A table of points with columns params and tokens, or compute.")
@options.level(None)
@options.out(None, "the forecast")
@options.answering
def command(
    fit_path: Path,
    params: tuple[float, ...],
    tokens: tuple[float, ...],
    compute: tuple[float, ...],
    table: str | None,
    level: float | None,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    """Forecast the loss of a run nobody has trained, with an interval.

    The interval is for the outcome of one run: it adds the uncertainty of the law, the scatter of runs around it, and
    how much such intervals proved too narrow when the largest runs of the data were hidden.

    \b
    Examples:
      isoflop forecast fit.json --params 70B --tokens 1.4T
      isoflop forecast fit.json --compute 5.76e23
      isoflop forecast fit.json --table points.csv --json
    """
    from isoflop.forecasting.prediction import forecast

    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        fitted = _load(fit_path)
        points, told = _points(fitted, params, tokens, compute, table)
        result = forecast(fitted, **points, level=level)
        if told is not None:
            result = replace(result, findings=(*result.findings, *told.findings))
        return deliver(result, delivery, lambda: _page(result))


def _load(path: Path) -> Fit:
    from isoflop.fitting.fit import load_fit

    try:
        return load_fit(path)
    except InputError as error:
        if not path.exists():
            raise
        fit_first = f"isoflop fit {shlex.quote(str(path))} --out fit.json"
        raise InputError(f"{str(error).rstrip('.')}. If it holds runs, fit them first: {fit_first}") from error


def _points(
    fitted: Fit, params: tuple[float, ...], tokens: tuple[float, ...], compute: tuple[float, ...], table: str | None
) -> tuple[dict[str, Any], RunTable | None]:
    """The points to forecast, by column, and the table they come from if they do."""
    given = {"params": params, "tokens": tokens, "compute": compute}
    if table is None:
        return {name: values for name, values in given.items() if values}, None
    if any(given.values()):
        raise UsageError("--table and --params, --tokens, --compute both say what to forecast: give one of them.")
    from isoflop.readers.read import read_runs

    told = read_runs(table, y="params")
    wanted = fitted.law.columns if all(told.has(name) for name in fitted.law.columns) else ("compute",)
    return {name: told.column(name) for name in wanted}, told


def _page(result: Forecast) -> Iterator[RenderableType]:
    from isoflop.reporting.tables import findings_lines, forecast_table

    yield forecast_table(result)
    yield str(result.calibration)
    yield from findings_lines(result.findings)
