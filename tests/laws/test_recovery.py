"""The conformance test of a law: from data made of it, without noise, the solver gives it back."""

import numpy as np
import pytest

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable
from tests.laws.cases import CASES


def in_order(law, theta):
    """Parameters by name, with the breaks of a broken law in order of their place: their numbers mean nothing."""
    named = dict(zip(law.parameter_names, theta.tolist(), strict=True))
    breaks = sorted((named[f"d_{i}"], named[f"c_{i}"], named[f"f_{i}"]) for i in range(1, 9) if f"d_{i}" in named)
    return [*(value for name, value in named.items() if name[:2] not in ("d_", "c_", "f_")), *np.ravel(breaks)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.law)
def test_noise_free_data_give_back_the_law(case):
    law = find(case.law)
    truth = np.array([case.parameters[name] for name in law.parameter_names])
    columns = case.columns()
    table = {item.column: columns[item.name] for item in law.inputs}
    output = predict(law, truth, table)[0]
    runs = RunTable.from_columns({**table, law.output: output})
    fitted = fit(law, runs, objective=case.objective, draws=0)
    assert fitted.status is FitStatus.CONVERGED
    assert fitted.objective_value < 1e-20
    assert predict(law, fitted.theta, table)[0] == pytest.approx(output, rel=1e-6)
    assert in_order(law, fitted.theta) == pytest.approx(in_order(law, truth), rel=1e-6)
