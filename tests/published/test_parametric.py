"""Published parametric fits, derived again from the public data; the numbers are in the one table of `cases`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.laws.published import find_published
from tests.published import downstream, experts, muennighoff, recipes, schedules
from tests.published.cases import TABLE
from tests.published.published_case import Published


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_a_published_number_is_derived_again(public_data: Path, case: Published) -> None:
    ours = case.ours(public_data)
    assert case.agrees(ours), f"{ours!r} is not {case.printed} within {case.tolerance}: {case.cause or 'no cause'}"


def test_a_gap_beyond_the_printed_digits_needs_a_cause() -> None:
    unexplained = Published("x", "1.00", lambda _: 1.02, tolerance=0.05)
    explained = Published("x", "1.00", lambda _: 1.02, tolerance=0.05, cause="known")
    assert unexplained.agrees(1.004) and not unexplained.agrees(1.02)
    assert explained.agrees(1.02) and not explained.agrees(1.06)


def test_every_row_has_a_name_of_its_own_and_every_tolerance_a_cause() -> None:
    assert len({case.name for case in TABLE}) == len(TABLE)
    assert [case.name for case in TABLE if case.tolerance and not case.cause] == []


@pytest.mark.parametrize("router", experts.SATURATED)
def test_clarks_constants_lie_inside_the_intervals_of_the_refit(public_data: Path, router: str) -> None:
    estimates = experts.fitted(public_data, router).params
    for name, printed in experts.SATURATED[router].items():
        assert estimates[name].low < float(printed) < estimates[name].high, name


def test_the_rows_print_what_the_catalogue_of_constants_holds() -> None:
    for router, name in (("S-Base", "clark2022-s-base"), ("RL-R", "clark2022-rl-r"), ("Hash", "clark2022-hash")):
        assert {key: float(text) for key, text in experts.SATURATED[router].items()} == find_published(name).values
    steps = {case.name.rpartition(", ")[2]: case for case in recipes.CASES[:5]}
    rate, batch = find_published("steplaw2025-lr").values, find_published("steplaw2025-batch").values
    for value, name in ((rate["a"], "power of N"), (rate["b"], "power of D"), (batch["a"], "power of D in the batch")):
        assert steps[name].agrees(value)


def test_freeing_all_six_constants_of_muennighoff_halves_the_objective(public_data: Path) -> None:
    alone, free = (muennighoff.fitted(public_data, alone=alone) for alone in (True, False))
    published = muennighoff.objective_at((15.387756, 5.309743))(public_data)
    assert alone.status is free.status is FitStatus.CONVERGED
    assert 0.998 * published < alone.objective_value < published
    assert free.objective_value < 0.5 * published


@pytest.mark.parametrize("model", schedules.README)
def test_luos_constants_leave_out_the_rise_of_warm_up(public_data: Path, model: str) -> None:
    without, counted = (schedules.published_r_squared(model, rise=rise)(public_data) for rise in (False, True))
    assert without < 0.6
    assert counted > 0.997


@pytest.mark.parametrize("model", schedules.README)
def test_tissues_law_carries_over_to_a_schedule_it_has_not_seen(public_data: Path, model: str) -> None:
    assert schedules.tissue_on_cosine(public_data, model) > 0.998


def test_a_law_of_any_metric_of_any_domain(public_data: Path) -> None:
    """Accuracy of multiply-adds, by a formula on the published file itself."""
    fitted = downstream.accuracy_of_compute(public_data)
    assert fitted.status is FitStatus.CONVERGED
    assert len(fitted.runs) == 11
    assert fitted.params["a"].value == pytest.approx(-0.11, abs=5e-3)


def test_a_floor_of_clips_error_is_claimed_only_where_the_data_show_one(public_data: Path) -> None:
    """80M images limit the models; of 2B images the error still falls along a straight line."""
    few, many = (
        fit("power-floor", downstream.error_runs(public_data, source), x=["gmacs_total"], y="error", objective="ls",
            draws=0)
        for source in ("LAION-80M", "LAION-2B")
    )  # fmt: skip
    assert few.status is FitStatus.CONVERGED and 0.05 < few.params["E"].value < 0.2
    assert many.status is FitStatus.DEGENERATE
    assert "degenerate" in [finding.code for finding in many.findings]


@pytest.mark.parametrize("task", downstream.TASKS)
def test_both_steps_to_a_tasks_accuracy_are_certified(public_data: Path, task: str) -> None:
    loss, link = downstream.two_steps(public_data, task)
    assert loss.status is link.status is FitStatus.CONVERGED
    assert np.all(link.theta[1:3] > 0.0)
