"""What stands beside the numbers of an analysis: warnings, notes on fits that are refused, the spread over seeds."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from isoflop.findings import Finding, Severity
from isoflop.fitting.fit import Fit
from isoflop.quantities import Estimate
from isoflop.studies.analyses.analysis import Measured, derived, parameter, resting_on
from isoflop.studies.analysis_page import Circumstances, markdown_page, measured_cells
from isoflop.studies.study_file import parse_study
from tests.studies.analyses.made import SIZES, STUDY, answer, curve, number, row, without_floor


def test_what_the_fits_warn_of_is_on_the_page_under_their_names() -> None:
    found = answer("compute", [item for n in np.geomspace(1e4, 1e6, 5) for item in curve(n, 1e3 * n, without_floor)])
    (few,) = (finding for finding in found.warnings if finding.code == "few-clusters")
    assert few.message.startswith("compute: ") and not few.rows
    assert all(finding.severity != "note" for finding in found.warnings)
    study = parse_study(STUDY.format(analysis="compute"), "study.toml")
    page = markdown_page(found, study, Circumstances("text", "machine", "versions", "today", 5, 1e9, 60.0, {}))
    for finding in found.warnings:
        assert f"{finding.message} ({finding.code})" in page


@pytest.mark.parametrize(
    ("severity", "drawn", "low", "note"),
    [
        ("refuse", (0.2, 0.4), 0.2, "refused: flat"),
        ("warn", (0.31, 0.4), 0.3, "where its interval"),
        ("note", (0.31, 0.4), 0.2, ""),
        ("warn", (0.2, 0.4), 0.3, ""),
    ],
)
def test_a_number_says_where_it_is_refused_or_ends_its_interval(
    severity: Severity, drawn: tuple[float, float], low: float, note: str
) -> None:
    """Another parameter whose draws lie elsewhere says nothing of this one."""
    draws = SimpleNamespace(draws=np.stack([np.linspace(*drawn, 200), np.linspace(1.0, 2.0, 200)], axis=1))
    law = SimpleNamespace(parameter_names=("alpha", "A"))
    part = SimpleNamespace(law=law, theta=np.array([0.3, 5.0]), ensemble=draws)
    params = {"alpha": Estimate(0.3, low, 0.4)}
    found = SimpleNamespace(findings=(Finding("flat", severity, "Flat."),), params=params, parts=(part,), level=0.9)
    told = parameter("alpha", cast(Fit, found), "alpha").note
    assert told.startswith(note) and bool(told) == bool(note)


@pytest.mark.parametrize(("place", "note"), [(0.3, ""), (0.4, "where its interval ends"), (0.5, "outside its")])
def test_a_number_made_of_a_fit_says_where_it_lies_outside_its_interval(place: float, note: str) -> None:
    draws = SimpleNamespace(draws=np.array([[0.1], [0.2], [0.3], [0.4], [0.5]]))
    law = SimpleNamespace(parameter_names=("a",))
    found = SimpleNamespace(findings=(), law=law, theta=np.array([place]), ensemble=draws, level=0.5)
    told = derived("a", cast(Fit, found), lambda it: it["a"]).note
    assert told.startswith(note) and bool(told) == bool(note)


def test_a_number_says_that_it_rests_on_a_refused_fit() -> None:
    item = Measured("alpha_C_min", Estimate(0.05), note="where its interval ends")
    sound, refused = (
        cast(Fit, SimpleNamespace(findings=(Finding("flat", severity, "Flat."),))) for severity in ("warn", "refuse")
    )
    assert resting_on(item, ("the critical batch", sound), ("the law", "too few runs")) == item
    assert resting_on(item, ("the law", sound), ("the critical batch", refused)).note == (
        "where its interval ends; rests on the critical batch, refused: flat"
    )


def test_a_published_source_without_a_number_says_so() -> None:
    assert measured_cells(Measured("g", Estimate(1.2), None, "jordan2024"))[2] == "no number (jordan2024)"
    assert measured_cells(Measured("alpha", Estimate(0.3), 0.34, "hoffmann2022"))[2] == "0.34 (hoffmann2022)"
    assert measured_cells(Measured("alpha", Estimate(0.3)))[2] == ""


def test_the_spread_over_seeds_is_pooled_over_what_was_trained_more_than_once() -> None:
    rows = [row(n, 1e8, (8e13 / n) ** 0.076) for n in SIZES]
    assert not any("seeds" in item.name for item in answer("model-size", rows).measured)
    again = [
        item | {"run": f"{item['run']}-{seed}", "seed": float(seed), "loss": float(item["loss"]) * (1 + off)}
        for item in rows for seed, off in enumerate((-0.01, 0.01))
    ]  # fmt: skip
    assert number(answer("model-size", again), "spread of loss over seeds") == pytest.approx(0.01 * math.sqrt(2))
    # A run that belongs to several arms is one run.
    twice = [item | {"arm": arm} for item in again for arm in ("depth", "heads")]
    shapes = answer("shape", twice, ("depth", "heads"))
    assert number(shapes, "spread of loss over seeds") == pytest.approx(0.01 * math.sqrt(2))
