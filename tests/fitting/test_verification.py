"""verify(): what isoflop wrote agrees to the last bit, and one changed digit anywhere is found."""

import json

import numpy as np
import pytest

from isoflop.errors import InputError
from isoflop.fitting.envelope import fit_envelope
from isoflop.fitting.estimation import fit
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.fitting.verification import verify
from isoflop.readers.examples import example_runs
from isoflop.runs.table import RunTable


def slices():
    budget, step = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e18, 1e21, 5), np.geomspace(0.2, 5.0, 9)))
    size = 0.012 * np.sqrt(budget) * step
    loss = 1.7 + 400 / size**0.34 + 1500 / (budget / (6 * size)) ** 0.28
    loss = loss * np.exp(0.003 * np.random.default_rng(0).normal(size=len(loss)))
    return RunTable.from_columns({"params": size, "compute": budget, "loss": loss})


def learning_curves():
    size, seen = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e8, 9), np.geomspace(3e7, 8e9, 25)))
    loss = 1.7 + 400 / size**0.35 + 1140 / seen**0.35
    names = [f"{value:.0f}" for value in size]
    return RunTable.from_columns({"run": names, "params": size, "tokens": seen, "loss": loss})


WRITERS = {
    "fit": lambda: fit("chinchilla", example_runs(), where="held_out == 0", draws=30),
    "tied": lambda: fit("chinchilla-tied", example_runs(), where="held_out == 0", draws=30, cluster="none", seed=3),
    "isoflops": lambda: fit_isoflops(slices(), draws=40, window=4.0, seed=5),
    "envelope": lambda: fit_envelope(learning_curves(), draws=20, values=200),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    place = tmp_path_factory.mktemp("fits")
    for name, write in WRITERS.items():
        write().save(place / f"{name}.json")
    return place


def another_digit(number):
    """The number with its sixth significant digit changed."""
    text = f"{number:.17e}"
    return float(text[:7] + str((int(text[7]) + 5) % 10) + text[8:])


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_written_agrees_to_the_last_bit(saved, name):
    result = verify(saved / f"{name}.json")
    assert result.first_disagreement is None
    assert {claim.difference for claim in result.claims} == {0.0}
    record = json.loads((saved / f"{name}.json").read_text())
    names = {claim.name for claim in result.claims}
    assert {f"params.{parameter}.value" for parameter in record["params"]} <= names
    assert {"data.sha256", "objective.value", "certificate.gradient", "ensemble.draws"} <= names
    assert result.to_dict()["agrees"] is True


def tampered(saved, tmp_path, name, *path):
    """A copy of a saved fit with one number changed, or with the last list on the way's first number changed."""
    record = json.loads((saved / f"{name}.json").read_text())
    place = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = another_digit(place[path[-1]])
    (tmp_path / "fit.json").write_text(json.dumps(record))
    return verify(tmp_path / "fit.json")


@pytest.mark.parametrize("name", ["fit", "tied"])
@pytest.mark.parametrize(
    "path",
    [
        ("params", "alpha", "value"),
        ("params", "E", "low"),
        ("params", "E", "high"),
        ("objective", "value"),
        ("certificate", "condition"),
        ("ensemble", "draws", 17, 1),
        ("rows", "residuals", 3),
        ("rows", "columns", "loss", 5),
        ("level",),
    ],
)
def test_one_changed_digit_of_a_fit_is_found(saved, tmp_path, name, path):
    assert tampered(saved, tmp_path, name, *path).refused


@pytest.mark.parametrize("name", ["isoflops", "envelope"])
@pytest.mark.parametrize(
    "path",
    [
        ("params", "a", "value"),
        ("params", "k_D", "high"),
        ("frontier", "tokens_exponent", "low"),
        ("minima", 1, "params", "value"),
        ("minima", 0, "loss"),
        ("bias", "params_exponent"),
        ("loss_law", "params", "E", "value"),
        ("ensemble", "draws", 3, 0),
        ("rows", "columns", "loss", 5),
    ],
)
def test_one_changed_digit_of_a_frontier_is_found(saved, tmp_path, name, path):
    assert tampered(saved, tmp_path, name, *path).refused


def test_the_disagreement_is_named_with_its_place_and_both_values(saved, tmp_path):
    result = tampered(saved, tmp_path, "isoflops", "ensemble", "draws", 3, 0)
    assert result.first_disagreement.name == "ensemble.draws[3][0]"
    assert result.first_disagreement.claimed != result.first_disagreement.found
    assert result.findings[0].message.count("ensemble.draws[3][0]") == 1
    row = tampered(saved, tmp_path, "fit", "rows", "columns", "loss", 5)
    assert row.first_disagreement.name == "data.sha256"


def test_an_invented_or_a_missing_claim_is_found(saved, tmp_path):
    record = json.loads((saved / "fit.json").read_text())
    (tmp_path / "more.json").write_text(json.dumps({**record, "accuracy": 0.999}))
    assert verify(tmp_path / "more.json").first_disagreement.name == "accuracy"
    record["warnings"] = record["warnings"][:-1]
    (tmp_path / "less.json").write_text(json.dumps(record))
    assert verify(tmp_path / "less.json").first_disagreement.name.startswith("warnings")


def test_a_file_without_its_rows_or_of_another_kind_is_refused(saved, tmp_path):
    record = json.loads((saved / "isoflops.json").read_text())
    del record["rows"]
    (tmp_path / "brief.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="not a whole fit"):
        verify(tmp_path / "brief.json")
    (tmp_path / "forecast.json").write_text('{"schema": "isoflop.forecast/1"}')
    with pytest.raises(InputError, match=r"isoflop\.forecast/1"):
        verify(tmp_path / "forecast.json")
