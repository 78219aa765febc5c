"""Learning rates: sweeps whose best value is at their edge, and one rate for sizes far apart."""

from __future__ import annotations

import numpy as np

from isoflop.findings import Finding
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import has_numbers, levels, lines, naming
from isoflop.runs.table import RunTable

_FEWEST_RATES = 3
_FARTHEST = 10.0  # factor of model size over which one learning rate is not taken for tuned


def learning_rates(table: RunTable) -> list[Finding]:
    """Both findings about learning rates; nothing where the column is missing or empty."""
    if not has_numbers(table, "learning_rate", "params", "loss") or not len(table):
        return []
    rates = table["learning_rate"]
    if not bool(np.all(np.isfinite(rates) & (rates > 0.0))):
        return []
    best, edges = _sweeps(table)
    return [*_edge(table, edges), *_untuned(table, best)]


def _sweeps(table: RunTable) -> tuple[list[int], list[int]]:
    """Places of the best run of every configuration, and of those whose rate is at the edge of its sweep."""
    size = levels(table["params"])
    data = levels(table["tokens"]) if has_numbers(table, "tokens") else np.zeros(len(table), dtype=np.int64)
    groups: dict[tuple[int, int], list[int]] = {}
    for place, key in enumerate(zip(size.tolist(), data.tolist(), strict=True)):
        groups.setdefault(key, []).append(place)
    best, edges = [], []
    for places in groups.values():
        rates, losses = table["learning_rate"][places], table["loss"][places]
        winner = int(np.argmin(losses))
        best.append(places[winner])
        swept = len(np.unique(rates)) >= _FEWEST_RATES
        if swept and rates[winner] in (rates.min(), rates.max()):
            edges.append(places[winner])
    return best, edges


def _edge(table: RunTable, edges: list[int]) -> list[Finding]:
    if not edges:
        return []
    rows = lines(table, edges)
    rate = format_number(float(table["learning_rate"][edges[0]]))
    message = (
        f"The best learning rate lies at the edge of its sweep in {naming(rows)} ({rate} in row {rows[0]}): a better "
        "one may lie beyond, and with it a lower loss."
    )
    return [Finding("edge-of-sweep", "warn", message, rows)]


def _untuned(table: RunTable, best: list[int]) -> list[Finding]:
    """One rate for the best runs of sizes more than a decade apart, where nothing else was tried."""
    rates, sizes = table["learning_rate"][best], table["params"][best]
    if len(np.unique(table["learning_rate"])) > 1 or sizes.max() <= _FARTHEST * sizes.min():
        return []
    message = (
        f"Models from {format_number(float(sizes.min()))} to {format_number(float(sizes.max()))} parameters were all "
        f"trained at learning rate {format_number(float(rates[0]))}: unless the parametrisation makes it fit them all, "
        "some are badly tuned and the exponents off."
    )
    return [Finding("untuned-rate", "warn", message)]
