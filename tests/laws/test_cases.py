"""Every law of the catalogue at one point, against arithmetic that does not use the product."""

import numpy as np
import pytest

from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import LAWS, find
from tests.laws.cases import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.law)
def test_a_law_has_the_value_of_its_case(case):
    law = find(case.law)
    theta = np.array([case.parameters[name] for name in law.parameter_names])
    point = {item.column: np.array([case.inputs[item.name]]) for item in law.inputs}
    assert predict(law, theta, point)[0, 0] == pytest.approx(case.expected, rel=case.tolerance)


def test_every_law_has_one_case():
    assert sorted(case.law for case in CASES) == sorted(law.name for law in LAWS)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_law_says_what_it_means(law):
    assert law.title and law.domain and law.references
    assert all(item.meaning and item.unit for item in (*law.inputs, *law.parameters))
    assert all(parameter.search[0] < parameter.search[1] for parameter in law.parameters)
    assert all(parameter.search[0] > 0.0 for parameter in law.parameters if parameter.scale == "log")


def test_published_values_of_the_data_constrained_law():
    """Muennighoff et al., notebook of the paper: two models of 25B unique tokens."""
    law = find("muennighoff")
    case = next(case for case in CASES if case.law == "muennighoff")
    theta = np.array([case.parameters[name] for name in law.parameter_names])
    points = {"params": [6.34e9, 8.67e9], "tokens": [242e9, 178e9], "unique_tokens": [25e9, 25e9]}
    losses = predict(law, theta, {name: np.array(values) for name, values in points.items()})[0]
    assert losses == pytest.approx([2.2256441, 2.2269634], abs=5e-7)


def test_without_repetition_the_data_constrained_law_is_chinchilla():
    parameters = {"E": 1.9, "A": 500.0, "B": 1500.0, "alpha": 0.35, "beta": 0.36, "R_D": 15.0}
    law, plain = find("muennighoff-data"), find("chinchilla")
    columns = {"params": np.array([1e8, 1e9]), "tokens": np.array([1e9, 1e10]), "unique_tokens": np.array([1e9, 1e11])}
    value = predict(law, np.array([parameters[name] for name in law.parameter_names]), columns)
    assert value == pytest.approx(
        predict(plain, np.array([parameters[name] for name in plain.parameter_names]), columns)
    )
