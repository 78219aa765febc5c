"""FrontierFit: what approaches 1 and 2 result in, two power laws of the optimal model size and data, with their JSON.

    N*(C) = k_N·C^a        D*(C) = k_D·C^b        L*(C) = E + (C_c/C)^alpha

C compute in FLOP, N parameters, D tokens, L loss. The third law, fitted to the minima, is what forecasts use.
Reference: hoffmann2022
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from isoflop import records
from isoflop.errors import InputError
from isoflop.findings import Finding, Judged
from isoflop.fitting.fit import SCHEMA, Ensemble, Fit, from_record, interval
from isoflop.fitting.surface_bias import Bias
from isoflop.laws.graph import Array
from isoflop.quantities import Estimate, format_number
from isoflop.records import Saved
from isoflop.runs.table import RunTable
from isoflop.tabular import Table, Tabular, estimate_cells

Method = Literal["isoflops", "envelope"]

NAMES = ("k_N", "a", "k_D", "b")
FORMULA = "N = k_N*C^a; D = k_D*C^b"
MEANINGS = {
    "k_N": "optimal model size at 1 FLOP, in parameters",
    "a": "optimal model size grows as compute to this power",
    "k_D": "optimal data at 1 FLOP, in tokens",
    "b": "optimal data grows as compute to this power",
}


@dataclass(frozen=True)
class Minimum:
    """The best model found at one compute: its size, data and loss, and how many runs it rests on."""

    compute: float
    params: Estimate
    tokens: Estimate
    loss: float
    runs: int

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this minimum."""
        sides = {"params": self.params.to_dict(), "tokens": self.tokens.to_dict()}
        return {"compute": self.compute, **sides, "loss": self.loss, "runs": self.runs}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Minimum:
        """The minimum that `to_dict` wrote."""
        params, tokens = Estimate.from_dict(record["params"]), Estimate.from_dict(record["tokens"])
        return cls(record["compute"], params, tokens, record["loss"], record["runs"])


@dataclass(frozen=True)
class Evidence:
    """Why the least-squares problems are solved: their worst gradient, smallest eigenvalue and condition."""

    objective: float
    gradient: float
    smallest_eigenvalue: float
    condition: float


@dataclass(frozen=True)
class FrontierFit(Judged, Saved, Tabular):
    """The compute-optimal frontier as approach 1 or 2 finds it.

    `law` says which (`isoflop-parabola`, `isoflop-cubic`, `envelope`), `settings` are the arguments that were given,
    `theta` (4,) is in the order of NAMES. `loss_law` is the fit of a power law to the losses of the minima, or None
    for `loss_reason`; `bias` what the method errs by on noise-free data of the same runs, or None for `bias_reason`.
    """

    method: Method
    law: str
    settings: Mapping[str, Any]
    minima: tuple[Minimum, ...]
    theta: Array
    evidence: Evidence
    ensemble: Ensemble
    level: float
    seed: int
    runs: RunTable
    loss_law: Fit | None = None
    loss_reason: str = ""
    bias: Bias | None = None
    bias_reason: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def params(self) -> dict[str, Estimate]:
        """The coefficients and exponents of the two power laws with their intervals."""
        pairs = enumerate(zip(NAMES, self.theta, strict=True))
        draws = self.ensemble.draws
        return {name: estimate(float(value), draws[:, index], self.level) for index, (name, value) in pairs}

    @property
    def frontier(self) -> dict[str, Estimate]:
        """The exponents of the compute-optimal N and D."""
        params = self.params
        return {"params_exponent": params["a"], "tokens_exponent": params["b"]}

    def allocation(self, compute: float, level: float | None = None) -> tuple[Estimate, Estimate]:
        """The optimal model size and data at a compute, with their intervals."""
        rows = np.vstack([self.theta[None], self.ensemble.draws])
        level = self.level if level is None else level
        params, tokens = (rows[:, first] * compute ** rows[:, first + 1] for first in (0, 2))
        return estimate(float(params[0]), params[1:], level), estimate(float(tokens[0]), tokens[1:], level)

    def to_dict(self, *, full: bool = True) -> dict[str, Any]:
        """The versioned JSON object; `full=False` leaves out the draws and the rows."""
        evidence = asdict(self.evidence)
        objective = evidence.pop("objective")
        record: dict[str, Any] = {
            "schema": SCHEMA,
            "method": self.method,
            "law": self.law,
            "formula": FORMULA,
            "params": {name: item.to_dict() for name, item in self.params.items()},
            "objective": {"name": "ls", "delta": None, "on": "value", "value": objective},
            "status": "converged",
            "certificate": {**evidence, "starts": 1, "agreeing": 1},
            "frontier": {name: item.to_dict() for name, item in self.frontier.items()},
            "minima": [item.to_dict() for item in self.minima],
            "loss_law": None if self.loss_law is None else self.loss_law.to_dict(full=full),
            "loss_reason": self.loss_reason,
            "bias": None if self.bias is None else self.bias.to_dict(),
            "bias_reason": self.bias_reason,
            "settings": dict(self.settings),
            "level": self.level,
            "interval_method": self.ensemble.method,
            "draws": len(self.ensemble),
            "seed": self.seed,
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
            record["ensemble"] = {"names": list(self.ensemble.names), "draws": self.ensemble.draws}
            record["rows"] = self.runs.to_dict()
        return record

    def table(self) -> Table:
        """The coefficients and exponents of the two power laws with their intervals at `level` and their meaning."""
        rows = tuple((name, *estimate_cells(value), MEANINGS[name]) for name, value in self.params.items())
        return Table(f"{self.law}: {FORMULA}", ("parameter", "value", "low", "high", "meaning"), rows)

    def __str__(self) -> str:
        """The two power laws in two lines."""
        lines = []
        for letter, power, what in (("k_N", "a", "N"), ("k_D", "b", "D")):
            coefficient = format_number(self.params[letter].value, 4)
            lines.append(f"{what} = {coefficient} C^{power}, {power} = {self.params[power]}")
        return "\n".join(lines)


def estimate(value: float, draws: Array, level: float) -> Estimate:
    """A value with the percentile interval of its draws, of which NaN are left out; open where none remain."""
    finite = draws[np.isfinite(draws)]
    if not len(finite):
        return Estimate(value)
    low, high = interval(finite, level)
    return Estimate(value, float(low), float(high))


def is_frontier_record(record: Mapping[str, Any]) -> bool:
    """Whether a record of `isoflop.fit/1` holds a FrontierFit rather than the fit of a law."""
    return record.get("method") in ("isoflops", "envelope")


def load_frontier_fit(path: str | Path) -> FrontierFit:
    """The fit that `FrontierFit.save` wrote.

    Raises:
        InputError: the file is not one, or is of a newer version.
    """
    record = records.read_record(Path(path), SCHEMA)
    if not is_frontier_record(record):
        raise InputError(f"{path} holds the fit of a law, not of isoflops or envelope.")
    try:
        return frontier_from_record(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not a whole fit ({type(error).__name__}: {error}): write it with isoflop "
            f"{record['method']} … --out fit.json."
        ) from error


def frontier_from_record(record: Mapping[str, Any]) -> FrontierFit:
    """The FrontierFit of a full JSON object."""
    evidence = {name: record["certificate"][name] for name in ("gradient", "smallest_eigenvalue", "condition")}
    draws = np.array(record["ensemble"]["draws"], dtype=float).reshape(-1, len(NAMES))
    return FrontierFit(
        method=record["method"],
        law=record["law"],
        settings=record["settings"],
        minima=tuple(Minimum.from_dict(item) for item in record["minima"]),
        theta=np.array([record["params"][name]["value"] for name in NAMES], dtype=float),
        evidence=Evidence(objective=record["objective"]["value"], **evidence),
        ensemble=Ensemble(tuple(record["ensemble"]["names"]), draws, record["interval_method"]),
        level=record["level"],
        seed=record["seed"],
        runs=RunTable.from_dict(record["rows"]),
        loss_law=None if record["loss_law"] is None else from_record(record["loss_law"]),
        loss_reason=record["loss_reason"],
        bias=None if record["bias"] is None else Bias.from_dict(record["bias"]),
        bias_reason=record["bias_reason"],
        findings=tuple(Finding.from_dict(item) for item in record["warnings"]),
    )
