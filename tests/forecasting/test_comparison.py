"""`compare`: laws ranked by how they forecast hidden larger runs."""

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.forecasting.comparison import compare
from tests.fitting.studies import study


@pytest.fixture(scope="module")
def found():
    theta = [1.8, 3e4, 4e6, 0.6, 0.7]
    return compare(study(0.002, law="coupled-0.5", theta=theta, sizes=7, lengths=7), draws=200)


def test_laws_are_ranked_by_held_out_error_and_weights_sum_to_one(found):
    errors = [item.mean_abs_error for item in found.laws]
    assert errors == sorted(errors)
    assert found.laws[0].law == "coupled-0.5"
    assert sum(item.weight for item in found.laws) == pytest.approx(1.0)
    assert found.cuts >= 3 and found.hidden > 20


def test_a_law_that_follows_the_data_closest_is_not_thereby_first(found):
    """The law with most parameters has the least residuals of all; ranks come from runs it has not seen."""
    ranks = [item.law for item in found.laws]
    assert ranks.index("log-quadratic") > 0


def test_the_forecast_carries_the_spread_over_laws(found):
    point = found.forecast.points[0].loss
    alone = [item.forecast for item in found.laws if item.weight > 0.1]
    assert point.low < min(alone) * 1.02 and max(alone) < point.high * 1.02
    assert point.low < point.value < point.high


def test_the_record_says_what_the_schema_promises(found):
    record = found.to_dict()
    assert record["schema"] == "isoflop.compare/1"
    assert {"law", "weight", "median_abs_error", "forecast"} <= set(record["laws"][0])
    assert record["forecast"]["loss"]["value"] == found.forecast.points[0].loss.value


def test_laws_of_other_inputs_are_refused():
    with pytest.raises(UsageError, match="do not take the same inputs"):
        compare(study(), ["chinchilla", "power-floor-n"])


def test_the_point_can_be_chosen():
    named = compare(study(0.003), ["chinchilla", "chinchilla-tied"], params=1e10, tokens=2e11, draws=100)
    assert named.forecast.points[0].params == 1e10
    assert np.isfinite(named.forecast.points[0].loss.value)
