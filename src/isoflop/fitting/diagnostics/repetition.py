"""Data seen many times are worth less than fresh data, and most laws do not know it: part of D22."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.diagnostics.evidence import Evidence
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import has_numbers, lines, naming

_MOST_EPOCHS = 4.0
"""Up to four passes over the data cost next to nothing, more do (Muennighoff et al. 2023)."""


def repeated_data(evidence: Evidence) -> Iterator[Finding]:
    """Runs of more than four epochs under a law without the number of distinct tokens.

    Reference: muennighoff2023
    """
    runs, law = evidence.fit.runs, evidence.fit.law
    if {"unique_tokens", "epochs"} & set(law.columns) or "tokens" not in law.columns:
        return
    if has_numbers(runs, "unique_tokens"):
        with np.errstate(invalid="ignore", divide="ignore"):
            epochs = (
                evidence.data[next(item.name for item in law.inputs if item.column == "tokens")] / runs["unique_tokens"]
            )
    elif has_numbers(runs, "epochs"):
        epochs = runs["epochs"]
    else:
        return
    many = epochs > _MOST_EPOCHS * 1.001
    if not many.any():
        return
    rows = lines(runs, many)
    most = format_number(float(epochs[many].max()), 2)
    message = (
        f"{naming(rows).capitalize()}: the data were seen up to {most} times, and this law counts them as fresh: leave "
        "such runs out with --where, or fit muennighoff."
    )
    yield Finding("repeated-data", "warn", message, rows)
