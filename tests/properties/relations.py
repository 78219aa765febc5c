"""Random studies, and what must happen to a fit when a study is rewritten without changing what it says.

Each relation rewrites the columns of a study and says which parameters the fit must give then, to 1e-9. It speaks of
optima that the data determine: both fits certified, with a condition number below 1e8. Where the objective is flat
two roundings of the same data may end apart, so such studies are counted and set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit, interval, predict
from isoflop.laws.catalogue import find
from isoflop.laws.graph import Array, Index
from isoflop.runs.table import RunTable

TOLERANCE = 1e-9
WORST_CONDITION = 1e8
LAW = find("chinchilla")
TARGET = (1e12, 3e13)  # a forecast far beyond every study

Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """A random truth (E, A, B, alpha, beta), the runs it produced, and random factors for the relations to use."""

    truth: Array
    columns: Columns
    factor: float
    order: Index


@dataclass(frozen=True)
class Outcome:
    """How far one study went from a relation; None where its optimum is not determined."""

    error: float | None


def random_truth(generator: np.random.Generator) -> Array:
    """(E, A, B, alpha, beta) whose terms are 0.1 to 1 nats at 300 million parameters and 10 billion tokens."""
    floor = generator.uniform(1.0, 2.5)
    alpha, beta = generator.uniform(0.2, 0.6, 2)
    sizes = np.exp(generator.uniform(np.log(0.1), 0.0, 2))
    return np.array([floor, sizes[0] * 3e8**alpha, sizes[1] * 1e10**beta, alpha, beta])


def random_study(seed: int, *, noise: bool = True) -> Study:
    """30 to 80 runs of a random design, with log-normal noise of 0.1 to 1 %, or none."""
    generator = np.random.default_rng(seed)
    truth = random_truth(generator)
    count = int(generator.integers(30, 81))
    params = np.exp(generator.uniform(np.log(1e7), np.log(5e9), count))
    tokens = params * np.exp(generator.uniform(np.log(3.0), np.log(300.0), count))
    spread = float(np.exp(generator.uniform(np.log(1e-3), np.log(1e-2)))) if noise else 0.0
    loss = predict(LAW, truth, {"params": params, "tokens": tokens})[0] * np.exp(spread * generator.normal(size=count))
    columns = {"params": params, "tokens": tokens, "loss": loss, "run": np.arange(count)}
    return Study(truth, columns, float(np.exp(generator.uniform(-7.0, 7.0))), generator.permutation(count))


def fit_columns(columns: Columns, draws: int = 0) -> Fit:
    """The chinchilla law fitted to columns, from the starts by variable projection."""
    return fit(LAW, RunTable.from_columns(dict(columns)), starts="projected", cluster="run", draws=draws)


def _apart(found: Array, expected: Array) -> float:
    return float(np.max(np.abs(np.asarray(found) / np.asarray(expected) - 1.0)))


def _determined(*fits: Fit) -> bool:
    return all(
        item.status is FitStatus.CONVERGED and (item.certificate.condition or np.inf) < WORST_CONDITION for item in fits
    )


def _compare(first: Fit, second: Fit, expected: Array) -> Outcome:
    return Outcome(_apart(second.theta, expected) if _determined(first, second) else None)


def size_in_other_units(study: Study) -> Outcome:
    """N → k·N multiplies A by k^alpha and changes nothing else."""
    first = fit_columns(study.columns)
    second = fit_columns({**study.columns, "params": study.columns["params"] * study.factor})
    return _compare(first, second, first.theta * [1.0, study.factor ** first.theta[3], 1.0, 1.0, 1.0])


def data_in_other_units(study: Study) -> Outcome:
    """D → k·D multiplies B by k^beta and changes nothing else."""
    first = fit_columns(study.columns)
    second = fit_columns({**study.columns, "tokens": study.columns["tokens"] * study.factor})
    return _compare(first, second, first.theta * [1.0, 1.0, study.factor ** first.theta[4], 1.0, 1.0])


def loss_in_other_units(study: Study) -> Outcome:
    """L → c·L multiplies E, A and B by c: on log-loss, residuals stay what they were."""
    first = fit_columns(study.columns)
    second = fit_columns({**study.columns, "loss": study.columns["loss"] * study.factor})
    return _compare(first, second, first.theta * [study.factor, study.factor, study.factor, 1.0, 1.0])


def rows_in_another_order(study: Study) -> Outcome:
    """The order of the rows changes nothing."""
    first = fit_columns(study.columns)
    second = fit_columns({name: values[study.order] for name, values in study.columns.items()})
    return _compare(first, second, first.theta)


def every_row_twice(study: Study) -> Outcome:
    """Each row twice doubles the objective, keeps the parameters, and narrows no interval of whole runs."""
    first = fit_columns(study.columns, draws=20)
    second = fit_columns({name: np.concatenate([values, values]) for name, values in study.columns.items()}, draws=20)
    if not _determined(first, second):
        return Outcome(None)
    objective = abs(second.objective_value / (2.0 * first.objective_value) - 1.0)
    widths = [np.subtract(*interval(item.ensemble.draws[:, 3:], 0.9)[::-1]) for item in (first, second)]
    # A resample may be ill-determined though the study is not: interval widths are held to six digits.
    narrowed = 1e-3 * _apart(widths[1], widths[0])
    return Outcome(max(_apart(second.theta, first.theta), objective, narrowed))


def forecast_in_other_units(study: Study) -> Outcome:
    """Sizes counted in millions and data in billions of tokens give the same forecast."""
    size, data = TARGET
    first = fit_columns(study.columns)
    second = fit_columns(
        {**study.columns, "params": study.columns["params"] / 1e6, "tokens": study.columns["tokens"] / 1e9}
    )
    if not _determined(first, second):
        return Outcome(None)
    plain = predict(LAW, first.theta, {"params": np.array([size]), "tokens": np.array([data])})
    other = predict(LAW, second.theta, {"params": np.array([size / 1e6]), "tokens": np.array([data / 1e9])})
    return Outcome(_apart(other, plain))


def a_run_on_the_curve(study: Study) -> Outcome:
    """One more run exactly on the fitted curve moves nothing."""
    first = fit_columns(study.columns)
    point = {"params": np.array([2e9]) * study.factor, "tokens": np.array([4e10])}
    added = {**point, "loss": predict(LAW, first.theta, point)[0], "run": np.array([len(study.order)])}
    second = fit_columns({name: np.concatenate([values, added[name]]) for name, values in study.columns.items()})
    return _compare(first, second, first.theta)


def size_and_data_exchanged(study: Study) -> Outcome:
    """The law is symmetric: exchanging N and D exchanges (A, alpha) and (B, beta)."""
    first = fit_columns(study.columns)
    second = fit_columns({**study.columns, "params": study.columns["tokens"], "tokens": study.columns["params"]})
    return _compare(first, second, first.theta[[0, 2, 1, 4, 3]])


RELATIONS: tuple[Callable[[Study], Outcome], ...] = (
    size_in_other_units,
    data_in_other_units,
    loss_in_other_units,
    rows_in_another_order,
    every_row_twice,
    forecast_in_other_units,
    a_run_on_the_curve,
    size_and_data_exchanged,
)
