"""Design: the ladder of runs that best pins down a forecast, what it is expected to give, and what lies beside it."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

from isoflop.accounting.flops import six_nd
from isoflop.findings import Finding, Judged
from isoflop.planning.shape import ShapeChoice
from isoflop.quantities import Estimate, format_count, format_flops, format_number
from isoflop.records import Saved
from isoflop.tabular import Table, Tabular

SCHEMA = "isoflop.design/1"
_OPEN = 5.0  # half-width of log-loss above which an interval says nothing


@dataclass(frozen=True)
class DesignedRun:
    """A configuration of the ladder and how many seeds of it to train.

    `gpu_hours` are those of one seed, None where no device is named; `shape` is a transformer of about that size.
    """

    params: float
    tokens: float
    seeds: int
    gpu_hours: float | None = None
    shape: ShapeChoice | None = None

    @property
    def compute(self) -> float:
        """Training FLOP of one seed."""
        return six_nd(self.params, self.tokens)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "params": self.params,
            "tokens": self.tokens,
            "seeds": self.seeds,
            "compute": self.compute,
            "gpu_hours": self.gpu_hours,
            "shape": None if self.shape is None else self.shape.to_dict(),
        }


@dataclass(frozen=True)
class Comparison:
    """A usual ladder of the same cost, and the standard deviation of its forecast at the target."""

    name: str
    runs: int
    compute: float
    deviation: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"ladder": self.name, "runs": self.runs, "compute": self.compute, "deviation": self.deviation}


@dataclass(frozen=True)
class Step:
    """What the forecast would be with a multiple of the budget, its limits scaled alike."""

    factor: float
    compute: float
    deviation: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"factor": self.factor, "compute": self.compute, "deviation": self.deviation}


@dataclass(frozen=True)
class Design(Judged, Saved, Tabular):
    """The ladder of a design.

    `deviation` is the standard deviation of the forecast log-loss at the target if the prior is the truth,
    `worst_deviation` the largest over the `scenarios`; the noise of the target run itself comes on top in `expected`.
    """

    law: str
    source: str
    level: float
    budget: float
    spent: float
    target_params: float
    target_tokens: float
    target_loss: float
    noise: float
    runs: tuple[DesignedRun, ...]
    deviation: float
    worst_deviation: float
    comparisons: tuple[Comparison, ...]
    steps: tuple[Step, ...]
    scenarios: int
    given: int = 0
    given_deviation: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def expected(self) -> Estimate:
        """The loss at the target with the interval that the ladder is expected to give."""
        return self.interval(self.deviation)

    def interval(self, deviation: float) -> Estimate:
        """The loss at the target with the interval of a run's outcome, for a deviation of the forecast."""
        half = normal_quantile(0.5 + 0.5 * self.level) * math.hypot(deviation, self.noise)
        if half > _OPEN:
            return Estimate(self.target_loss)
        return Estimate(self.target_loss, self.target_loss * math.exp(-half), self.target_loss * math.exp(half))

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "law": self.law,
            "source": self.source,
            "level": self.level,
            "budget": self.budget,
            "compute": self.spent,
            "target": {
                "params": self.target_params,
                "tokens": self.target_tokens,
                "compute": six_nd(self.target_params, self.target_tokens),
                "loss": self.expected.to_dict(),
            },
            "noise": self.noise,
            "deviation": self.deviation,
            "worst_deviation": self.worst_deviation,
            "scenarios": self.scenarios,
            "runs": [run.to_dict() for run in self.runs],
            "comparisons": [comparison.to_dict() for comparison in self.comparisons],
            "budgets": [step.to_dict() for step in self.steps],
            "given": {"runs": self.given, "deviation": self.given_deviation},
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """One row for each configuration."""
        rows = tuple((run.params, run.tokens, run.tokens / run.params, run.seeds, run.compute) for run in self.runs)
        header = ("params", "tokens", "tokens_per_param", "seeds", "compute")
        return Table(f"Ladder for {format_flops(self.budget)} by {self.law}", header, rows)

    def to_csv(self) -> str:
        """One row for each run, its seed numbered from 0: the rows of a run table without their losses."""
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["params", "tokens", "compute", "seed"])
        for run in self.runs:
            writer.writerows([run.params, run.tokens, run.compute, seed] for seed in range(run.seeds))
        return lines.getvalue()

    def __str__(self) -> str:
        """Two lines: the ladder and what it is expected to give."""
        count = sum(run.seeds for run in self.runs)
        target = f"{format_count(self.target_params)} parameters on {format_count(self.target_tokens)} tokens"
        return (
            f"{count} runs of {len(self.runs)} configurations, {format_flops(self.spent)}: loss of {target} "
            f"{self.expected}\n"
            f"a standard deviation of {format_number(100 * self.deviation)} % for the forecast, by {self.law}"
        )


def normal_quantile(share: float) -> float:
    """The quantile of the standard normal law.

    Example:
        >>> round(normal_quantile(0.95), 4)
        1.6449
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)
