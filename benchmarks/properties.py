"""`python -m benchmarks.properties`: the property studies at full size; writes docs/reference/metamorphic.md.

Exits 1 if any study violates a relation. The relations themselves are in tests/properties, where a part of them runs.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is loaded

from tests.properties.relations import RELATIONS, TOLERANCE, random_study
from tests.properties.solver_trials import recover, starve

STUDIES, RECOVERIES, STARVED = 200, 200, 500
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metamorphic.md"
INTRODUCTION = """# What a fit must not depend on

Written by `make check-statistics`; do not edit. Python {python}, NumPy {numpy}.

Each relation rewrites {studies} random studies (30 to 80 runs of a random Chinchilla law, 0.1 to 1 % noise) without
changing what they say, fits them again with Huber's δ = 1e-3, and compares every parameter: a violation is a relative
difference above 1e-9. Compared are optima that the data determine: both fits certified, condition below 1e8; the
others are counted as flat. Interval widths of doubled studies, refitted 20 times, are held to 1e-6; the runs are many
enough there (30) for whole runs to be drawn.

| relation | studies | flat | worst difference | violations |
|---|---|---|---|---|
"""
TRIALS = """
Noise-free runs of {recoveries} random laws give back the worst parameter to {parameters:.1f} digits (at least 8 are
asked for) and the loss at a thousand times the largest size and data to {forecast:.1f} (at least 10).

Of {starved} fits starved of steps (up to 29 Gauss–Newton and 11 Newton steps from 16 starts) {arrived} reached the
optimum and {converged} were called converged; {wrong} of them were not at the optimum.
"""


def main() -> None:
    lines, failures = [], 0
    for relation in RELATIONS:
        errors = [relation(random_study(seed)).error for seed in range(STUDIES)]
        determined = [error for error in errors if error is not None]
        violations = sum(not error <= TOLERANCE for error in determined)
        failures += violations
        sentence = str(relation.__doc__).rstrip(".")
        flat = STUDIES - len(determined)
        lines.append(f"| {sentence} | {STUDIES} | {flat} | {max(determined):.1e} | {violations} |")
        print(lines[-1], flush=True)
    recovered = [recover(seed) for seed in range(RECOVERIES)]
    starved = [starve(seed) for seed in range(STARVED)]
    parameters, forecast = min(r.parameters for r in recovered), min(r.forecast for r in recovered)
    wrong = sum(item.converged and not item.at_optimum for item in starved)
    trials = TRIALS.format(
        recoveries=RECOVERIES,
        parameters=parameters,
        forecast=forecast,
        starved=STARVED,
        arrived=sum(item.at_optimum for item in starved),
        converged=sum(item.converged for item in starved),
        wrong=wrong,
    )
    print(trials)
    head = INTRODUCTION.format(python=platform.python_version(), numpy=version("numpy"), studies=STUDIES)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(head + "\n".join(lines) + "\n" + trials)
    sys.exit(1 if failures or wrong or parameters < 8.0 or forecast < 10.0 else 0)


if __name__ == "__main__":
    main()
