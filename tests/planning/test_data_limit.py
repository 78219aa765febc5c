"""Few distinct tokens: what repeats are worth, for the law that holds it and for any other."""

from __future__ import annotations

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.fitting.fit import Fit
from isoflop.planning.allocation import Terms, for_spend
from isoflop.planning.data_limit import (
    Decay,
    RepeatedLandscape,
    data_use,
    effective,
    published_decay,
    worth_kept,
)
from isoflop.planning.landscape import LawLandscape, landscape_of
from isoflop.planning.source import source_of

UNIQUE = 25e9


@pytest.fixture(scope="module")
def published() -> Fit:
    fit = source_of("published:muennighoff2023")
    assert isinstance(fit, Fit)
    return fit


@pytest.fixture(scope="module")
def base(published: Fit) -> LawLandscape:
    from isoflop.laws.catalogue import find

    return LawLandscape(find("chinchilla-tied"), published.theta[None, :4])


def test_worth_grows_ever_more_slowly_up_to_a_limit() -> None:
    epochs = np.array([0.5, 1.0, 2.0, 4.0, 16.0, 1e3, 1e9])
    worth = effective(epochs, 1.0, 15.387756)
    assert worth[:2].tolist() == [0.5, 1.0]
    assert np.all(np.diff(worth) >= 0) and worth[-1] == pytest.approx(16.387756)
    assert worth_kept(4, published_decay().data) == pytest.approx(0.931, abs=5e-4)


def test_the_wrapped_law_is_muennighoffs(published: Fit, base: LawLandscape) -> None:
    """On the law's own terms, A, B, alpha and E, the wrapper gives the losses of the law that holds the decays."""
    whole = landscape_of(published, {"unique_tokens": UNIQUE})
    wrapped = RepeatedLandscape(base, UNIQUE, published_decay())
    params, tokens = np.meshgrid(np.geomspace(1e8, 1e11, 9), np.geomspace(UNIQUE, 40 * UNIQUE, 9))
    exact = whole.losses(params.ravel()[None], tokens.ravel()[None])
    assert wrapped.losses(params.ravel()[None], tokens.ravel()[None]) == pytest.approx(exact, rel=1e-6)
    assert float(wrapped.supported[0, 0]) == pytest.approx(0.05098652 * UNIQUE, rel=1e-5)


def test_the_allocation_of_the_paper(published: Fit) -> None:
    """8.67B on 178B and 6.34B on 242B, of equal compute: the second is better, and the optimum lies beside it."""
    land = landscape_of(published, {"unique_tokens": UNIQUE})
    best = for_spend(land, Terms(), 6 * 8.67e9 * 178e9)
    assert best.loss[0, 0] <= 2.226963
    assert best.params[0, 0] == pytest.approx(6.9e9, rel=0.05)
    assert for_spend(land, Terms(), 6 * 6.34e9 * 242e9).loss[0, 0] <= 2.225644


def test_plenty_of_tokens_change_nothing(base: LawLandscape) -> None:
    wrapped = RepeatedLandscape(base, 1e15, published_decay())
    free, same = for_spend(base, Terms(), 1e21), for_spend(wrapped, Terms(), 1e21)
    assert same.params == pytest.approx(free.params, rel=1e-6)


def test_with_few_tokens_epochs_are_worth_more_than_size(base: LawLandscape) -> None:
    """Muennighoff et al.: excess parameters lose their worth faster than repeated tokens do."""
    losses, sizes = [], []
    for unique in (1e9, 1e10, 1e11):
        best = for_spend(RepeatedLandscape(base, unique, published_decay()), Terms(), 1e22)
        losses.append(best.loss[0, 0])
        sizes.append(best.params[0, 0])
    free = for_spend(base, Terms(), 1e22)
    assert losses == sorted(losses, reverse=True) and losses[-1] >= free.loss[0, 0]
    assert sizes == sorted(sizes) and sizes[0] < free.params[0, 0]


def test_the_marginal_epoch(base: LawLandscape) -> None:
    wrapped = RepeatedLandscape(base, UNIQUE, Decay(15.0, 5.0))
    use = data_use(wrapped, Terms(), 5e9, 4 * UNIQUE, UNIQUE, 15.0)
    one, more = (wrapped.losses(np.array([[5e9]]), np.array([[n * UNIQUE]]))[0, 0] for n in (4, 5))
    assert use.next_epoch == pytest.approx(one - more) and use.next_epoch > 0
    assert use.next_epoch_compute == pytest.approx(6 * 5e9 * UNIQUE)
    assert use.epochs == 4 and use.last == pytest.approx(np.exp(-3 / 15))
    fresh = data_use(wrapped, Terms(), 5e9, 0.5 * UNIQUE, UNIQUE, 15.0)
    assert fresh.kept == 1.0 and fresh.last == 1.0
    with pytest.raises(UsageError, match="unique_tokens"):
        data_use(wrapped, Terms(), 5e9, 1e9, -1.0, 15.0)
