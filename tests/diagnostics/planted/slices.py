"""Slices of equal compute that do not show their minimum: D16."""

from __future__ import annotations

import numpy as np

from isoflop.errors import Refusal
from isoflop.findings import Finding
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.laws.graph import Array
from tests.diagnostics.clean_studies import loss_of
from tests.diagnostics.planted.kind import Generator, Outcome, generator, kind

TRUTH = np.array([1.8, 480.0, 2100.0, 0.35, 0.37])
BUDGETS = np.geomspace(1e18, 1e20, 5)


def optimum(budget: Array) -> Array:
    """The model size of least loss at each budget."""
    _, a, b, alpha, beta = TRUTH
    return (alpha * a / (beta * b) * (budget / 6.0) ** beta) ** (1.0 / (alpha + beta))


def slices(random: Generator, below: float, above: float, sizes: int = 7) -> list[tuple[Array, Array]]:
    """(params, loss) of every budget, from `below` times smaller to `above` times larger than its optimum."""
    made = []
    for budget in BUDGETS:
        params = optimum(budget) * np.geomspace(1.0 / below, above, sizes)
        loss = loss_of(TRUTH, params, budget / (6.0 * params)) * np.exp(0.0005 * random.normal(size=sizes))
        made.append((params, loss))
    return made


def judged(made: list[tuple[Array, Array]], draws: int = 60) -> Outcome:
    """What `isoflops` says of the slices; a refusal counts as what it says of budgets left out."""
    columns = {
        "params": np.concatenate([params for params, _ in made]),
        "compute": np.repeat(BUDGETS, [len(params) for params, _ in made]),
        "loss": np.concatenate([loss for _, loss in made]),
    }
    try:
        return Outcome(fit_isoflops(columns, draws=draws).findings)
    except Refusal as refusal:
        return Outcome((Finding("budget-left-out", "refuse", str(refusal)),))


def not_bracketed(seed: int) -> Outcome:
    """One or two budgets whose runs are all on one side of the optimum."""
    random = generator(seed)
    made = slices(random, 3.0, 3.0)
    aside = slices(random, *((4.0, 0.8) if seed % 2 else (0.8, 4.0)))
    for number in random.choice(5, int(random.integers(1, 3)), replace=False):
        made[number] = aside[number]
    return judged(made)


def few_sizes(seed: int) -> Outcome:
    """A budget with two or three sizes."""
    random = generator(seed)
    made = slices(random, 3.0, 3.0)
    number = int(random.integers(5))
    made[number] = slices(random, 3.0, 3.0, int(random.integers(2, 4)))[number]
    return judged(made)


def too_wide(seed: int) -> Outcome:
    reach = generator(seed).uniform(7.0, 20.0)
    return judged(slices(generator(seed), reach, reach, 9))


def off_centre(seed: int) -> Outcome:
    near, far = generator(seed).uniform(1.2, 1.4), generator(seed).uniform(8.0, 14.0)
    return judged(slices(generator(seed), *((near, far) if seed % 2 else (far, near)), 9))


def too_narrow(seed: int) -> Outcome:
    reach = generator(seed).uniform(1.4, 1.8)
    return judged(slices(generator(seed), reach, reach))


def another_optimum(seed: int) -> Outcome:
    """The smaller models of every budget trained badly, up to 25 to 45 % above the law."""
    random = generator(seed)
    worse = random.uniform(0.25, 0.45)
    made = slices(random, 4.0, 4.0, 9)
    return judged([(params, loss * (1.0 + worse * (params.min() / params) ** 1.5)) for params, loss in made], 200)


KINDS = (
    kind(16, "a minimum that is not bracketed", "budget-left-out", not_bracketed),
    kind(16, "a budget with two or three sizes", "budget-left-out", few_sizes),
    kind(16, "slices that reach 7 to 20 times", "wide-slice", too_wide),
    kind(16, "an optimum near the end of its slice", "off-centre-slice", off_centre),
    kind(16, "slices over less than a factor of four", "narrow-slice", too_narrow),
    kind(16, "curves and law with optima apart", "optimum-mismatch", another_optimum),
)
