"""The words of a report, compared with text that a person has read.

After a wanted change, run once with ISOFLOP_UPDATE_GOLDEN=1 and read what changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
