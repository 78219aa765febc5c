"""NIST StRD nonlinear regression: 27 sets of certified values, two starts each, through the public custom-law API."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.wald import standard_errors
from isoflop.laws.formula import law
from isoflop.runs.table import RunTable

DATA = os.environ.get("ISOFLOP_DATA")
SETS = json.loads((Path(DATA) / "nist-strd" / "certified.json").read_text()) if DATA else {"skipped": {}}
pytestmark = pytest.mark.skipif(DATA is None, reason="ISOFLOP_DATA does not point at the public run data")

PARAMETER_DIGITS = dict.fromkeys(("DanWood", "Bennett5", "Misra1a", "Misra1b", "Misra1c", "Misra1d"), 8.0)
DEVIATION_DIGITS = {"Lanczos1": 3.0}  # its certified residuals are of the size of rounding errors of the data


def digits(found, certified):
    """Correct digits of the worst value."""
    error = np.abs(np.asarray(found) / np.asarray(certified) - 1.0)
    return float(-np.log10(np.maximum(error, 1e-16)).min())


def observations(name):
    lines = (Path(DATA) / "nist-strd" / f"{name}.dat").read_text().splitlines()
    stated = [line for line in lines if "Data" in line and "lines" in line][-1]
    first, last = map(int, re.search(r"lines\s+(\d+)\s+to\s+(\d+)", stated).groups())
    return np.array([[float(cell) for cell in line.split()] for line in lines[first - 1 : last]])


def formula(form):
    text = re.sub(r"pi = [0-9.E]+", "", form).split("=", 1)[1]
    return re.sub(r"\+\s*e\s*$", "", text.strip()).replace("[", "(").replace("]", ")").strip()


@pytest.mark.parametrize("start", ["start1", "start2"])
@pytest.mark.parametrize("name", SETS)
def test_certified_values(name, start):
    certified = SETS[name]
    table = observations(name)
    inputs = ["x"] if table.shape[1] == 2 else ["x1", "x2"]
    response = np.log(table[:, 0]) if name == "Nelson" else table[:, 0]
    columns = {"y": response, **{x: table[:, 1 + index] for index, x in enumerate(inputs)}}
    names = [f"b{index + 1}" for index in range(len(certified[start]))]
    model = law(
        formula(certified["form"]), start=dict(zip(names, certified[start], strict=True)), inputs=inputs, output="y"
    )
    fitted = fit(model, RunTable.from_columns(columns), objective="ls@value", draws=0)
    errors = standard_errors(fitted)
    assert fitted.status is FitStatus.CONVERGED
    assert digits([fitted.params[n].value for n in names], certified["certified"]) >= PARAMETER_DIGITS.get(name, 6.0)
    assert digits([errors[n] for n in names], certified["certified_sd"]) >= DEVIATION_DIGITS.get(name, 5.0)
