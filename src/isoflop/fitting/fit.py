"""Fit and Ensemble: the values that a fit results in, with their JSON."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from isoflop import records, tabular
from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding, refuses
from isoflop.fitting.certificate import Certificate, FitStatus
from isoflop.fitting.objective import Objective
from isoflop.laws.frontier import exponents, has_frontier
from isoflop.laws.graph import Array
from isoflop.laws.latex import latex
from isoflop.laws.law import Input, Law, Parameter
from isoflop.laws.surface import GeneralSurface, to_log
from isoflop.quantities import Estimate, format_number
from isoflop.runs.table import RunTable
from isoflop.tabular import Table, estimate_cells

if TYPE_CHECKING:
    import pandas

SCHEMA = "isoflop.fit/1"
_OFF_THE_SCALE = 1e4

_EXPONENTS = {
    "params_exponent": "optimal model size grows as compute to this power",
    "tokens_exponent": "optimal data grows as compute to this power",
}


@dataclass(frozen=True)
class Ensemble:
    """Draws of the parameters: uncertainty as a value that everything downstream is computed on.

    `draws` (B, k) holds one parameter vector per resample, `method` says how they came about.
    """

    names: tuple[str, ...]
    draws: Array
    method: str

    def __len__(self) -> int:
        """How many draws there are."""
        return len(self.draws)


@dataclass(frozen=True)
class Fit:
    """A law fitted to runs: the optimum, its certificate, its ensemble, its data and what they give cause to say.

    `theta` (k,) is the optimum in the order of `law.parameter_names`; `residuals` (n,) are observed minus fitted
    log-loss (or value); `clusters` (n,) numbers the groups of rows that were resampled together. `cluster`, `starts`
    and `weights` are what the fit was asked for, so that it can be done again.
    """

    law: Law
    theta: Array
    objective: Objective
    objective_value: float
    status: FitStatus
    certificate: Certificate
    ensemble: Ensemble
    level: float
    seed: int
    runs: RunTable
    clusters: NDArray[np.int64]
    residuals: Array
    findings: tuple[Finding, ...] = ()
    cluster: str = "auto"
    starts: str = "default"
    weights: str | None = None

    @property
    def params(self) -> dict[str, Estimate]:
        """Each parameter with its interval at `level`: percentiles of the draws."""
        return {
            item.name: _closed(item, _estimate(float(value), self.ensemble.draws[:, index], self.level))
            for index, (item, value) in enumerate(zip(self.law.parameters, self.theta, strict=True))
        }

    @property
    def frontier(self) -> dict[str, Estimate]:
        """Exponents of the compute-optimal N and D at the largest compute of the runs; empty for laws without."""
        if not has_frontier(self.law):
            return {}
        reach = float(np.max(6.0 * self.runs["params"] * self.runs.tokens())) if len(self.runs) else 1e21
        both = exponents(self.law, np.concatenate([self.theta[None], self.ensemble.draws]), reach)
        return {
            name: _estimate(float(values[0]), values[1:], self.level)
            for name, values in zip(("params_exponent", "tokens_exponent"), both, strict=True)
        }

    @property
    def refused(self) -> bool:
        """Whether a finding forbids using this fit without `--force`."""
        return refuses(self.findings)

    def to_dict(self, *, full: bool = True) -> dict[str, Any]:
        """The versioned JSON object; `full=False` leaves out the draws and the rows."""
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "law": self.law.name,
            "formula": self.law.formula,
            "params": {name: estimate.to_dict() for name, estimate in self.params.items()},
            "objective": {**self.objective.to_dict(), "value": self.objective_value},
            "status": self.status.value,
            "certificate": self.certificate.to_dict(),
            "frontier": {name: estimate.to_dict() for name, estimate in self.frontier.items()},
            "level": self.level,
            "interval_method": self.ensemble.method,
            "draws": len(self.ensemble),
            "seed": self.seed,
            "cluster": self.cluster,
            "starts": self.starts,
            "weights": self.weights,
            "refused": self.refused,
            "data": {
                "runs": len(self.runs),
                "excluded": [asdict(exclusion) for exclusion in self.runs.excluded],
                "param_count": self.runs.param_count,
                "source": list(self.runs.source),
                "sha256": self.runs.sha256,
            },
            "warnings": [finding.to_dict() for finding in self.findings],
        }
        if full:
            record["declaration"] = asdict(self.law)
            record["ensemble"] = {"names": list(self.ensemble.names), "draws": self.ensemble.draws}
            record["rows"] = {**self.runs.to_dict(), "clusters": self.clusters, "residuals": self.residuals}
        return record

    def save(self, path: str | Path) -> None:
        """Write `fit.json`: all that `forecast`, `plan` and `verify` need."""
        records.write_record(Path(path), self.to_dict())

    def table(self) -> Table:
        """Each parameter, and each exponent of the frontier, with its interval at `level` and its meaning."""
        meanings = {parameter.name: parameter.meaning for parameter in self.law.parameters} | _EXPONENTS
        values = {**self.params, **self.frontier}
        rows = tuple((name, *estimate_cells(value), meanings[name]) for name, value in values.items())
        title = f"{self.law.title}: {self.law.output} = {self.law.formula}"
        return Table(title, ("parameter", "value", "low", "high", "meaning"), rows)

    def _repr_html_(self) -> str:
        return tabular.html(self.table())

    def to_pandas(self) -> pandas.DataFrame:
        """The rows of `table` as a pandas DataFrame."""
        return tabular.frame(self.table())

    def to_latex(self) -> str:
        """The law with its numbers, then the rows of `table`, for LaTeX."""
        return rf"\[ {latex(self.law, self.theta.tolist())} \]" + "\n" + tabular.latex(self.table())

    def __str__(self) -> str:
        """One line per parameter under the formula."""
        lines = [f"{self.law.title}: {self.law.output} = {self.law.formula}"]
        for parameter in self.law.parameters:
            estimate = self.params[parameter.name]
            bounds = (estimate.low, estimate.high)
            low, high = ("open" if bound is None else format_number(bound, 4) for bound in bounds)
            value = format_number(estimate.value, 5)
            lines.append(f"  {parameter.name:8} {value:>12}  [{low}, {high}]  {parameter.meaning}")
        return "\n".join(lines)


def _estimate(value: float, draws: Array, level: float) -> Estimate:
    if len(draws) < 2:
        return Estimate(value)
    low, high = interval(draws, level)
    return Estimate(value, float(low), float(high))


def _closed(parameter: Parameter, estimate: Estimate) -> Estimate:
    """The estimate without bounds that the data do not give: a positive parameter 10,000 times off is off the scale."""
    if parameter.scale != "log":
        return estimate
    low, high = estimate.low, estimate.high
    return Estimate(
        estimate.value,
        None if low is None or low * _OFF_THE_SCALE < estimate.value else low,
        None if high is None or high > estimate.value * _OFF_THE_SCALE else high,
    )


def interval(draws: Array, level: float) -> tuple[Array, Array]:
    """Lower and upper percentile bounds of draws along their first axis, at `level`.

    Example:
        >>> low, high = interval(np.arange(101.0), 0.5)
        >>> float(low), float(high)
        (25.0, 75.0)
    """
    if not 0.0 < level < 1.0:
        raise UsageError(f"level={level!r} must be between 0 and 1, for example 0.9.")
    with warnings.catch_warnings():
        # Where no draw is a number the bounds are NaN, which is written as an open bound: nothing to warn of.
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
        low, high = np.nanquantile(draws, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
    return np.asarray(low), np.asarray(high)


def predict(law: Law, theta: Array, columns: Mapping[str, Array]) -> Array:
    """The law at θ (m, k) on n points given by run-table column: outputs (m, n).

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> theta = np.array([[1.8172, 477.8, 2143.0, 0.3473, 0.3672]])
        >>> point = {"params": np.array([70e9]), "tokens": np.array([1.4e12])}
        >>> round(float(predict(find("chinchilla"), theta, point)[0, 0]), 3)
        1.973
    """
    data = {item.name: np.asarray(columns[item.column], dtype=float) for item in law.inputs}
    surface = GeneralSurface(law, data, log_output=False)
    return surface.predict(to_log(law.parameters, np.atleast_2d(theta)))


def load_fit(path: str | Path) -> Fit:
    """The fit that `Fit.save` wrote.

    Raises:
        InputError: the file is not a saved fit, or is of a newer version.
    """
    record = records.read_record(Path(path), SCHEMA)
    try:
        return from_record(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a whole fit ({type(error).__name__}: {error}): write it with isoflop fit … --out fit.json."
        ) from error


def from_record(record: Mapping[str, Any]) -> Fit:
    """The fit of a full JSON object."""
    law = _law_from(record["declaration"])
    rows = record["rows"]
    stated = record["objective"]
    objective = Objective(stated["name"], stated["delta"], stated["on"], stated.get("tilt", 0.5))
    ensemble = record["ensemble"]
    draws = _numbers(ensemble["draws"]).reshape(-1, len(ensemble["names"]))  # no draws are still draws of k numbers
    return Fit(
        law=law,
        theta=np.array([record["params"][name]["value"] for name in law.parameter_names]),
        objective=objective,
        objective_value=record["objective"]["value"],
        status=FitStatus(record["status"]),
        certificate=Certificate.from_dict(record["certificate"]),
        ensemble=Ensemble(tuple(ensemble["names"]), draws, record["interval_method"]),
        level=record["level"],
        seed=record["seed"],
        runs=RunTable.from_dict(rows),
        clusters=np.array(rows["clusters"], dtype=np.int64),
        residuals=_numbers(rows["residuals"]),
        findings=tuple(Finding.from_dict(item) for item in record["warnings"]),
        cluster=record.get("cluster", "auto"),
        starts=record.get("starts", "default"),
        weights=record.get("weights"),
    )


def _numbers(values: Any) -> Array:
    return np.array(values, dtype=float)


def _parameter_from(item: dict[str, Any]) -> Parameter:
    low, high = item["bounds"]  # an open bound is null in JSON
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return Parameter(**{**item, "search": tuple(item["search"]), "bounds": bounds})


def _law_from(declaration: dict[str, Any]) -> Law:
    inputs = tuple(Input(**item) for item in declaration["inputs"])
    parameters = tuple(_parameter_from(item) for item in declaration["parameters"])
    references = tuple(declaration["references"])
    return Law(**{**declaration, "inputs": inputs, "parameters": parameters, "references": references})
