"""The implicit fourth form of Alabdulmohsin et al.: both ways round agree."""

import numpy as np
import pytest

from isoflop.errors import UsageError
from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import find
from isoflop.laws.error_rates import sigmoidal_error
from isoflop.laws.law import rebind

THETA = {"beta": 5.0, "c": -0.4, "alpha": 0.5, "eps_inf": 0.1, "eps_0": 0.9}


@pytest.mark.parametrize("examples", [1e-6, 1.0, 1e3, 1e6, 1e12])
def test_the_law_and_its_inverse_agree(examples):
    law = find("alabdulmohsin-m4")
    error = sigmoidal_error(examples, THETA)
    assert 0.1 < error < 0.9
    back = predict(law, np.array([THETA[name] for name in law.parameter_names]), {"error": np.array([error])})[0, 0]
    assert back == pytest.approx(examples, rel=1e-6)


def test_more_examples_mean_less_error():
    errors = [sigmoidal_error(examples, THETA) for examples in np.geomspace(1.0, 1e9, 30)]
    assert np.all(np.diff(errors) < 0.0)


def test_impossible_arguments_are_refused():
    with pytest.raises(UsageError, match="must be below"):
        sigmoidal_error(1e3, {**THETA, "eps_inf": 0.95})
    with pytest.raises(UsageError, match="must be positive"):
        sigmoidal_error(0.0, THETA)


def test_a_law_takes_other_columns():
    law = rebind(find("power-floor"), {"X": "samples_seen"}, output="error")
    assert law.columns == ("samples_seen",) and law.output == "error"
    with pytest.raises(UsageError, match="its inputs are X"):
        rebind(find("power-floor"), {"N": "params"})
