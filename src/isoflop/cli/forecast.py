"""`isoflop forecast`: a saved fit in, the loss of runs nobody has trained out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop import records
from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.errors import InputError, UsageError
from isoflop.quantities import parse_quantity

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.fitting.fit import Fit
    from isoflop.fitting.frontier_fit import FrontierFit
    from isoflop.forecasting.prediction import Forecast
    from isoflop.runs.table import RunTable

SCHEMA = "isoflop.forecast/1"


@click.command("forecast")
@click.argument("fit_path", metavar="FIT", type=click.Path(path_type=Path))
@click.option(
    "--params",
    metavar="N",
    callback=options.quantity("count"),
    multiple=True,
    help="Model size, such as 7B; repeatable.",
)
@click.option(
    "--tokens", metavar="D", callback=options.quantity("tokens"), multiple=True, help="Training tokens, such as 1.4T."
)
@click.option(
    "--compute",
    metavar="C",
    callback=options.quantity("compute"),
    multiple=True,
    help="FLOP such as 6e23 instead, spent in the optimal way.",
)
@click.option("--at", metavar="COL=VALUE", multiple=True, help="Value of another input column of the law; repeatable.")
@click.option("--table", type=click.Path(), help="A table of points with columns params and tokens, or compute.")
@options.level(None)
@options.out(None, "the forecast")
@options.answering
def command(
    fit_path: Path,
    params: tuple[float, ...],
    tokens: tuple[float, ...],
    compute: tuple[float, ...],
    at: tuple[str, ...],
    table: str | None,
    level: float | None,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Forecast the loss of a run nobody has trained, with an interval.

    The interval is for the outcome of one run: it adds the uncertainty of the law, the scatter of runs around it, and
    how much such intervals proved too narrow when the largest runs of the data were hidden.

    \b
    Examples:
      isoflop forecast fit.json --params 70B --tokens 1.4T
      isoflop forecast fit.json --compute 5.76e23
      isoflop forecast published:hoffmann2022-approach3 --params 70B --tokens 1.4T
      isoflop forecast fit.json --table points.csv --json
    """
    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        fitted = _load(fit_path)
        points, told = _points(fitted, params, tokens, compute, _others(at), table)
        result = _forecast(fitted, points, level)
        if told is not None:
            result = replace(result, findings=(*result.findings, *told.findings))
        return deliver(result, delivery, lambda: _page(result))


def _forecast(fitted: Fit | FrontierFit, points: dict[str, Any], level: float | None) -> Forecast:
    from isoflop.fitting.fit import Fit
    from isoflop.forecasting.frontier_prediction import forecast_frontier
    from isoflop.forecasting.prediction import forecast

    if isinstance(fitted, Fit):
        return forecast(fitted, **points, level=level)
    if set(points) != {"compute"}:
        raise UsageError(f"forecast: a fit by {fitted.method} is of the frontier alone: give --compute, such as 6e23.")
    return forecast_frontier(fitted, **points, level=level)


def _load(path: Path) -> Fit | FrontierFit:
    from isoflop.fitting.fit import SCHEMA as FIT_SCHEMA
    from isoflop.fitting.fit import load_fit
    from isoflop.fitting.frontier_fit import is_frontier_record, load_frontier_fit
    from isoflop.fitting.published_fit import PREFIX, fit_from

    if str(path).startswith(PREFIX):
        return fit_from(path)
    try:
        record = records.read_record(path, FIT_SCHEMA)
    except InputError as error:
        if not path.is_file():
            raise
        fit_first = f"isoflop fit {shlex.quote(str(path))} --out fit.json"
        raise InputError(f"{path} is not a saved fit: if it holds runs, fit them first: {fit_first}") from error
    return load_frontier_fit(path) if is_frontier_record(record) else load_fit(path)


def _points(
    fitted: Fit | FrontierFit,
    params: tuple[float, ...],
    tokens: tuple[float, ...],
    compute: tuple[float, ...],
    at: dict[str, list[float]],
    table: str | None,
) -> tuple[dict[str, Any], RunTable | None]:
    """The points to forecast, by column, and the table they come from if they do."""
    given = {"params": params, "tokens": tokens, "compute": compute}
    if table is None:
        return {**{name: values for name, values in given.items() if values}, **({"at": at} if at else {})}, None
    if at or any(given.values()):
        raise UsageError("--table and --params, --tokens, --compute both say what to forecast: give one of them.")
    from isoflop.fitting.fit import Fit
    from isoflop.readers.read import read_runs

    columns = fitted.law.columns if isinstance(fitted, Fit) else ("compute",)
    told = read_runs(table, y=columns[0])
    wanted = columns if all(told.has(name) for name in columns) else ("compute",)
    points: dict[str, Any] = {name: told.numbers(name) for name in wanted if name in given}
    others = {name: told.numbers(name) for name in wanted if name not in given}
    return {**points, **({"at": others} if others else {})}, told


def _others(at: tuple[str, ...]) -> dict[str, list[float]]:
    """`--at COL=VALUE` by column."""
    values: dict[str, list[float]] = {}
    for text in at:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--at {text!r} must be COLUMN=VALUE, such as samples_seen=13B.")
        values.setdefault(name.strip(), []).append(parse_quantity(value, "count", f"--at {name}", signed=True))
    return values


def _page(result: Forecast) -> Iterator[RenderableType]:
    from isoflop.reporting.tables import findings_lines, forecast_table

    yield forecast_table(result)
    yield str(result.calibration)
    yield from findings_lines(result.findings)
