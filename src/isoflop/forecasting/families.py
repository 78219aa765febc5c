"""Recipes against each other: the ladders of two families of runs as one effective-compute multiplier."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoflop.errors import Refusal, UsageError
from isoflop.findings import Finding, Judged, by_weight
from isoflop.fitting.estimation import table_of
from isoflop.fitting.objective import parse_objective
from isoflop.forecasting.advantage import Advantage
from isoflop.forecasting.joint_fit import Settings
from isoflop.forecasting.joint_law import FLOORS, Floor
from isoflop.forecasting.measurement import measure
from isoflop.forecasting.recipes import (
    chosen_baseline,
    compute_spent,
    families_of_rows,
    family_names,
    require_positive,
    shared_law,
)
from isoflop.forecasting.twins import PAIRS, Ladders, Pair
from isoflop.laws.law import Law
from isoflop.quantities import Estimate
from isoflop.records import Saved
from isoflop.runs.table import RunTable
from isoflop.tabular import Table, Tabular, estimate_cells

SCHEMA = "isoflop.compare/1"
OBJECTIVE = "huber:1e-2"
"""Recipes differ by tenths of a percent: with δ = 1 %, ordinary scatter counts by its square, and none is wasted."""


@dataclass(frozen=True)
class LeftOut:
    """A family for which no number could be computed, and why."""

    family: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this family."""
        return {"family": self.family, "reason": self.reason}


@dataclass(frozen=True)
class FamilyComparison(Judged, Saved, Tabular):
    """Families of runs, named in column `by`, each against the baseline; `left_out` are those that tell nothing."""

    by: str
    baseline: str
    law: Law
    settings: Settings
    advantages: tuple[Advantage, ...]
    left_out: tuple[LeftOut, ...]
    runs: RunTable
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": SCHEMA,
            "by": self.by,
            "baseline": self.baseline,
            "law": self.law.name,
            "formula": self.law.formula,
            "floor": self.settings.floor,
            "pair": self.settings.pair,
            "objective": parse_objective(self.settings.objective).to_dict(),
            "cluster": self.settings.cluster,
            "level": self.settings.level,
            "seed": self.settings.seed,
            "families": [advantage.to_dict() for advantage in self.advantages],
            "left_out": [item.to_dict() for item in self.left_out],
            "data": {
                "runs": len(self.runs),
                "excluded": [{"row": item.row, "reason": item.reason} for item in self.runs.excluded],
                "param_count": self.runs.param_count,
                "source": list(self.runs.source),
                "sha256": self.runs.sha256,
            },
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """One row per family: the multiplier, its trend per decade, and how many runs tell it."""
        header = (
            self.by, "runs", "twins", "compute", "multiplier", "low", "high", "trend_per_decade", "trend_low",
            "trend_high", "refused",
        )  # fmt: skip
        rows = tuple(
            (
                *(item.family, item.runs, item.twins, item.at_compute, *estimate_cells(item.multiplier)),
                *estimate_cells(item.trend_per_decade or Estimate(float("nan"))),
                "yes" if item.refused else "no",
            )
            for item in self.advantages
        )
        return Table(f"Compute multipliers over {self.baseline}, {self.settings.level:.0%} intervals", header, rows)

    def __str__(self) -> str:
        """One sentence per family."""
        said = [f"{item.family}: refused, {_reason(item)}" if item.refused else str(item) for item in self.advantages]
        return "\n".join([*said, *(f"{item.family}: left out, {item.reason}" for item in self.left_out)])


def compare_families(
    runs: RunTable | Any,
    by: str = "family",
    *,
    baseline: str | None = None,
    law: Law | str = "auto",
    floor: Floor = "shared",
    pair: Pair = "auto",
    compute: Sequence[float] = (),
    same_evaluation: bool = False,
    objective: str = OBJECTIVE,
    draws: int = 1000,
    level: float = 0.9,
    cluster: str = "auto",
    weights: str | None = None,
    where: str | None = None,
    x: Sequence[str] = (),
    y: str | None = None,
    seed: int = 0,
) -> FamilyComparison:
    """Say what each family of runs is worth over a baseline, as a multiplier of its compute.

        L_baseline(k·C) = L_family(C)

    k > 1 means that the family is better: the baseline needs k times its compute. All exponents are shared.

    Args:
        runs: the table, or anything `read_runs` reads.
        by: the column whose values are the families.
        baseline: the family that the others are held against; the first in the table unless given.
        law: a law, its name or a formula; `auto` takes chinchilla, or a law of compute where size and data rise
            together or one of them hardly varies.
        floor: `shared`, or `own` for a floor of its own for each family: then the trend follows from the floors.
        pair: `auto` pairs runs of equal inputs (and seed, if there is one), `none` compares families as wholes.
        compute: where to tell multiplier and losses; the compute that both recipes share, and ten times beyond.
        same_evaluation: says that all losses were measured on the same held-out text with the same tokenizer.
        objective: what is minimised, on log-loss.
        draws: how many resamples to refit; 0 for no intervals.
        level: nominal coverage of the intervals.
        cluster: which runs of a family vary together, as in `fit`; twins join their groups.
        weights: a column that says how much each row counts.
        where: a condition that the rows used fulfil.
        x: columns the law's inputs are read from, in their order.
        y: the column that the law predicts, if not the loss.
        seed: of everything random.

    Raises:
        UsageError: an argument has a value it cannot have, or names no family.
        InputError: a column is missing, or the compute of the runs is not known.
        Refusal: there is but one family, or none can be compared.

    Reference: ho2024, davidson2023

    Example:
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> runs = read_runs(example_runs(), where="held_out == 0")
        >>> twice = {"family": ["plain"] * 24 + ["better"] * 24}
        >>> for name in ("params", "tokens", "loss"):
        ...     twice[name] = [*runs[name], *(runs[name] * (0.98 if name == "loss" else 1.0))]
        >>> compare_families(twice, draws=50).advantages[0].multiplier.value > 1.0
        True
    """
    settings = _settings(floor, pair, objective, draws, level, cluster, seed, compute, same_evaluation)
    table = table_of(runs, where, y or "loss")
    form = shared_law(law, table, parse_objective(objective), x, y)
    require_positive(table, form.output)
    return _compare(table, by, baseline, form, settings, weights)


def _settings(
    floor: Floor,
    pair: Pair,
    objective: str,
    draws: int,
    level: float,
    cluster: str,
    seed: int,
    compute: Sequence[float],
    same_evaluation: bool,
) -> Settings:
    if parse_objective(objective).on != "log-loss":
        raise UsageError(f"objective={objective!r}: families are compared by ratios of losses: leave out @value.")
    for name, value, allowed in (("floor", floor, FLOORS), ("pair", pair, PAIRS)):
        if value not in allowed:
            raise UsageError(f"{name}={value!r} is unknown: use {' or '.join(allowed)}.")
    if any(not 0.0 < amount < np.inf for amount in compute):
        raise UsageError(f"compute={list(compute)} must be positive, such as 1e22.")
    return Settings(floor, pair, objective, draws, level, cluster, seed, tuple(compute), same_evaluation)


def _compare(
    table: RunTable, by: str, baseline: str | None, law: Law, settings: Settings, weights: str | None
) -> FamilyComparison:
    labels = families_of_rows(table, by)
    families = family_names(labels, by)
    chosen = chosen_baseline(families, baseline, by)
    spent = compute_spent(table, law)
    advantages, left_out = [], []
    for family in families:
        if family == chosen:
            continue
        kept = (labels == chosen) | (labels == family)
        ladders = Ladders(table.select(kept), labels[kept] == family, spent[kept], law, weights)
        try:
            _require_runs(ladders, (chosen, family))
            advantages.append(measure(ladders, (chosen, family), settings))
        except Refusal as refusal:
            left_out.append(LeftOut(family, str(refusal)))
    if not advantages:
        raise Refusal(" ".join(list(dict.fromkeys(item.reason for item in left_out))[:3]))
    findings = by_weight(_findings(table, advantages, left_out))
    return FamilyComparison(by, chosen, law, settings, tuple(advantages), tuple(left_out), table, findings)


def _require_runs(ladders: Ladders, names: tuple[str, str]) -> None:
    for name, side in zip(names, (~ladders.other, ladders.other), strict=True):
        if side.sum() < 2:
            raise Refusal(f"{name} has one run only, which does not tell luck from a better recipe: train more sizes.")


def _findings(table: RunTable, advantages: list[Advantage], left_out: list[LeftOut]) -> Iterator[Finding]:
    """What is worth saying about all of it; a family that is refused beside others that are not is a warning here."""
    yield from table.findings
    answered = any(not item.refused for item in advantages)
    for item in advantages:
        for finding in item.findings:
            demoted = answered and finding.severity == "refuse"
            yield (
                replace(finding, severity="warn", message=f"No answer for {item.family}. {finding.message}")
                if (demoted)
                else finding
            )
    for omitted in left_out:
        yield Finding("family-left-out", "warn", f"{omitted.family} is left out: {omitted.reason}")


def _reason(advantage: Advantage) -> str:
    return next(finding.message for finding in advantage.findings if finding.severity == "refuse")
