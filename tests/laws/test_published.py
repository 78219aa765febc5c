"""Constants of the literature: whole, attributed, and in agreement with what their sources say follows from them."""

import re
from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import LAWS, find
from isoflop.laws.description import describe
from isoflop.laws.frontier import frontier
from isoflop.laws.published import find_published, published, published_for
from tests.laws.cases import CASES

BIBLIOGRAPHY = Path(__file__).parents[2] / "references.bib"
ALL = published()


@pytest.mark.parametrize("item", ALL, ids=lambda item: item.name)
def test_an_entry_is_whole(item):
    keys = re.findall(r"^@\w+\{([^,\s]+),", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.M)
    assert item.reference in keys
    assert item.name.startswith(item.reference)
    assert item.source and item.units and item.status in ("verified", "secondary", "computed")
    assert all(np.isfinite(value) for value in item.values.values())
    assert {*item.standard_errors, *item.interval, *item.convert} <= set(item.values)
    assert (item.level is None) == (not item.interval)
    if item.law is not None:
        assert set(item.values) == set(item.law.parameter_names)


@pytest.mark.parametrize("item", [item for item in ALL if item.law is not None], ids=lambda item: item.name)
def test_the_law_of_an_entry_has_a_positive_value(item):
    case = next(case for case in CASES if case.law == item.law.name)
    point = {column.column: np.array([case.inputs[column.name]]) for column in item.law.inputs}
    value = predict(item.law, np.array(item.theta), point)[0, 0]
    assert np.isfinite(value) and value > 0.0


def test_names_are_unique_and_unknown_ones_are_refused():
    assert len({item.name for item in ALL}) == len(ALL) >= 60
    with pytest.raises(UsageError, match="hoffmann2022-approach3, hoffmann2022-approach3-rounded"):
        find_published("hoffmann2022")
    with pytest.raises(UsageError, match="fill no law"):
        _ = find_published("hoffmann2022-approach1").theta


def test_constants_nobody_verified_do_not_ship():
    """Kumar's, Tissue's and the Cerebras law's were quoted from memory only."""
    assert not [item.name for item in ALL if item.reference in ("kumar2024", "tissue2024", "dey2023")]


def test_gopher_and_chinchilla_are_ranked_rightly():
    """Both took the same compute: 1.921 against 1.967 (Hoffmann), 1.974 against 2.000 (Besiroglu)."""
    point = {"params": np.array([70e9, 280e9]), "tokens": np.array([1.4e12, 300e9])}
    for name, expected in (("hoffmann2022-approach3", [1.921, 1.967]), ("besiroglu2024", [1.974, 2.000])):
        item = find_published(name)
        assert predict(item.law, np.array(item.theta), point)[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "size", "ratio"),
    [("hoffmann2022-approach3-rounded", 32.2e9, 93), ("hoffmann2022-approach3", 40.3e9, 59)],
)
def test_rounding_moves_the_optimum_at_the_compute_of_gopher(name, size, ratio):
    item = find_published(name)
    best = frontier(item.law, np.array([item.theta]), np.array([5.76e23]))
    assert best.params[0, 0] == pytest.approx(size, rel=2e-3)
    assert best.tokens[0, 0] / best.params[0, 0] == pytest.approx(ratio, abs=0.6)


def test_hyperparameters_at_familiar_scales():
    """DeepSeek at 1e20 FLOP: 9.86e-4 and 1.02M tokens. Step Law for 1B and 100B tokens: 1.11M tokens and
    1.66e-3 (1.63e-3 with the exponents rounded to three digits)."""
    points = {"compute": np.array([1e20]), "params": np.array([1e9]), "tokens": np.array([1e11])}
    expected = {
        "deepseek2024-lr": 9.86e-4,
        "deepseek2024-batch": 1.02e6,
        "steplaw2025-lr": 1.662e-3,
        "steplaw2025-batch": 1.11e6,
    }
    for name, value in expected.items():
        item = find_published(name)
        assert predict(item.law, np.array(item.theta), points)[0, 0] == pytest.approx(value, rel=5e-3), name


def test_units_are_converted_for_the_law():
    item = find_published("kaplan2020-c-min")
    assert item.values["C_c"] == 3.1e8
    assert predict(item.law, np.array(item.theta), {"compute": np.array([8.64e19])})[0, 0] == pytest.approx(3.1e8**0.05)


def test_a_law_is_described_with_its_published_constants_side_by_side():
    record = describe(find("chinchilla"))
    names = [item["name"] for item in record["published"]]
    wanted = ["hoffmann2022-approach3", "hoffmann2022-approach3-rounded", "besiroglu2024", "besiroglu2024-optimum"]
    assert names[:4] == wanted
    assert [parameter["published"]["hoffmann2022-approach3-rounded"] for parameter in record["params"]] == [
        1.69, 406.4, 410.7, 0.34, 0.28,
    ]  # fmt: skip
    assert record["latex"] == r"L = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}"
    for law in LAWS:
        assert len(describe(law)["published"]) == len(published_for(law))
