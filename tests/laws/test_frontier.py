"""The compute-optimal frontier: closed form against search, and published numbers."""

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.laws import frontier as module
from isoflop.laws.catalogue import find
from isoflop.laws.frontier import exponents, frontier
from isoflop.laws.law import PARAMS, TOKENS, Law

BESIROGLU = np.array([[1.8172180990101, 477.82586823391, 2143.4173633604, 0.3473104988817547, 0.367172432627762]])


def test_tokens_per_parameter_of_the_printed_parameters():
    """Besiroglu et al.: 25.7 tokens per parameter at 1e18 FLOP, 21.6 at 1e21, 18.4 at 5.76e23, 16.6 at 3.8e25."""
    printed = np.array([[1.8172, 482.01, 2085.43, 0.3478, 0.3658]])
    best = frontier(find("chinchilla"), printed, np.array([1e18, 1e21, 5.76e23, 3.8e25]))
    assert (best.tokens / best.params)[0] == pytest.approx([25.7, 21.6, 18.4, 16.6], abs=0.06)


def test_the_exponent_of_the_optimal_size():
    size, data = exponents(find("chinchilla"), BESIROGLU, 1e21)
    assert size[0] == pytest.approx(0.51389951590869, abs=1e-9)
    assert size[0] + data[0] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["chinchilla", "chinchilla-tied", "chinchilla-no-floor"])
def test_the_search_finds_the_closed_form(name):
    law = find(name)
    theta = BESIROGLU[:, [("E", "A", "B", "alpha", "beta").index(p) for p in law.parameter_names]]
    compute = np.geomspace(1e17, 1e26, 10)
    searched = module._search(law, theta, np.log(compute / 6.0))
    assert np.exp(searched) == pytest.approx(frontier(law, theta, compute).params, rel=1e-5)


def test_a_law_without_closed_form_is_searched():
    """Kaplan's coupled form with equal exponents inside is the additive law to a power: the same optimum."""
    coupled = Law(
        "coupled",
        "coupled",
        "((A/N)^alpha + (B/D)^alpha)^2",
        (PARAMS, TOKENS),
        tuple(p for p in find("chinchilla").parameters if p.name in ("A", "B", "alpha")),
    )
    assert module._closed_form(coupled, np.array([[1e3, 1e4, 0.3]]), np.zeros(1)) is None
    best = frontier(coupled, np.array([[1e3, 1e4, 0.3]]), np.array([6e20]))
    assert best.params[0, 0] == pytest.approx(np.sqrt(1e20 * 1e3 / 1e4), rel=1e-5)


def test_a_law_of_one_quantity_has_no_frontier():
    with pytest.raises(UsageError, match="needs params and tokens"):
        frontier(find("power-c"), np.array([[1e8, 0.05]]), np.array([1e20]))
