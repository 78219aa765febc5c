"""Forecasts that reach too far, or that another law would not make: D8, D14, D17."""

from __future__ import annotations

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.fit import Fit
from isoflop.forecasting.backtest import backtest
from isoflop.forecasting.prediction import forecast
from isoflop.runs.table import RunTable
from tests.diagnostics.clean_studies import LAW, clean_study, grid
from tests.diagnostics.planted.kind import Outcome, fitted, generator, kind


def clean_fit(seed: int, **options: object) -> Fit:
    study = clean_study(seed, noise=(0.003, 0.01), **options)  # type: ignore[arg-type]
    return fitted(study, draws=60)


def asked(fit: Fit, size: float, data: float) -> tuple[Finding, ...]:
    """What is said of a forecast at so many times the size and data of the run of the largest compute."""
    top = int(np.argmax(fit.runs["params"] * fit.runs.tokens()))
    params, tokens = float(fit.runs["params"][top]) * size, float(fit.runs.tokens()[top]) * data
    return forecast(fit, params=params, tokens=tokens).findings


def too_far(seed: int) -> Outcome:
    """13 to 1e5 times the largest compute."""
    reach = np.sqrt(10 ** generator(seed).uniform(1.1, 5.0))
    return Outcome(asked(clean_fit(seed), reach, reach))


def off_to_the_side(seed: int) -> Outcome:
    """A model 15 to 300 times larger than any, or as many times more tokens, at a compute that runs have."""
    fit = clean_fit(seed)
    compute, factor = float((fit.runs["params"] * fit.runs.tokens()).max()), generator(seed).uniform(15.0, 300.0)
    column = ("params", "tokens")[seed % 2]
    value = float(fit.runs[column].max()) * factor
    point = {column: value, ("tokens", "params")[seed % 2]: compute / value}
    return Outcome(forecast(fit, **point).findings)


def form_unknown(seed: int) -> Outcome:
    """Nine sizes over 1.5 decades that show no floor yet, asked 5 to 9 times beyond: a law without one, beside one."""
    random = generator(seed)
    params = np.geomspace(1e7, 3e8, 9)
    floor, rate = random.uniform(1.2, 1.8), random.uniform(0.3, 0.4)
    loss = (floor + 2.0 * (params / 1e7) ** -rate) * np.exp(0.002 * random.normal(size=9))
    found = fitted(RunTable.from_columns({"params": params, "loss": loss}), law="kaplan-n", draws=60)
    return Outcome(forecast(found, params=3e8 * random.uniform(5.0, 9.0)).findings)


def backtest_of_another_recipe(seed: int) -> Outcome:
    """The top quarter of the compute range is 5 to 12 % off the law that the rest follow."""
    random = generator(seed)
    study = clean_study(seed, design=grid, least_runs=36, noise=(0.003, 0.006), metadata=False)
    compute = np.log(study.columns["params"] * study.columns["tokens"])
    late = compute > compute.max() - np.log(4.0)
    loss = np.array(study.columns["loss"])
    loss[late] *= np.exp(random.choice([-1.0, 1.0]) * random.uniform(0.05, 0.12))
    verdict = backtest(LAW, study.with_columns(loss=loss).table(), hide=4.0, draws=20)
    return Outcome(tuple(finding for finding in verdict.findings if finding.message.startswith("The hidden")))


KINDS = (
    kind(8, "13 to 100,000 times the largest compute", "far-extrapolation", too_far),
    kind(8, "15 to 300 times the size or data of any run, at common compute", "outside-design", off_to_the_side),
    kind(14, "a back-test over a change of recipe", "backtest-miss", backtest_of_another_recipe),
    kind(17, "a floor that the runs do not show", "form-uncertainty", form_unknown),
)
