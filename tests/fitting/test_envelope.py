"""fit_envelope(): winners against a brute-force search, exponents, smoothing, what it refuses, files."""

import numpy as np
import pytest

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.curves import learning_curves, smooth
from isoflop.fitting.envelope import envelope_of, fit_envelope
from isoflop.fitting.frontier_fit import load_frontier_fit
from isoflop.runs.table import RunTable


def curves(sizes=13, rows=40, noise=0.0, seed=0, low=1e6, high=1e8, tokens=8e9):
    size = np.repeat(np.geomspace(low, high, sizes), rows)
    seen = np.tile(np.geomspace(tokens / 300, tokens, rows), sizes)
    loss = 1.7 + 400 / size**0.35 + 1140 / seen**0.35
    loss = loss * np.exp(noise * np.random.default_rng(seed).normal(size=len(loss)))
    names = [f"size-{number:02d}" for number in np.repeat(np.arange(sizes), rows)]
    return RunTable.from_columns({"run": names, "params": size, "tokens": seen, "loss": loss})


def codes(fitted):
    return [finding.code for finding in fitted.findings]


def test_the_exponents_of_a_symmetric_surface_are_found():
    fitted = fit_envelope(curves(sizes=25), draws=100)
    assert fitted.theta[[1, 3]] == pytest.approx([0.5, 0.5], abs=0.02)
    assert fitted.frontier["params_exponent"].low < 0.5 < fitted.frontier["params_exponent"].high
    assert fitted.bias.params_exponent == pytest.approx(fitted.theta[1] - 0.5, abs=0.01)


def test_winners_are_those_of_a_search_one_by_one():
    traced = learning_curves(curves(noise=0.003), smoothing=0, values=200)
    found = envelope_of(traced, np.ones(len(traced.names), dtype=bool))
    expected = {}
    for place in range(200):
        running = [run for run in range(len(traced.names)) if np.isfinite(traced.loss[run, place])]
        best = min(running, key=lambda run: traced.loss[run, place])
        if any(traced.params[run] < traced.params[best] for run in running) and any(
            traced.params[run] > traced.params[best] for run in running
        ):
            expected[place] = best
    assert dict(zip(found.place.tolist(), found.winner.tolist(), strict=True)) == expected
    assert 0 < len(expected) < 200


def test_the_smallest_and_the_largest_model_never_count():
    table = curves()
    found = fit_envelope(table, draws=0)
    sizes = {item.params.value for item in found.minima}
    assert table["params"].min() not in sizes
    assert table["params"].max() not in sizes


def test_smoothing_keeps_a_line_and_reduces_noise():
    place = np.linspace(0.0, 5.0, 60)
    line = 3.0 - 0.2 * place
    noisy = line + 0.01 * np.random.default_rng(0).normal(size=60)
    assert smooth(place, line, 10) == pytest.approx(line, abs=1e-12)
    assert np.std(smooth(place, noisy, 10) - line) < 0.6 * np.std(noisy - line)
    assert smooth(place, noisy, 0) is noisy


def test_smoothing_helps_a_noisy_table():
    errors = {
        window: [
            fit_envelope(curves(noise=0.01, seed=seed), smoothing=window, draws=0).theta[1] - 0.5 for seed in range(8)
        ]
        for window in (0, 10)
    }
    assert np.sqrt(np.mean(np.square(errors[10]))) < np.sqrt(np.mean(np.square(errors[0])))


def test_a_budget_that_is_the_same_in_all_rows_of_a_run_is_not_taken_for_progress():
    table = curves()
    final = table.with_columns({"compute": np.repeat(6 * table["params"][39::40] * table["tokens"][39::40], 40)})
    assert fit_envelope(final, draws=0).theta == pytest.approx(fit_envelope(table, draws=0).theta, rel=1e-12)


def test_steps_and_batch_make_tokens():
    table = curves()
    columns = {name: table[name] for name in ("run", "params", "loss")}
    stepped = RunTable.from_columns(
        {**columns, "step": table["tokens"] / 1e5, "batch_tokens": np.full(len(table), 1e5)}
    )
    found = fit_envelope(stepped, draws=0)
    assert found.theta == pytest.approx(fit_envelope(table, draws=0).theta, rel=1e-9)
    assert found.bias is not None


def test_what_is_no_set_of_learning_curves_is_refused_with_what_is_needed():
    table = curves()
    with pytest.raises(InputError, match="no column 'run'"):
        fit_envelope(RunTable.from_columns({name: table[name] for name in ("params", "tokens", "loss")}))
    with pytest.raises(Refusal, match="needs learning curves"):
        fit_envelope(table.select(np.arange(39, len(table), 40)))
    with pytest.raises(Refusal, match="2 model sizes"):
        fit_envelope(curves(sizes=2))
    with pytest.raises(Refusal, match="Nowhere does a model win"):
        fit_envelope(curves(low=1e10, high=1e11, tokens=1e9))
    with pytest.raises(Refusal, match="One model size"):
        fit_envelope(curves(sizes=3, low=1e6, high=1e8))


def test_short_runs_and_few_winners_are_named():
    table = curves(sizes=7)
    short = table.select(np.concatenate([np.arange(6 * 40), [6 * 40 + 39]]))
    fitted = fit_envelope(short, draws=0)
    named = next(finding for finding in fitted.findings if finding.code == "short-curves")
    assert "size-06" in named.message
    assert "unfinished-schedules" in codes(fitted)
    assert "few-sizes" in codes(fit_envelope(curves(sizes=4), draws=0))


def test_the_same_seed_gives_the_same_bytes_and_a_file_gives_back_the_fit(tmp_path):
    for name in ("one", "two"):
        fit_envelope(curves(noise=0.003), draws=30, seed=4, values=300).save(tmp_path / f"{name}.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    load_frontier_fit(tmp_path / "one.json").save(tmp_path / "three.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "three.json").read_bytes()


def test_a_checkpoint_without_numbers_is_passed_over():
    table = curves()
    loss = table["loss"].copy()
    loss[20] = np.nan
    without = table.select(np.arange(len(table)) != 20)
    found = fit_envelope(table.with_columns({"loss": loss}), draws=0)
    assert [exclusion.row for exclusion in found.runs.excluded] == [table.row[20]]
    assert found.theta.tolist() == fit_envelope(without, draws=0).theta.tolist()


@pytest.mark.parametrize("options", [{"smoothing": -1}, {"values": 3}, {"draws": -1}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(UsageError, match=f"{next(iter(options))}="):
        fit_envelope(curves(), **options)
