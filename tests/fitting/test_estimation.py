"""fit(): recovery, invariances, intervals, refusals."""

import numpy as np
import pytest

from isoflop import records
from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import interval, load_fit, predict
from isoflop.fitting.objective import parse_objective
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable

TRUTH = np.array([1.7, 400.0, 1500.0, 0.34, 0.37])
SIZES = np.geomspace(1e7, 3e9, 6)
BUDGETS = np.geomspace(1e9, 1e11, 6)


def grid(noise=0.0, seed=0, theta=TRUTH):
    size, data = (axis.ravel() for axis in np.meshgrid(SIZES, BUDGETS))
    loss = predict(find("chinchilla"), theta, {"params": size, "tokens": data})[0]
    loss = loss * np.exp(noise * np.random.default_rng(seed).normal(size=loss.shape))
    return RunTable.from_columns({"params": size, "tokens": data, "loss": loss})


@pytest.mark.parametrize("objective", ["huber:1e-3", "lad", "ls", "ls@value", "huber:1e-2@value"])
def test_noise_free_data_give_back_the_truth(objective):
    fitted = fit("chinchilla", grid(), objective=objective, draws=0)
    assert fitted.theta == pytest.approx(TRUTH, rel=1e-7)
    assert fitted.status is FitStatus.CONVERGED


def test_intervals_contain_the_truth_about_as_often_as_they_say():
    inside = []
    for seed in range(40):
        draws = fit("chinchilla", grid(0.01, seed), draws=200, cluster="none", seed=seed).ensemble.draws
        low, high = interval(draws, 0.9)
        inside.append((low[3:] <= TRUTH[3:]) & (TRUTH[3:] <= high[3:]))
    assert 0.75 <= np.mean(inside) <= 1.0


def test_a_unit_of_size_changes_its_coefficient_alone():
    table = grid(0.01)
    scaled = table.with_columns({"params": table["params"] * 1000.0})
    first, second = (fit("chinchilla", t, draws=0).theta for t in (table, scaled))
    expected = first * [1.0, 1000.0 ** first[3], 1.0, 1.0, 1.0]
    assert second == pytest.approx(expected, rel=1e-9)


def test_the_order_of_rows_does_not_matter():
    table = grid(0.01)
    order = np.random.default_rng(3).permutation(len(table))
    shuffled = RunTable.from_columns({name: values[order] for name, values in table.columns.items()})
    assert fit("chinchilla", shuffled, draws=0).theta == pytest.approx(
        fit("chinchilla", table, draws=0).theta, rel=1e-9
    )


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    table = grid(0.01)
    texts = []
    for name in ("a.json", "b.json"):
        fit("chinchilla", table, draws=50, seed=4).save(tmp_path / name)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]


def test_a_saved_fit_is_read_back_whole(tmp_path):
    fitted = fit("chinchilla", grid(0.01), draws=20)
    fitted.save(tmp_path / "fit.json")
    again = load_fit(tmp_path / "fit.json")
    assert records.canonical_json(again.to_dict()) == records.canonical_json(fitted.to_dict())


def test_a_floor_that_is_not_there_is_not_called_converged():
    """Data of a pure power law: the irreducible loss runs to zero, which is said rather than printed as 1e-22."""
    size = np.geomspace(1e6, 1e9, 20)
    table = RunTable.from_columns({"params": size, "tokens": np.full(20, 1e12), "loss": (1e13 / size) ** 0.07})
    fitted = fit("power-floor-n", table, draws=0)
    assert fitted.status in (FitStatus.DEGENERATE, FitStatus.FLAT)
    assert fitted.refused


def test_too_few_runs_are_refused():
    table = grid().select(np.arange(36) < 4)
    with pytest.raises(Refusal, match="4 runs cannot determine the 5 parameters"):
        fit("chinchilla", table)


def test_size_and_data_in_proportion_are_refused():
    size = np.geomspace(1e7, 1e9, 12)
    loss = predict(find("chinchilla"), TRUTH, {"params": size, "tokens": 20.0 * size})[0]
    noisy = loss * np.exp(0.003 * np.random.default_rng(0).normal(size=12))
    fitted = fit("chinchilla", RunTable.from_columns({"params": size, "tokens": 20.0 * size, "loss": noisy}), draws=0)
    assert "collinear-design" in {finding.code for finding in fitted.findings if finding.severity == "refuse"}


def test_a_bad_value_is_named_by_row_and_column():
    table = grid()
    loss = np.array(table["loss"])
    loss[6] = -2.0
    with pytest.raises(InputError, match="row 8, column 'loss'"):
        fit("chinchilla", table.with_columns({"loss": loss}))


@pytest.mark.parametrize("text", ["huber~2", "ls~x", "hubr", "huber:-1", "huber:x", "ls:3", "lad@loss", "", "lad:inf"])
def test_an_unknown_objective_is_refused_with_the_forms(text):
    with pytest.raises(UsageError, match="use huber:1e-3, lad or ls"):
        parse_objective(text)


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="`isoflop laws` lists"):
        fit("chinchila", grid())
    with pytest.raises(UsageError, match="use 'default', 'projected' or 'hoffmann4500'"):
        fit("chinchilla", grid(), starts="many")
    with pytest.raises(UsageError, match="belongs to the chinchilla law"):
        fit("chinchilla-tied", grid(), starts="hoffmann4500")
    with pytest.raises(UsageError, match="between 0 and 1"):
        interval(np.zeros(3), 90.0)


def test_few_sizes_keep_the_design_when_resampled():
    """With six sizes, drawing whole sizes would lose the exponent; simulated runs keep every row."""
    fitted = fit("chinchilla", grid(0.01), draws=100)
    assert fitted.ensemble.method == "parametric-bootstrap"
    assert len(fitted.ensemble) == 100
    assert np.all((fitted.ensemble.draws[:, 3] > 0.1) & (fitted.ensemble.draws[:, 3] < 0.8))


def test_a_weight_of_two_is_a_row_twice():
    table = grid(0.01)
    heavy = table.with_columns({"weight": np.where(np.arange(36) == 3, 2.0, 1.0)})
    order = np.append(np.arange(36), 3)
    twice = RunTable.from_columns({name: values[order] for name, values in table.columns.items()})
    weighted = fit("chinchilla", heavy, weights="weight", draws=0)
    assert weighted.theta == pytest.approx(fit("chinchilla", twice, draws=0).theta, rel=1e-8)


def test_a_tilted_objective_follows_the_best_runs():
    table = grid(0.02)
    below = {
        tilt: np.mean(fit("chinchilla", table, objective=f"huber:1e-3~{tilt}", draws=0).residuals < 0.0)
        for tilt in (0.1, 0.5, 0.9)
    }
    assert below[0.9] < 0.25 < below[0.5] < 0.75 < below[0.1]
    assert str(parse_objective("ls~0.9@value")) == "ls~0.9@value"


def test_a_weight_that_is_not_positive_is_named():
    with pytest.raises(InputError, match="row 2, column 'weight'"):
        fit("chinchilla", grid().with_columns({"weight": np.arange(36.0)}), weights="weight")


def test_columns_of_text_are_refused_by_row():
    table = {"params": [1e6, 2e6, 4e6], "tokens": [1e8] * 3, "accuracy": ["0.2", "high", "0.4"]}
    with pytest.raises(InputError, match="row 3, column 'accuracy': 'high' is text"):
        fit("power", table, x=("params",), y="accuracy")
    with pytest.raises(InputError, match="row 3, column 'accuracy': 'high' is text"):
        fit("power", {**table, "loss": [3.0, 2.0, 1.5]}, x=("accuracy",))


def test_what_is_predicted_cannot_be_an_input():
    with pytest.raises(UsageError, match="column 'params' is predicted, so it cannot be an input"):
        fit("chinchilla", grid(), y="params")
    with pytest.raises(UsageError, match="column 'loss' is predicted"):
        fit("loss + A/N^a", grid())


def test_one_draw_is_no_interval():
    with pytest.raises(UsageError, match="draws=1 must be 0"):
        fit("chinchilla", grid(), draws=1)


def test_one_group_gives_no_interval_to_rely_on():
    table = grid().with_columns({"curve": ["a"] * len(grid())})
    fitted = fit("chinchilla", table, draws=20, cluster="curve")
    assert [(item.code, item.severity) for item in fitted.findings if item.code == "one-cluster"] == [
        ("one-cluster", "refuse")
    ]
    assert "one-cluster" not in [item.code for item in fit("chinchilla", table, draws=0, cluster="curve").findings]


def test_weights_of_text_or_zero_are_refused_by_row():
    table = grid().with_columns({"name": ["a"] * len(grid()), "zero": [0.0] * len(grid())})
    with pytest.raises(InputError, match="row 2, column 'name': 'a' is text"):
        fit("chinchilla", table, weights="name")
    with pytest.raises(InputError, match=r"row 2, column 'zero': 0\.0 is not a positive number"):
        fit("chinchilla", table, weights="zero")


def test_scipy_finds_the_same_least_squares():
    """An independent solver on residuals of its own making."""
    from scipy.optimize import least_squares

    table = grid(0.01)
    size, data = (np.log(np.asarray(table[name])) for name in ("params", "tokens"))

    def residuals(theta):
        e, a, b, alpha, beta = theta
        return np.log(np.exp(e) + np.exp(a - alpha * size) + np.exp(b - beta * data)) - np.log(table["loss"])

    start = [0.0, 5.0, 6.0, 0.3, 0.3]
    found = least_squares(residuals, start, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15)
    ours = fit("chinchilla", table, objective="ls", draws=0)
    assert ours.theta == pytest.approx([*np.exp(found.x[:3]), *found.x[3:]], rel=1e-6)
    assert ours.objective_value <= 2.0 * found.cost * (1.0 + 1e-12)
