"""The charts of a report: which of them the values allow, in which order, with what to read in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from isoflop.fitting.fit import Fit
from isoflop.fitting.weak import weak_constants
from isoflop.forecasting.calibration import Calibration
from isoflop.quantities import format_number
from isoflop.reporting.charts import (
    allocation,
    forecast,
    isoflops,
    learning_curves,
    loss_against_data,
    loss_against_input,
    loss_against_size,
    outcomes,
    profile,
    residuals,
)
from isoflop.reporting.charts.parts import Chart
from isoflop.reporting.charts.rows import Data
from isoflop.reporting.inputs import HeldOut, ReportInputs
from isoflop.reporting.words import measure

ZOOM_HINT = (
    "Hover to see a run. Click a name in the legend to keep it. Ctrl + wheel zooms, dragging moves, a double click "
    "resets."
)


@dataclass(frozen=True, eq=False)
class Figure:
    """A chart with its title, what to read in it, and its numbers; `wide` charts take a whole line of the page."""

    name: str
    title: str
    caption: str
    chart: Chart
    data: Data
    wide: bool = False


def headline_figures(inputs: ReportInputs, calibration: Calibration) -> tuple[Figure, ...]:
    """The picture of forecast against outcome, and test by test the intervals and what came."""
    return tuple(_headline_figures(inputs, calibration))


def body_figures(inputs: ReportInputs) -> tuple[Figure, ...]:
    """The charts that explain the fit."""
    return tuple(_body_figures(inputs))


def limit_figures(inputs: ReportInputs) -> tuple[Figure, ...]:
    """The profiles of the weakest constants: what the data cannot tell of them."""
    return tuple(_limit_figures(inputs))


def held_out_names(held_out: tuple[HeldOut, ...]) -> list[str]:
    """What each held-out run is called: its name, else its size and tokens."""
    given = forecast.labels([item.outcome for item in held_out])
    return [item.name or label for item, label in zip(held_out, given, strict=True)]


def output_label(inputs: ReportInputs) -> str:
    """What the axis of the law's output is called."""
    output, unit = inputs.fit.law.output, measure(inputs)
    return f"{output} ({unit})" if unit else output


def _headline_figures(inputs: ReportInputs, calibration: Calibration) -> Iterator[Figure]:
    fit, label = inputs.fit, output_label(inputs)
    named = list(zip(held_out_names(inputs.held_out), (item.outcome for item in inputs.held_out), strict=True))
    if named and forecast.can_draw(fit):
        data = forecast.data(fit, named, calibration)
        yield Figure(
            "forecast",
            "Forecast and outcome",
            "Dots are the runs that were fitted, lines the law at each size. The dashed line is the law at the size "
            f"that was held out, the band its {fit.level:.0%} prediction interval, the bar the forecast. The diamond "
            "is what came.",
            forecast.chart(data, fit, label),
            data,
            wide=True,
        )
    labels = forecast.labels([outcome for _, outcome in named])
    tests = [(label, "held out", outcome) for label, (_, outcome) in zip(labels, named, strict=True)]
    if inputs.verdict is not None:
        hidden = inputs.verdict.outcomes
        tests += [
            (label, "back-test inside the data", outcome)
            for label, outcome in zip(forecast.labels(hidden), hidden, strict=True)
        ][-_MOST_TESTS:]
    if len(tests) > 1:
        data = outcomes.data(tests)
        which = "The first line is" if len(named) == 1 else f"The first {len(named)} lines are"
        told = f"{which} held out; the others are fitted runs, hidden for a back-test. " if named else ""
        yield Figure(
            "outcomes",
            "Test by test",
            f"{told}The bar is the {fit.level:.0%} interval, zero the forecast, the mark what came.",
            outcomes.chart(data),
            data,
            wide=True,
        )


_MOST_TESTS = 24


def _limit_figures(inputs: ReportInputs) -> Iterator[Figure]:
    fit, level = inputs.fit, f"{inputs.fit.level:.0%}"
    for item in weak_constants(fit):
        owner = f" of {item.law}" if fit.members else ""
        sides = [side for side, there in (("below", item.open_below), ("above", item.open_above)) if there]
        told = f" No value {' or '.join(sides)} is refuted, however far." if sides else ""
        drawn = profile.data(item, fit.level)
        yield Figure(
            f"profile-{item.parameter.name}",
            f"How well {item.parameter.name}{owner} is known",
            f"The misfit as it moves and all other constants follow; above the dashed line it is refuted at {level}."
            f"{told}",
            profile.chart(drawn, log=item.log),
            drawn,
        )


def _body_figures(inputs: ReportInputs) -> Iterator[Figure]:
    label = output_label(inputs)
    if learning_curves.can_draw(inputs.runs):
        curves = learning_curves.data(inputs.fit, inputs.runs)
        yield Figure(
            "learning-curves",
            "Learning curves",
            "Training loss against compute spent, each point a mean over the fifth of the steps before it; the dot at "
            "the end is the loss on held-out text. The dashed line is the least loss the law expects from each budget: "
            "each run should end on it or above.",
            learning_curves.chart(curves, label),
            curves,
            wide=True,
        )
    yield from _law_figures(inputs.fit, label)
    yield from _check_figures(inputs.fit)


def _law_figures(fit: Fit, label: str) -> Iterator[Figure]:
    """The law along each of its inputs, and slices at fixed compute where it has two."""
    level = f"{fit.level:.0%}"
    if loss_against_size.can_draw(fit):
        by_size, by_data = loss_against_size.data(fit), loss_against_data.data(fit)
        yield Figure(
            "loss-against-size",
            "Loss against model size",
            f"The law along each token budget with its {level} band; dots are runs.",
            loss_against_size.chart(by_size, label),
            by_size,
        )
        yield Figure(
            "loss-against-data",
            "Loss against data",
            f"The law along each model size with its {level} band; dots are runs.",
            loss_against_data.chart(by_data, fit, label),
            by_data,
        )
        slices = isoflops.data(fit)
        yield Figure(
            "isoflops",
            "IsoFLOP slices",
            "At a fixed compute, a larger model sees less data. The triangle marks the best size of each budget; dots "
            "are runs near that budget.",
            isoflops.chart(slices, label),
            slices,
        )
    elif loss_against_input.can_draw(fit):
        single = loss_against_input.data(fit)
        yield Figure(
            "loss-against-input",
            f"Loss against {fit.law.inputs[0].meaning}",
            f"The law with its {level} band; dots are runs.",
            loss_against_input.chart(single, fit, label),
            single,
        )


def _check_figures(fit: Fit) -> Iterator[Figure]:
    """Where runs lie beside the law, and what it makes of a budget."""
    if residuals.can_draw(fit):
        left = residuals.data(fit)
        largest = max(abs(row["residual"]) for row in left["runs"])
        yield Figure(
            "residuals",
            "Residuals",
            f"How far each run lies from the law, at most {format_number(largest, 2)}%. A pattern along compute or by "
            "size would say that the law bends where the runs do not.",
            residuals.chart(left, fit),
            left,
        )
    if allocation.can_draw(fit):
        best = allocation.data(fit)
        yield Figure(
            "allocation",
            "Compute-optimal model size and data",
            f"The N and D of least loss at each budget, with {fit.level:.0%} bands. Right of the dashed line nothing "
            "was measured.",
            allocation.chart(best),
            best,
            wide=True,
        )
