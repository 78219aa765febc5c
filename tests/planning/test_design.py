"""Ladders: what the information says, what the search finds, and whether forecasts from real fits agree with it."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from isoflop.accounting.hardware import find_device
from isoflop.errors import UsageError
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit, predict
from isoflop.laws.catalogue import find
from isoflop.planning.budget import Accounting, machine_of
from isoflop.planning.design import Design
from isoflop.planning.designing import Equipment, design, noise_of, scenarios_of
from isoflop.planning.exchange import Choice, best_design
from isoflop.planning.information import Scenarios, forecast_variance, information
from isoflop.planning.ladders import Limits, candidates, fixed_ratio_ladder, isoflop_grid, isoflop_grids
from isoflop.quantities import Devices
from isoflop.runs.table import RunTable
from tests.planning.conftest import table

BESIROGLU = "published:besiroglu2024"
THETA = np.array([[1.8172, 482.01, 2085.43, 0.3478, 0.3658]])
LIMITS = Limits(runs=25, seeds=3, smallest=1e16, largest=1.5e19, ratio=(1.0, 500.0))


@pytest.fixture(scope="module")
def made() -> Design:
    return design(BESIROGLU, budget="3e19", target="1e22")


def test_the_variance_is_that_of_least_squares() -> None:
    """Forecasts of many noisy refits scatter as the information says, where the law is nearly linear."""
    law, generator, noise = find("chinchilla"), np.random.default_rng(0), 2e-4
    runs = table(noise=0.0)
    scenarios = Scenarios(law, THETA)
    target = scenarios.gradients(np.array([1e10]), np.array([2e11]))[:, 0]
    expected = forecast_variance(information(scenarios.gradients(runs["params"], runs["tokens"]), noise), target)[0]
    point = {"params": np.array([1e10]), "tokens": np.array([2e11])}
    forecasts = []
    for _ in range(60):
        loss = np.asarray(runs["loss"]) * np.exp(generator.normal(0.0, noise, len(runs)))
        noisy = RunTable.from_columns({"params": runs["params"], "tokens": runs["tokens"], "loss": loss})
        fitted = fit(law, noisy, objective="ls", starts="projected", draws=0)
        forecasts.append(float(np.log(predict(law, fitted.theta, point)[0, 0])))
    assert np.std(forecasts) == pytest.approx(np.sqrt(expected), rel=0.25)


def test_candidates_keep_the_limits_and_grow_with_them() -> None:
    runs = candidates(LIMITS)
    assert np.all((runs.cost <= 1.5e19 * (1 + 1e-9)) & (runs.cost >= 1e16 * (1 - 1e-9)))
    ratio = runs.tokens / runs.params
    assert ratio.min() >= 1.0 - 1e-9 and ratio.max() <= 500.0 + 1e-9
    wider = candidates(Limits(25, 3, 1e16, 6e19, (1.0, 500.0)))
    pairs = {(round(float(a), 3), round(float(b), 3)) for a, b in zip(runs.params, runs.tokens, strict=True)}
    assert pairs <= {(round(float(a), 3), round(float(b), 3)) for a, b in zip(wider.params, wider.tokens, strict=True)}
    steps = candidates(Limits(25, 3, 1e16, 1.5e19, (1.0, 500.0), batch_tokens=524_288))
    assert np.all(steps.tokens % 524_288 == 0)
    with pytest.raises(UsageError, match="allow no run"):
        candidates(Limits(25, 3, 1e16, 2e16, (1.0, 500.0), params=(1e12, 1e13)))


def test_the_usual_ladders_cost_the_budget() -> None:
    scenarios = Scenarios(find("chinchilla"), THETA)
    for grid in isoflop_grids(scenarios, LIMITS, 3e19):
        assert grid.cost.sum() == pytest.approx(3e19) and len(grid.params) <= 25
        assert grid.cost.min() >= 1e16 * (1 - 1e-9)
    assert len(isoflop_grid(scenarios, 3e19, 5, 5, 3.0).params) == 25
    ladder = fixed_ratio_ladder(LIMITS, 3e19)
    assert ladder.cost.sum() == pytest.approx(3e19)
    assert ladder.tokens / ladder.params == pytest.approx(20.0)


def test_the_exchange_finds_the_best_of_all_designs() -> None:
    """A problem small enough to try every choice of three runs out of eight."""
    generator = np.random.default_rng(3)
    gradients = generator.normal(size=(2, 8, 3))
    cost = generator.uniform(1.0, 3.0, 8)
    target = generator.normal(size=(2, 3))
    choice = Choice(gradients, cost, target, 1e-3 * np.eye(3)[None].repeat(2, 0), 1.0, 6.5, 4, 2)
    best = np.inf
    for counts in np.ndindex(*(3,) * 8):
        chosen = np.array(counts)
        if chosen.sum() <= 4 and chosen @ cost <= 6.5:
            best = min(best, choice.criterion(chosen))
    starts = [np.eye(8, dtype=np.int64)[index] for index in range(8)]
    found = best_design(choice, starts)
    assert found.sum() <= 4 and found.max() <= 2 and found @ cost <= 6.5 + 1e-9
    assert choice.criterion(found) == pytest.approx(best, abs=0.02)


def test_a_design_keeps_its_limits(made: Design) -> None:
    assert sum(run.seeds for run in made.runs) <= 25
    assert all(run.seeds <= 3 and 1e16 * (1 - 1e-9) <= run.compute <= 1.5e19 * (1 + 1e-9) for run in made.runs)
    assert 0.9 * 3e19 < made.spent <= 3e19 * (1 + 1e-9)
    assert made.spent == pytest.approx(sum(run.seeds * run.compute for run in made.runs))
    assert 6 * made.target_params * made.target_tokens == pytest.approx(1e22, rel=1e-5)


def test_a_design_beats_the_usual_ladders_and_a_larger_budget_beats_it(made: Design) -> None:
    grid, fixed = made.comparisons
    assert made.deviation < 0.7 * grid.deviation < fixed.deviation
    deviations = [step.deviation for step in made.steps]
    assert [step.factor for step in made.steps] == [0.5, 2.0, 4.0]
    assert deviations[0] > made.deviation > deviations[1] > deviations[2]
    assert made.worst_deviation < 1.5 * made.deviation
    assert made.expected.low < made.expected.value < made.expected.high


def test_the_json_object_the_csv_and_the_table(made: Design) -> None:
    record = made.to_dict()
    assert record["schema"] == "isoflop.design/1" and record["refused"] is False
    assert {"runs", "target", "deviation", "comparisons", "budgets", "warnings"} <= set(record)
    rows = list(csv.DictReader(io.StringIO(made.to_csv())))
    assert len(rows) == sum(run.seeds for run in made.runs)
    assert sum(float(row["compute"]) for row in rows) == pytest.approx(made.spent)
    assert {row["seed"] for row in rows} <= {"0", "1", "2"}
    assert len(made.to_pandas()) == len(made.runs)
    assert "tabular" in made.to_latex() and "<table>" in made._repr_html_() and "configurations" in str(made)


def test_forecasts_from_fits_are_as_much_better_as_promised(made: Design) -> None:
    """Root mean square errors of forecasts by real fits, on a truth the design was not made for."""
    truth = np.array([[1.70, 406.4, 900.0, 0.34, 0.33]])
    law, generator = find("chinchilla"), np.random.default_rng(0)
    grid = isoflop_grid(Scenarios(law, THETA), 3e19, 5, 5, 3.0)
    ours = np.array([[run.params, run.tokens] for run in made.runs for _ in range(run.seeds)]).T
    point = {"params": np.array([made.target_params]), "tokens": np.array([made.target_tokens])}
    actual = float(np.log(predict(law, truth, point)[0, 0]))
    errors = {}
    for name, (params, tokens) in {"design": ours, "grid": (grid.params, grid.tokens)}.items():
        found = []
        for _ in range(40):
            loss = predict(law, truth, {"params": params, "tokens": tokens})[0]
            loss = loss * np.exp(generator.normal(0.0, 0.005, len(params)))
            runs = RunTable.from_columns({"params": params, "tokens": tokens, "loss": loss})
            fitted = fit(law, runs, starts="projected", draws=0)
            found.append(float(np.log(predict(law, fitted.theta, point)[0, 0])) - actual)
        errors[name] = float(np.sqrt(np.mean(np.square(found))))
    assert errors["design"] < 0.7 * errors["grid"]


def test_runs_in_hand_are_built_upon(ladder: Fit) -> None:
    alone = design(ladder, budget=1e20, target=1e23, runs=8)
    more = design(ladder, budget=1e20, target=1e23, runs=8, given=table())
    assert more.given == 60 and more.given_deviation is not None
    assert more.deviation < more.given_deviation and more.deviation < alone.deviation


def test_scenarios_are_draws_or_other_constants(ladder: Fit) -> None:
    assert len(scenarios_of(ladder).theta) == 11
    from isoflop.fitting.published_fit import published_fit

    assert len(scenarios_of(published_fit("besiroglu2024")).theta) == 5
    assert len(scenarios_of(published_fit("krajewski2024-dense")).theta) == 1


def test_noise_is_that_of_the_residuals(ladder: Fit) -> None:
    assert noise_of(ladder) == pytest.approx(0.004, rel=0.3)
    assert design(BESIROGLU, budget=3e19, target=1e22, runs=10, noise=0.01).noise == 0.01


def test_time_on_devices_is_a_budget_and_a_limit() -> None:
    machine = machine_of(Devices(8, "h100"), None, Accounting(mfu=0.4))
    equipment = Equipment(machine, time=86400.0, longest=4 * 3600.0, vocab=32000, context=2048)
    made = design(BESIROGLU, target=1e22, runs=10, equipment=equipment)
    flops = 8 * 86400 * find_device("h100").peak_flops * 0.4
    assert made.budget == pytest.approx(flops)
    for run in made.runs:
        assert run.gpu_hours == pytest.approx(run.compute / (989e12 * 0.4 * 3600))
        assert run.gpu_hours <= 8 * 4 * (1 + 1e-9)
    assert any(run.shape is not None for run in made.runs)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"budget": 3e19}, "target"),
        ({"target": 1e22}, "budget is missing"),
        ({"budget": 3e19, "target": 1e22, "target_params": 1e9}, "target"),
        ({"budget": 3e19, "target_params": 1e9}, "target_tokens"),
        ({"budget": -3e19, "target": 1e22}, "budget=-3e"),
        ({"budget": "30 days", "target": 1e22}, "budget='30 days'"),
        ({"budget": 3e19, "target": 1e22, "runs": 0}, "runs=0"),
        ({"budget": 3e19, "target": 1e22, "ratio": (5.0, 2.0)}, "ratio: 5 to 2"),
        ({"budget": 3e19, "target": 1e22, "smallest": 1e20}, "below largest"),
        ({"budget": 3e19, "target": 1e22, "noise": 1.5}, "noise=1.5"),
        ({"budget": 1e3, "target": 1e10}, "must be at least 1e"),
        ({"budget": 3e19, "target": 1e22, "batch_tokens": 1.5}, "batch_tokens=1.5"),
        ({"budget": 3e19, "target": 1e22, "equipment": Equipment(time=3600.0)}, "needs a number of devices"),
    ],
)
def test_what_makes_no_sense_is_told(asked: dict[str, object], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        design(BESIROGLU, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kaplan2020", "muennighoff2023", "kaplan2020-n"])
def test_a_law_of_other_columns_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a law of params and tokens alone"):
        design(f"published:{name}", budget=3e19, target=1e22)


def test_too_few_runs_are_refused_and_a_target_inside_is_said() -> None:
    lonely = design(BESIROGLU, budget=3e19, target=1e22, runs=2)
    assert lonely.refused and lonely.expected.low is None
    assert "few-runs" in {finding.code for finding in lonely.findings}
    inside = design(BESIROGLU, budget=3e19, target=1e18, runs=8)
    assert "target-inside" in {finding.code for finding in inside.findings}


def test_a_large_ladder_takes_seconds(made: Design) -> None:
    large = design(BESIROGLU, budget=3e19, target=1e22, runs=120)
    assert sum(run.seeds for run in large.runs) <= 120
    assert large.deviation < made.deviation


def test_a_law_that_bends_is_said_to(ladder: Fit) -> None:
    from isoflop.fitting.fit import Ensemble

    runs = table(noise=0.0)
    bent = np.asarray(runs["loss"]) * (1 + 0.03 * np.log10(np.asarray(runs["compute"]) / 1e18) ** 2)
    columns = {"params": runs["params"], "tokens": runs["tokens"], "compute": runs["compute"], "loss": bent}
    fitted = fit("chinchilla", RunTable.from_columns(columns), draws=20, starts="projected")
    fitted = Fit(**{**vars(fitted), "ensemble": Ensemble(fitted.law.parameter_names, fitted.theta[None], "none")})
    found = design(fitted, budget=1e20, target=1e22, runs=6, noise=0.004)
    assert "law-bends" in {finding.code for finding in found.findings}
    straight = design(ladder, budget=1e20, target=3e21, runs=6)
    assert "law-bends" not in {finding.code for finding in straight.findings}
