"""`auto`: laws compete in forecasting larger runs, and share the forecast by how well they did."""

import numpy as np
import pytest

from isoflop import records
from isoflop.errors import Refusal, UsageError
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import load_fit, predict
from isoflop.fitting.rolling import cuts_of
from isoflop.fitting.stacking import candidates
from isoflop.laws.catalogue import find
from isoflop.laws.stack import stack_laws
from isoflop.runs.compute import compute_of
from isoflop.runs.table import RunTable
from tests.fitting.studies import TRUTH, study

AHEAD = {"params": np.array([3e10]), "tokens": np.array([6e11])}


@pytest.fixture(scope="module")
def stacked():
    return fit("auto", study(0.003), draws=200)


def test_a_stack_is_the_weighted_geometric_mean_of_its_members(stacked):
    parts = [(part.weight, np.log(predict(part.law, part.theta, AHEAD)[0, 0])) for part in stacked.members]
    together = sum(weight * value for weight, value in parts)
    assert sum(weight for weight, _ in parts) == pytest.approx(1.0)
    assert np.log(predict(stacked.law, stacked.theta, AHEAD)[0, 0]) == pytest.approx(together, rel=1e-12)


def test_each_draw_is_a_draw_of_one_member_and_members_are_drawn_by_their_weight(stacked):
    count = len(stacked.members)
    weights = stacked.ensemble.draws[:, :count]
    assert np.all(np.sort(weights, axis=1)[:, :-1] == 0.0)
    assert np.all(weights.max(axis=1) == 1.0)
    shares = [part.weight for part in stacked.members]
    assert weights.mean(axis=0) == pytest.approx(shares, abs=0.02)


def test_laws_weigh_by_the_inverse_square_of_their_rolling_error(stacked):
    errors = np.array([item.error for item in stacked.contest])
    weights = np.array([item.weight for item in stacked.contest])
    kept = weights > 0.0
    expected = (errors + 0.002) ** -2.0
    assert weights[kept] == pytest.approx(expected[kept] / expected[kept].sum(), rel=1e-9)
    assert weights[~kept].size == 0 or expected[~kept].max() < expected[kept].max()


def test_the_law_that_holds_outweighs_one_that_does_not():
    """Where size and data act on one another, the additive law forecasts worse and counts less."""
    theta = [1.8, 3e4, 4e6, 0.6, 0.7]
    fitted = fit("auto", study(0.001, law="coupled-0.5", theta=theta, sizes=8, lengths=8), draws=0)
    weights = {item.law: item.weight for item in fitted.contest}
    assert max(weights, key=weights.__getitem__) == "coupled-0.5"
    assert weights["coupled-0.5"] > 2.0 * weights["chinchilla"]


def test_a_saved_stack_is_read_back_whole(tmp_path, stacked):
    stacked.save(tmp_path / "fit.json")
    again = load_fit(tmp_path / "fit.json")
    assert records.canonical_json(again.to_dict()) == records.canonical_json(stacked.to_dict())
    assert predict(again.law, again.theta, AHEAD) == pytest.approx(predict(stacked.law, stacked.theta, AHEAD))


def test_every_cut_hides_the_largest_runs_by_compute_and_nothing_else():
    runs = study()
    compute = compute_of(runs)
    cuts = cuts_of(runs, 7)
    assert len(cuts) >= 3
    for cut in cuts:
        assert compute[cut.kept].max() < compute[~cut.kept].min()
        assert cut.kept.sum() >= max(7, 0.3 * len(runs))
        expected = np.log10(compute[~cut.kept] / compute[cut.kept].max())
        assert cut.distance == pytest.approx(expected)


def test_rolling_errors_are_those_of_fits_that_never_saw_the_hidden_runs():
    runs = study(0.003)
    fitted = fit("chinchilla", runs, draws=20)
    first = cuts_of(runs, 7)[0]
    small = fit("chinchilla", runs.select(first.kept), draws=0)
    hidden = runs.select(~first.kept)
    columns = {name: hidden[name] for name in ("params", "tokens")}
    errors = np.log(hidden["loss"]) - np.log(predict(small.law, small.theta, columns)[0])
    assert fitted.rolling.error[fitted.rolling.cut == 0] == pytest.approx(errors, abs=1e-5)


def test_what_varies_decides_who_competes():
    both = study()
    one_size = both.select(both["params"] == both["params"][0])
    repeated = both.with_columns({"unique_tokens": both["tokens"] / 4.0})
    assert "coupled-0.5" in {law.name for law in candidates(both)}
    assert {law.columns for law in candidates(one_size)} == {("tokens",)}
    assert {law.name for law in candidates(repeated)} == {"muennighoff", "muennighoff-full"} or all(
        "unique_tokens" in law.columns for law in candidates(repeated)
    )


def test_nothing_that_varies_is_refused():
    flat = RunTable.from_columns({"params": np.full(9, 1e8), "tokens": np.full(9, 1e9), "loss": np.linspace(3, 3.1, 9)})
    with pytest.raises(Refusal, match="Neither model size nor tokens nor compute varies"):
        fit("auto", flat)
    with pytest.raises(UsageError, match="takes one or two columns"):
        fit("auto", study(), x=["params", "tokens", "loss"])
    with pytest.raises(Refusal, match="too few to choose a law"):
        fit("auto", study().select(np.arange(36) % 9 == 0))


def test_a_stack_of_one_law_twice_is_that_law():
    law = stack_laws([find("chinchilla"), find("chinchilla")])
    theta = np.concatenate([[0.3, 0.7], TRUTH, TRUTH])
    assert predict(law, theta, AHEAD) == pytest.approx(predict(find("chinchilla"), TRUTH, AHEAD), rel=1e-12)
