"""How intervals come out by the methods that are not chosen, on the same studies: coverage, and score beside ours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.coverage_measures import SETTINGS, Cell, bounds, score, simulate
from benchmarks.coverage_studies import LAW, targets
from isoflop.fitting.single import fit_law

STUDIES = 100
DESIGNS = ("36-run grid", "12 runs × 20 checkpoints")
METHODS = ("cluster-bootstrap", "pairs-bootstrap", "wild-bootstrap", "wald-t")
NOISE = 0.01


@dataclass(frozen=True)
class Other:
    """One method on one design."""

    design: str
    method: str

    @property
    def key(self) -> str:
        """A name for it."""
        return f"{self.design}, {self.method}, {NOISE}, {STUDIES}"


def others() -> list[Other]:
    """Every method on every design."""
    return [Other(design, method) for design in DESIGNS for method in METHODS]


def compare(case: Other) -> dict[str, Any]:
    """Coverage (6) of the method, and its mean interval score over that of the method that is chosen (6)."""
    cell = Cell(case.design, "besiroglu", NOISE)
    inside, theirs, ours = [], [], []
    for number in range(STUDIES):
        design, truth, loss = simulate(cell, number)
        wanted, table = targets(truth, design)[0], design.table(loss)
        settings = replace(SETTINGS, seed=number)
        low, high, _ = bounds(fit_law(LAW, table, replace(settings, intervals=case.method)), design)
        own_low, own_high, _ = bounds(fit_law(LAW, table, settings), design)
        inside.append((low <= wanted) & (wanted <= high))
        theirs.append(score(low, high, wanted))
        ours.append(score(own_low, own_high, wanted))
    return {
        "coverage": np.mean(inside, axis=0).tolist(),
        "score": (np.mean(theirs, axis=0) / np.mean(ours, axis=0)).tolist(),
    }
