"""How forecasts fare where the data term changes its slope inside the fitted range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.coverage_studies import TRUTHS, grid
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import predict
from isoflop.forecasting.prediction import forecast
from isoflop.laws.catalogue import find

DRAWS = 200
PLACE, SHARPNESS = 8e9, 0.2  # tokens, in the middle of the 36-run grid
BENT = find("chinchilla-broken")


@dataclass(frozen=True)
class Break:
    """A change of the data exponent, the size of errors, and the law that is fitted all the same."""

    law: str
    change: float
    noise: float
    studies: int

    @property
    def key(self) -> str:
        """A name for it."""
        return f"{self.law}, {self.change}, {self.noise}, {self.studies}"


def broken(case: Break) -> dict[str, Any]:
    """Whether the forecast at ten times the compute covered the outcome, and whether a warning stood beside it."""
    design, covered, warned, errors = grid(6, 6), [], [], []
    truth = np.append(TRUTHS["besiroglu"], [case.change, PLACE, SHARPNESS])
    clean = predict(BENT, truth, {"params": design.params, "tokens": design.tokens})[0]
    far = {name: values[:1] for name, values in design.far.items()}
    for number in range(case.studies):
        generator = np.random.default_rng([number, 11])
        loss = clean * np.exp(case.noise * generator.standard_normal(len(clean)))
        fitted = fit(case.law, design.table(loss), starts="projected", draws=DRAWS, seed=number)
        result = forecast(fitted, params=float(far["params"][0]), tokens=float(far["tokens"][0]))
        came = float(predict(BENT, truth, far)[0, 0]) * float(np.exp(case.noise * generator.standard_normal()))
        point = result.points[0].loss
        assert point.low is not None and point.high is not None
        covered.append(bool(point.low <= came <= point.high))
        warned.append(any(finding.severity != "note" for finding in result.findings))
        errors.append(abs(float(np.log(point.value / came))))
    return {"covered": covered, "warned": warned, "error": float(np.median(errors))}
