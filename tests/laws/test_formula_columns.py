"""Formulas on tables whose columns have the letters of the laws."""

import numpy as np
import pytest

from isoflop.fitting.estimation import fit
from isoflop.runs.table import RunTable


@pytest.mark.parametrize("chosen", [(), ("N",)])
def test_a_column_called_n_is_taken_before_the_one_that_n_stands_for(chosen: tuple[str, ...]) -> None:
    size = np.logspace(6, 9, 12)
    table = RunTable.from_columns({"N": size, "loss": 2.0 + 300.0 / size**0.4})
    fitted = fit("E + A/N^alpha", table, x=chosen, objective="ls", draws=0)
    assert fitted.law.columns == ("N",)
    assert fitted.params["E"].value == pytest.approx(2.0, rel=1e-6)


def test_n_stands_for_params_where_no_column_has_that_letter() -> None:
    size = np.logspace(6, 9, 12)
    table = RunTable.from_columns({"params": size, "loss": 2.0 + 300.0 / size**0.4})
    assert fit("E + A/N^alpha", table, draws=0).law.columns == ("params",)
