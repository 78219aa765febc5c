"""The words of a report, compared with text that a person has read.

After a wanted change, run once with ISOFLOP_UPDATE_GOLDEN=1 and read what changed.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from isoflop.fitting.estimation import fit
from isoflop.forecasting.calibration import Calibration
from isoflop.quantities import Estimate
from isoflop.reporting import words
from isoflop.reporting.inputs import ReportInputs
from isoflop.reporting.numbers import bracketed, error_text, loss_text, percent
from tests.reporting.report_values import CALIBRATION, held_out, inputs

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "inside": inputs(held_out(1.955)),
    "outside": inputs(held_out(2.04)),
    "two": inputs(held_out(1.955), held_out(2.04, written="")),
    "none": inputs(),
}


def spoken(values: ReportInputs) -> str:
    parts = [
        words.headline(values),
        words.reach_sentence(values),
        words.backtest_sentence(CALIBRATION, None),
        *words.certificate_sentences(values.fit),
        "What this means",
        *words.what_it_means(values, CALIBRATION),
        "What it does not mean",
        *words.what_it_does_not_mean(values),
        words.cost_sentence(values.facts),
    ]
    return "\n".join(part for part in parts if part) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_the_words_are_those_that_were_read(name: str) -> None:
    place, text = GOLDEN / f"{name}.txt", spoken(CASES[name])
    if os.environ.get("ISOFLOP_UPDATE_GOLDEN"):
        place.write_text(text, encoding="utf-8")
    assert text == place.read_text(encoding="utf-8")


def test_a_forecast_that_failed_is_said_to_have_failed() -> None:
    text = spoken(CASES["outside"])
    assert "outside the 90% interval" in text
    assert "deserve about as much trust" not in text


def test_an_untested_interval_is_said_to_be_untested() -> None:
    said = words.backtest_sentence(Calibration(None, None, 0, 0.9), None)
    assert "not tested" in said


def test_a_late_forecast_has_no_time_of_writing() -> None:
    assert "written" not in words.reach_sentence(inputs(held_out(1.955, written="")))


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (loss_text(1.29), "1.290"),
        (percent(0.0995), "10%"),
        (percent(0.0094), "0.94%"),
        (error_text(0.0), "+0.00%"),
        (bracketed(Estimate(2.0)), "2.000"),
        (bracketed(Estimate(2.0, None, 2.5)), "2.000 [open, 2.500]"),
    ],
)
def test_numbers(said: str, text: str) -> None:
    assert said == text


def test_a_law_of_another_metric_is_not_spoken_of_as_loss() -> None:
    table = {"params": [1e6, 2e6, 4e6, 8e6, 16e6], "accuracy": [0.30, 0.36, 0.43, 0.52, 0.61]}
    fitted = fit("power", table, x=("params",), y="accuracy", objective="ls@value", draws=0)
    said = spoken(replace(inputs(), fit=fitted))
    assert "accuracy = " in said
    assert "loss" not in said and "nats" not in said and "token" not in said
    assert "5 runs of 1M to 16M parameters" in said
