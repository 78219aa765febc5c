"""Runs that were not made alike: counts, schedules, learning rates, batches (D18 to D21)."""

from __future__ import annotations

from typing import Any

import numpy as np

from isoflop.readers.read import read_runs
from tests.diagnostics.clean_studies import Study, clean_study
from tests.diagnostics.planted.kind import Generator, Outcome, generator, kind, said


def base(seed: int, **options: Any) -> Study:
    return clean_study(seed, metadata=True, **options)


def some(random: Generator, size: int) -> np.ndarray:
    """Up to a third of the rows."""
    return random.choice(size, int(random.integers(1, max(2, size // 3))), replace=False)


def small(seed: int) -> Study:
    """A study whose models are small enough for embeddings to weigh more than a twentieth."""
    study = base(seed)
    while np.min(np.divide(study.columns["params_total"], study.columns["params_non_embedding"])) < 1.05:
        seed += 1000
        study = base(seed)
    return study


def count_of_some_rows(seed: int) -> Outcome:
    """Some rows count parameters without embeddings; the table has both counts."""
    study, random = small(seed), generator(seed)
    other = some(random, study.size)
    params = np.array(study.columns["params"])
    params[other] = np.asarray(study.columns["params_non_embedding"], dtype=float)[other]
    # Asked for one count, the reader would take the column of that count and the fault would be gone.
    return said(read_runs({**study.columns, "params": params}), other)


def count_by_architecture(seed: int) -> Outcome:
    """The same where only the architecture can tell."""
    study, random = small(seed), generator(seed)
    other = some(random, study.size)
    params = np.array(study.columns["params"])
    params[other] = np.asarray(study.columns["params_non_embedding"], dtype=float)[other]
    columns = {name: values for name, values in study.columns.items() if not name.startswith("params_")}
    return said(Study(study.truth, study.noise, {**columns, "params": params}), other)


def params_of_another_model(seed: int) -> Outcome:
    """One row whose parameters are 10 to 60 % off what its shape gives."""
    study, random = base(seed), generator(seed)
    place = int(random.integers(study.size))
    columns = {name: values for name, values in study.columns.items() if not name.startswith(("params_", "compute"))}
    factor = random.choice([0.4, 0.7, 3.0, 4.0]) * random.uniform(0.95, 1.05)
    changed = Study(study.truth, study.noise, columns)
    return said(changed.with_cell("params", place, float(columns["params"][place]) * factor), [place])


def compute_of_one_row(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    place = int(random.integers(study.size))
    factor = np.exp(random.choice([-1.0, 1.0]) * random.uniform(np.log(1.5), np.log(30.0)))
    return said(study.with_cell("compute", place, float(study.columns["compute"][place]) * factor), [place])


def compute_in_another_unit(seed: int) -> Outcome:
    study = base(seed)
    factor = [1e-12, 1e-9, 1e-2, 0.1, 20.0][seed % 5]
    compute = np.asarray(study.columns["compute"]) * factor
    return said(study.with_columns(compute=compute))


def stopped_before_the_horizon(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    other = some(random, study.size)
    horizon = np.array(study.columns["tokens"], dtype=float)
    horizon[other] *= random.uniform(1.1, 4.0, len(other))
    return said(study.with_columns(horizon_tokens=horizon), other)


def another_schedule(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    other = random.choice(study.size, int(random.integers(1, study.size // 2)), replace=False)
    schedule = np.array(study.columns["schedule"], dtype=object)
    schedule[other] = ["constant", "linear", "wsd"][seed % 3]
    return said(study.with_columns(schedule=schedule), other)


def long_warmup(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    other = some(random, study.size)
    warmup = np.array(study.columns["warmup_steps"], dtype=float)
    warmup[other] = np.asarray(study.columns["total_steps"])[other] * random.uniform(0.08, 0.5, len(other))
    return said(study.with_columns(warmup_steps=warmup), other)


def best_rate_at_the_edge(seed: int) -> Outcome:
    """Every configuration swept over four rates; at one of them the loss still falls towards the last."""
    random = generator(seed)
    study = base(seed)
    order = np.repeat(np.arange(study.size), 4)
    step = np.tile(np.arange(4), study.size)
    edge = int(random.integers(study.size))
    best = np.where(np.arange(study.size) == edge, random.choice([-0.6, 3.6]), random.uniform(1.0, 2.0, study.size))
    columns = {name: np.array(values, dtype=object)[order] for name, values in study.columns.items()}
    columns["run"] = np.array([f"run-{number}" for number in range(len(order))])
    columns["seed"] = np.zeros(len(order))
    columns["learning_rate"] = np.asarray(study.columns["learning_rate"], dtype=float)[order] * 2.0 ** (step - 1.5)
    loss = np.asarray(study.columns["loss"], dtype=float)[order]
    columns["loss"] = loss * (1.0 + 0.02 * (step - best[order]) ** 2)
    wrong = 4 * edge + (0 if best[edge] < 0 else 3)
    return said(Study(study.truth, study.noise, columns), [wrong])


def one_rate_for_all(seed: int) -> Outcome:
    study = base(seed)
    return said(study.with_columns(learning_rate=[3e-4] * study.size))


def batch_that_jumps(seed: int) -> Outcome:
    """A batch six to twenty times as large from some length on, against the rule of the others."""
    study, random = base(seed, least_runs=16), generator(seed)
    tokens = np.asarray(study.columns["tokens"], dtype=float)
    other = np.argsort(tokens, kind="stable")[-max(2, study.size // 5) :]
    batch = np.full(study.size, 2.0**18)
    batch[other] *= random.uniform(6.0, 20.0)
    return said(study.with_columns(batch_tokens=batch), other)


def huge_batches(seed: int) -> Outcome:
    study, random = base(seed), generator(seed)
    loss = np.asarray(study.columns["loss"], dtype=float)
    other = some(random, study.size)
    batch = 0.2 * 2.1e8 / loss ** (1.0 / 0.21)
    batch[other] *= random.uniform(10.0, 60.0, len(other))
    return said(study.with_columns(batch_tokens=batch), other)


KINDS = (
    kind(18, "params without embeddings in some rows, both counts given", "mixed-counts", count_of_some_rows),
    kind(18, "params without embeddings in some rows, by architecture", "mixed-counts", count_by_architecture),
    kind(
        18,
        "params of one row are not those of its architecture",
        "params-mismatch mixed-counts",
        params_of_another_model,
    ),
    kind(18, "compute of one row 1.5 to 30 times off", "compute-mismatch unit-slip", compute_of_one_row),
    kind(18, "compute in another unit", "compute-mismatch", compute_in_another_unit),
    kind(19, "stopped at 25 to 90 % of the schedule", "schedule-mismatch", stopped_before_the_horizon),
    kind(19, "another schedule in some rows", "mixed-schedules", another_schedule),
    kind(19, "warm-up over 8 to 50 % of the steps", "long-warmup", long_warmup),
    kind(20, "the best learning rate at the edge of its sweep", "edge-of-sweep", best_rate_at_the_edge),
    kind(20, "one learning rate over more than a decade", "untuned-rate", one_rate_for_all),
    kind(21, "a batch rule that changes", "batch-rule", batch_that_jumps),
    kind(21, "batches above the critical one", "batch-above-critical", huge_batches),
)
