"""Fit and Ensemble: the values that a fit results in, with their JSON."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isoflop import records, tabular
from isoflop.errors import InputError, UsageError
from isoflop.findings import Finding, Judged
from isoflop.fitting.certificate import Certificate, FitStatus
from isoflop.fitting.forecasts import Rolling
from isoflop.fitting.objective import Objective
from isoflop.laws.frontier import exponents, has_frontier
from isoflop.laws.graph import Array
from isoflop.laws.latex import latex
from isoflop.laws.law import Input, Law, Parameter
from isoflop.laws.stack import stack_laws, stack_theta
from isoflop.laws.surface import GeneralSurface, to_log
from isoflop.quantities import Estimate, format_number
from isoflop.records import Saved
from isoflop.runs.table import RunTable
from isoflop.tabular import Table, Tabular, estimate_cells

SCHEMA = "isoflop.fit/1"

Bounds = tuple[float | None, float | None]
"""Lower and upper bound of a parameter, None where the data give none."""

_EXPONENTS = {
    "params_exponent": "optimal model size grows as compute to this power",
    "tokens_exponent": "optimal data grows as compute to this power",
}


@dataclass(frozen=True)
class Ensemble:
    """Draws of the parameters: uncertainty as a value that everything downstream is computed on.

    `draws` (B, k) holds one parameter vector per resample, `method` says how they came about. `profiled` are bounds
    at the level of the fit of parameters whose draws run off the scale, read off their profiles where they can be.
    """

    names: tuple[str, ...]
    draws: Array
    method: str
    profiled: Mapping[str, Bounds] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many draws there are."""
        return len(self.draws)


@dataclass(frozen=True)
class Contestant:
    """A law that `auto` tried: its mean error on hidden larger runs (None where none could be hidden), its weight."""

    law: str
    error: float | None
    weight: float


@dataclass(frozen=True)
class MemberFit:
    """One law of a stacked fit: its weight, its optimum θ (k,), how that fit ended and the evidence."""

    law: Law
    weight: float
    theta: Array
    status: FitStatus
    certificate: Certificate

    def to_dict(self, params: Mapping[str, Estimate], *, full: bool) -> dict[str, Any]:
        """The JSON object of this member, its parameters with their intervals; `full` adds the law's declaration."""
        return {
            **({"declaration": asdict(self.law)} if full else {}),
            "law": self.law.name,
            "formula": self.law.formula,
            "weight": self.weight,
            "params": {name: estimate.to_dict() for name, estimate in params.items()},
            "status": self.status.value,
            "certificate": self.certificate.to_dict(),
        }


@dataclass(frozen=True)
class Part:
    """A law of a fit with its constants and its share of the forecast: all of it, where the law is not a stack.

    `theta` (k,) is its optimum and `ensemble` its own.
    """

    law: Law
    params: dict[str, Estimate]
    theta: Array
    ensemble: Ensemble
    weight: float = 1.0


@dataclass(frozen=True)
class Fit(Judged, Saved, Tabular):
    """A law fitted to runs: the optimum, its certificate, its ensemble, its data and what they give cause to say.

    `theta` (k,) is the optimum in the order of `law.parameter_names`; `residuals` (n,) are observed minus fitted
    log-loss (or value); `clusters` (n,) numbers the groups of rows that were resampled together. `cluster`,
    `intervals`, `starts` and `weights` are what the fit was asked for, so that it can be done again.

    `rolling` are forecasts of the larger runs from the smaller. Where the law was chosen, `contest` lists who competed;
    where several share the forecast, the law is a stack of them (`isoflop.laws.stack`) and `members` are its parts.
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
    intervals: str = "auto"
    starts: str = "default"
    weights: str | None = None
    rolling: Rolling | None = None
    contest: tuple[Contestant, ...] = ()
    members: tuple[MemberFit, ...] = ()

    @property
    def params(self) -> dict[str, Estimate]:
        """Each parameter with its interval at `level`, from draws or profile; a stack has those of its members."""
        if self.members:
            return {}
        return _params(self.law, self.theta, self.ensemble, self.level)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The laws that make up this fit with their constants: one, or the members of a stack by their own draws."""
        if not self.members:
            return (Part(self.law, self.params, self.theta, self.ensemble),)
        whole = self.ensemble
        first = len(self.members)
        found = []
        for place, member in enumerate(self.members):
            draws = whole.draws[whole.draws[:, place] == 1.0, first : first + len(member.theta)]
            numbered = zip(whole.names[first : first + len(member.theta)], member.law.parameter_names, strict=True)
            profiled = {name: whole.profiled[stacked] for stacked, name in numbered if stacked in whole.profiled}
            own = Ensemble(member.law.parameter_names, draws, whole.method, profiled)
            params = _params(member.law, member.theta, own, self.level)
            found.append(Part(member.law, params, member.theta, own, member.weight))
            first += len(member.theta)
        return tuple(found)

    @property
    def size(self) -> int:
        """How many parameters the law has; of a stack, its largest member."""
        return max(len(part.law.parameters) for part in (self.members or (self,)))

    @property
    def formula(self) -> str:
        """The formula of the law; of a stack, its members by name with their weights as powers."""
        if not self.members:
            return self.law.formula
        return " · ".join(f"({member.law.name})^{format_number(member.weight, 2)}" for member in self.members)

    @property
    def asked(self) -> Law | str:
        """The law that the fit was asked for: `auto` where it was chosen."""
        return "auto" if self.contest else self.law

    @property
    def asked_columns(self) -> tuple[str, ...]:
        """The columns that a chosen law was asked to read, where they are not the usual ones."""
        usual = {"params", "tokens", "compute", "unique_tokens"}
        return () if not self.contest or set(self.law.columns) <= usual else self.law.columns

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

    def to_dict(self, *, full: bool = True) -> dict[str, Any]:
        """The versioned JSON object; `full=False` leaves out the draws and the rows."""
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "law": self.law.name,
            "formula": self.formula,
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
            "intervals": self.intervals,
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
        if self.contest:
            record["contest"] = [asdict(contestant) for contestant in self.contest]
        if self.members:
            pairs = zip(self.members, self.parts, strict=True)
            record["members"] = [member.to_dict(part.params, full=full) for member, part in pairs]
        if full:
            record["declaration"] = None if self.members else asdict(self.law)
            record["rolling"] = None if self.rolling is None else self.rolling.to_dict()
            record["ensemble"] = {
                "names": list(self.ensemble.names),
                "draws": self.ensemble.draws,
                "profiled": {name: list(bounds) for name, bounds in self.ensemble.profiled.items()},
            }
            record["rows"] = {**self.runs.to_dict(), "clusters": self.clusters, "residuals": self.residuals}
        return record

    def table(self) -> Table:
        """Each parameter, and each exponent of the frontier, with its interval at `level` and its meaning."""
        rows: list[tuple[Any, ...]] = []
        for part in self.parts:
            owner = f"{part.law.name}: " if self.members else ""
            for parameter in part.law.parameters:
                rows.append((owner + parameter.name, *estimate_cells(part.params[parameter.name]), parameter.meaning))
        rows += [(name, *estimate_cells(value), _EXPONENTS[name]) for name, value in self.frontier.items()]
        title = f"{self.law.title}: {self.law.output} = {self.formula}"
        return Table(title, ("parameter", "value", "low", "high", "meaning"), tuple(rows))

    def to_latex(self) -> str:
        """The law with its numbers, then the rows of `table`, for LaTeX."""
        formulas = (
            rf"\[ {latex(part.law, [estimate.value for estimate in part.params.values()])} \]" for part in self.parts
        )
        return "\n".join([*formulas, tabular.latex(self.table())])

    def __str__(self) -> str:
        """One line per parameter under the formula."""
        lines = [f"{self.law.title}: {self.law.output} = {self.formula}"]
        for part in self.parts:
            if self.members:
                lines.append(f" {part.law.name}, weight {part.weight:.0%}: {part.law.formula}")
            for parameter in part.law.parameters:
                estimate = part.params[parameter.name]
                bounds = (estimate.low, estimate.high)
                low, high = ("open" if bound is None else format_number(bound, 4) for bound in bounds)
                value = format_number(estimate.value, 5)
                lines.append(f"  {parameter.name:8} {value:>12}  [{low}, {high}]  {parameter.meaning}")
        return "\n".join(lines)


def _params(law: Law, theta: Array, ensemble: Ensemble, level: float) -> dict[str, Estimate]:
    found = {}
    for index, (name, value) in enumerate(zip(law.parameter_names, map(float, theta), strict=True)):
        found[name] = _estimate(value, ensemble.draws[:, index], level)
        if name in ensemble.profiled and len(ensemble) > 1:
            low, high = ensemble.profiled[name]
            found[name] = Estimate(
                value, None if low is None else min(low, value), None if high is None else max(high, value)
            )
    return found


def _estimate(value: float, draws: Array, level: float) -> Estimate:
    if len(draws) < 2:
        return Estimate(value)
    low, high = interval(draws, level, value)
    return Estimate(value, float(low), float(high))


def interval(draws: Array, level: float, around: ArrayLike = np.nan) -> tuple[Array, Array]:
    """Lower and upper percentile bounds of draws along their first axis, at `level`, that never leave out `around`.

    `around` is the value at the stated optimum. In small studies draws surround the efficient fit, and where outliers
    or a bend pull the two apart that value may lie just outside of them.

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
    return np.asarray(np.fmin(low, around)), np.asarray(np.fmax(high, around))


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
    members = tuple(_member(item) for item in record.get("members", ()))
    law = stack_laws([member.law for member in members]) if members else _law_from(record["declaration"])
    theta = stack_theta(members) if members else _theta(law, record["params"])
    rows = record["rows"]
    stated = record["objective"]
    objective = Objective(stated["name"], stated["delta"], stated["on"], stated.get("tilt", 0.5))
    ensemble = record["ensemble"]
    draws = _numbers(ensemble["draws"]).reshape(-1, len(ensemble["names"]))  # no draws are still draws of k numbers
    profiled = {name: (low, high) for name, (low, high) in ensemble.get("profiled", {}).items()}
    return Fit(
        law=law,
        theta=theta,
        objective=objective,
        objective_value=record["objective"]["value"],
        status=FitStatus(record["status"]),
        certificate=Certificate.from_dict(record["certificate"]),
        ensemble=Ensemble(tuple(ensemble["names"]), draws, record["interval_method"], profiled),
        level=record["level"],
        seed=record["seed"],
        runs=RunTable.from_dict(rows),
        clusters=np.array(rows["clusters"], dtype=np.int64),
        residuals=_numbers(rows["residuals"]),
        findings=tuple(Finding.from_dict(item) for item in record["warnings"]),
        cluster=record.get("cluster", "auto"),
        intervals=record.get("intervals", "auto"),
        starts=record.get("starts", "default"),
        weights=record.get("weights"),
        rolling=Rolling.from_dict(record["rolling"]) if record.get("rolling") else None,
        contest=tuple(Contestant(**item) for item in record.get("contest", ())),
        members=members,
    )


def _member(item: Mapping[str, Any]) -> MemberFit:
    law = _law_from(item["declaration"])
    status, certificate = FitStatus(item["status"]), Certificate.from_dict(item["certificate"])
    return MemberFit(law, item["weight"], _theta(law, item["params"]), status, certificate)


def _theta(law: Law, params: Mapping[str, Any]) -> Array:
    return np.array([params[name]["value"] for name in law.parameter_names])


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
