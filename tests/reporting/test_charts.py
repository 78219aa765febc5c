"""Charts: the rows they are made of, and that every one of them compiles and draws."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import vl_convert

from isoflop.errors import UsageError
from isoflop.fitting.estimation import fit
from isoflop.readers.examples import example_runs
from isoflop.reporting.charts import allocation, forecast, isoflops, loss_against_data, residuals
from isoflop.reporting.charts.rows import run_rows, size_groups
from isoflop.reporting.contents import round_budgets
from isoflop.reporting.export import csv_text, file_spec, save_chart
from isoflop.reporting.figures import body_figures, headline_figures, limit_figures
from isoflop.reporting.theme import DARK, LIGHT, ramp
from isoflop.runs.table import RunTable
from tests.reporting.report_values import CALIBRATION, THETA, fit_by_hand, held_out, inputs

VALUES = inputs(held_out(1.955), held_out(2.04))
FIGURES = (*headline_figures(VALUES, CALIBRATION), *body_figures(VALUES))


@pytest.mark.parametrize("figure", FIGURES, ids=[figure.name for figure in FIGURES])
def test_every_chart_compiles_to_vega(figure: object) -> None:
    spec = file_spec(figure.chart, width=400, palette=DARK)  # type: ignore[attr-defined]
    assert "var(--" not in json.dumps(spec)
    assert vl_convert.vegalite_to_vega(spec)["marks"]


def test_the_profile_of_a_weak_constant_is_drawn() -> None:
    weak = replace(VALUES, fit=fit("chinchilla", example_runs(), where="held_out == 0", draws=100))
    figures = limit_figures(weak)
    assert {figure.name for figure in figures} == {"profile-alpha", "profile-E"}
    for figure in figures:
        assert vl_convert.vegalite_to_vega(file_spec(figure.chart, width=400, palette=LIGHT))["marks"]
        misfits = [row["misfit"] for row in figure.data["profile"]]
        assert min(misfits) < 0.1 and max(misfits) > 1.0 and "refuted at 90%" in figure.caption
    assert limit_figures(VALUES) == ()


def test_the_forecast_is_drawn_as_svg_and_png(tmp_path: Path) -> None:
    chart = FIGURES[0].chart
    svg = save_chart(chart, tmp_path / "forecast.svg", title="A forecast").read_text(encoding="utf-8")
    assert svg.startswith("<svg") and "outcome 1.955" in svg and LIGHT.colours["forecast"] in svg
    assert save_chart(chart, tmp_path / "forecast.png", width=300).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        save_chart(chart, tmp_path / "forecast.gif")


def test_rows_name_the_run_and_its_quantities() -> None:
    row = run_rows(fit_by_hand())[0]
    assert row["run"] == "run-0" and row["model size"] == "4k" and row["compute"] == pytest.approx(6 * 4e3 * 5e5)
    assert row["loss"] / row["fitted"] - 1.0 == pytest.approx(row["residual"] / 100.0, abs=1e-5)


def test_the_band_ends_in_the_forecast_of_that_run() -> None:
    fit, item = fit_by_hand(), held_out(1.955)
    last = forecast.data(fit, [("held", item.outcome)], CALIBRATION)["band"][-1]
    assert last["compute"] == pytest.approx(item.outcome.compute, rel=1e-5)
    assert last["low"] < last["loss"] < last["high"]


def test_minima_lie_lowest_on_their_slices() -> None:
    tables = isoflops.data(fit_by_hand())
    for least in tables["minima"]:
        on_slice = [row["loss"] for row in tables["slices"] if row["budget"] == least["budget"]]
        assert least["loss"] <= min(on_slice) + 1e-6
        assert least["params"] * least["tokens"] * 6 == pytest.approx(least["compute"], rel=1e-4)


def test_optima_follow_the_exponents_of_the_law() -> None:
    rows = [row for row in allocation.data(fit_by_hand())["optimum"] if row["quantity"].startswith("model")]
    first, last = rows[0], rows[-1]
    slope = np.log(last["count"] / first["count"]) / np.log(last["compute"] / first["compute"])
    alpha, beta = THETA[3], THETA[4]
    assert slope == pytest.approx(beta / (alpha + beta), abs=1e-3)
    assert all(row["low"] <= row["count"] <= row["high"] for row in rows)


def test_the_law_passes_through_runs_without_error() -> None:
    fit = fit_by_hand()
    tables = loss_against_data.data(fit)
    sizes = {row["size"] for row in tables["law"]}
    assert sizes == {"4k", "8k", "16k", "32k"} == {row["size"] for row in tables["runs"]}
    assert max(abs(row["residual"]) for row in residuals.data(fit)["runs"]) == pytest.approx(0.2, abs=0.01)


def test_many_sizes_are_joined_into_eight_groups() -> None:
    sizes = np.geomspace(1e6, 1e9, 50)
    groups = size_groups(RunTable.from_columns({"params": sizes, "loss": np.ones(50)}))
    assert len(groups.labels) == 8
    assert {groups.label(size) for size in sizes} == set(groups.labels)
    assert groups.label(1e12) == groups.labels[-1]


@pytest.mark.parametrize(("low", "high"), [(1e18, 1e21), (3.2e9, 4.4e9), (2e10, 1.6e12)])
def test_budgets_are_round_and_reach_two_decades_beyond(low: float, high: float) -> None:
    budgets = round_budgets(low, high)
    assert len(budgets) >= 4
    assert budgets.max() <= high * 100 and budgets.min() >= low
    assert budgets.max() > high * 10


def test_data_of_a_chart_are_a_csv_table() -> None:
    text = csv_text([{"run": "a,b", "loss": 1.5}, {"run": "c", "size": "4k"}])
    assert text == 'run,loss,size\n"a,b",1.5,\nc,,4k\n'


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda palette: palette.name)
def test_colours_can_be_told_from_the_paper(palette: object) -> None:
    colours, paper = palette.lookup(), palette.colours["paper"]  # type: ignore[attr-defined]
    for name in ("ink", "muted", "accent", "good", "bad", "caution"):
        assert contrast(colours[name], paper) >= 4.5, name
    for name in (*(f"ramp-{step}" for step in range(8)), "forecast", "outcome"):
        assert contrast(colours[name], paper) >= 3.0, name


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda palette: palette.name)
def test_larger_sizes_stand_out_more(palette: object) -> None:
    paper = palette.colours["paper"]  # type: ignore[attr-defined]
    steps = [contrast(colour, paper) for colour in palette.ramp]  # type: ignore[attr-defined]
    assert steps == sorted(steps)
    assert ramp(1) and len(set(ramp(8))) == 8


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours as WCAG 2 defines it."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255.0 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
