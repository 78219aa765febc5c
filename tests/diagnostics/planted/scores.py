"""Metrics with a level of chance: D23."""

from __future__ import annotations

import numpy as np

from isoflop.fitting.estimation import fit
from isoflop.runs.table import RunTable
from tests.diagnostics.planted.kind import BRIEFLY, Outcome, generator, kind

CHANCE, CEILING = 0.25, 0.9


def rising(seed: int, runs: int = 24, middle: float = 2.6, noise: float = 0.006) -> dict[str, np.ndarray]:
    """Models over three decades of size, whose accuracy rises from chance as their loss falls."""
    random = generator(seed)
    params = np.repeat(np.geomspace(3e7, 3e10, runs // 2), 2)
    tokens = params * np.tile([20.0, 80.0], runs // 2)
    loss = 1.7 + 500.0 / params**0.34 + 2500.0 / tokens**0.37
    accuracy = CHANCE + (CEILING - CHANCE) / (1.0 + np.exp(4.0 * (loss - middle)))
    accuracy = accuracy + noise * random.normal(size=runs)
    return {"params": params, "tokens": tokens, "loss": loss, "accuracy": accuracy, "chance": np.full(runs, CHANCE)}


def clean_scores(seed: int) -> dict[str, np.ndarray]:
    """Scores with nothing wrong."""
    return rising(seed, middle=float(generator(seed).uniform(2.5, 2.9)))


def judged(columns: dict[str, np.ndarray], output: str = "accuracy") -> Outcome:
    """What is said of a logistic law of accuracy in loss."""
    columns = {output if name == "accuracy" else name: values for name, values in columns.items()}
    table = RunTable.from_columns(columns)
    found = fit(
        "link-logistic", table, y=output, objective="huber:1e-3@value", starts="projected", draws=0, effort=BRIEFLY
    )
    return Outcome(found.findings)


def mostly_at_chance(seed: int) -> Outcome:
    """Half of the models and more know nothing yet."""
    return judged(rising(seed, middle=float(generator(seed).uniform(1.75, 1.95))))


def two_scales_above(seed: int) -> Outcome:
    """A ladder that ends just after its two largest sizes have risen above chance."""
    columns = rising(seed, middle=2.2)
    columns["accuracy"] = CHANCE + 0.006 * generator(seed).normal(size=24)
    columns["accuracy"][-4:] += np.repeat(generator(seed).uniform(0.06, 0.2, 2), 2)
    return judged(columns)


def rises_and_falls(seed: int) -> Outcome:
    """A score that falls again, or that larger models do worse at."""
    columns, random = rising(seed), generator(seed)
    if seed % 2:
        columns["accuracy"] = columns["accuracy"][::-1].copy()
    else:
        columns["accuracy"][-6:] -= np.linspace(0.08, random.uniform(0.15, 0.3), 6)
    return judged(columns)


def one_task(seed: int) -> Outcome:
    return judged(clean_scores(seed), ("eval:arc_easy", "eval:hellaswag", "eval:mmlu_stem/acc")[seed % 3])


KINDS = (
    kind(23, "half of the models at chance", "at-chance", mostly_at_chance),
    kind(23, "two scales above chance", "few-above-chance", two_scales_above),
    kind(23, "a score that falls with scale", "non-monotone", rises_and_falls),
    kind(23, "a single task", "single-task", one_task),
)
