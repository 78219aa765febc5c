"""`python -m benchmarks.planning`: what planning costs and what a designed ladder is worth; writes its reference page.

Forecasts of a designed ladder stand beside those of isoFLOP grids of the same cost, on truths that the design has not
seen. Exits 1 where a target is missed.
"""

from __future__ import annotations

import datetime
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is loaded

import numpy as np

from benchmarks.__main__ import machine
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit, predict
from isoflop.laws.catalogue import find
from isoflop.laws.graph import Array
from isoflop.planning.allocation import Terms, for_spend
from isoflop.planning.designing import design, scenarios_of
from isoflop.planning.ladders import Limits, Runs, isoflop_grid, isoflop_grids
from isoflop.planning.landscape import LawLandscape
from isoflop.planning.source import source_of
from isoflop.runs.table import RunTable

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "planning.md"
PRIOR = "published:besiroglu2024"
BUDGET, TARGET = 3e19, 1e22
TRUTHS, NOISES = 150, (0.002, 0.005, 0.02)
REPEATS = 15
INTRODUCTION = """# Planning, measured

Written by `make bench-planning`; do not edit. {machine}, {date}; Python {python}, NumPy {numpy}.

## What a designed ladder is worth

`isoflop design --budget 3e19 --target 1e22`, made for the constants of Besiroglu et al., beside isoFLOP grids that cost
the same. Each of {truths} truths is a draw {source}, so that none is the
one the design was made for; its runs get multiplicative noise, are fitted by that law (Huber 1e-3 on log-loss), and
forecast the compute-optimal run of 1e22 FLOP. Errors are of the logarithm of the loss. "The best grid" is the best,
by the same information, of all grids with as many runs and the same smallest and largest run.

| noise of a run | ladder | runs | largest run | root mean square error | median error | beside the grid |
|---|---|---|---|---|---|---|
"""
SPEED = """
The target is a root mean square error at least 30 % below that of the grid of five slices a factor of 3 apart.

## What planning takes

Whole processes by the clock on the wall, the fastest of {repeats}, and their CPU time, from a saved fit of 240 runs
with 1,000 draws and from bytecode that is compiled already. The load on the machine was {load:.1f}: what else it does
adds to the wall time.

| task | here | target | |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Ladder:
    """A ladder by its name and its runs."""

    name: str
    runs: Runs


def main() -> None:
    lines, met = [], True
    for noise in NOISES:
        rows, reached = compare(noise)
        lines += rows
        met = met and reached
    timed = list(timings())
    met = met and all(good for _, good in timed)
    head = INTRODUCTION.format(
        machine=machine(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        python=platform.python_version(),
        numpy=version("numpy"),
        truths=TRUTHS,
        source="from a fit to the 240 runs those constants come from" if _has_data() else "about those constants",
    )
    speed = SPEED.format(repeats=REPEATS, load=os.getloadavg()[0])
    text = head + "\n".join(lines) + "\n" + speed + "\n".join(line for line, _ in timed) + "\n"
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    sys.exit(0 if met else 1)


def ladders() -> list[Ladder]:
    """The design, the grid of five slices and five sizes, and the best grid under the design's limits."""
    prior = source_of(PRIOR)
    assert isinstance(prior, Fit)
    made = design(prior, budget=BUDGET, target=TARGET)
    chosen = np.array([[run.params, run.tokens] for run in made.runs for _ in range(run.seeds)]).T
    scenarios = scenarios_of(prior)
    limits = Limits(25, 3, BUDGET / 3000, BUDGET / 2, (1.0, 500.0))
    from isoflop.planning.information import forecast_variance, information

    best = for_spend(LawLandscape(scenarios.law, scenarios.theta), Terms(), TARGET)
    target = scenarios.gradients_each(best.params[:, 0], best.tokens[:, 0])

    def deviation(runs: Runs) -> float:
        found = forecast_variance(information(scenarios.gradients(runs.params, runs.tokens), 0.005), target)
        return float(np.mean(np.log(found)))

    grids = isoflop_grids(scenarios, limits, BUDGET)
    return [
        Ladder("isoFLOP grid, 5 slices a factor of 3 apart, 5 sizes", isoflop_grid(scenarios, BUDGET, 5, 5, 3.0)),
        Ladder("the best grid under the same limits", min(grids, key=deviation)),
        Ladder("`isoflop design`", Runs(chosen[0], chosen[1])),
    ]


def truths() -> Array:
    """Draws of the law from the 240 digitised runs, or about the published constants where the runs are not at hand."""
    generator = np.random.default_rng(0)
    if _has_data():
        from benchmarks.epoch import epoch_runs

        return fit("chinchilla", epoch_runs(), draws=TRUTHS, seed=1).ensemble.draws
    middle = np.array([1.8172, 482.01, 2085.43, 0.3478, 0.3658])
    return np.asarray(middle * np.exp(generator.normal(0.0, [0.01, 0.2, 0.3, 0.04, 0.05], (TRUTHS, 5))))


def compare(noise: float) -> tuple[list[str], bool]:
    """Rows of the table for one noise, and whether the design met its target."""
    law, generator = find("chinchilla"), np.random.default_rng(1)
    compared, errors = ladders(), {}
    for theta in truths():
        best = for_spend(LawLandscape(law, theta[None]), Terms(), TARGET)
        point = {"params": best.params[0], "tokens": best.tokens[0]}
        for ladder in compared:
            runs = {"params": ladder.runs.params, "tokens": ladder.runs.tokens}
            loss = predict(law, theta, runs)[0] * np.exp(generator.normal(0.0, noise, len(ladder.runs.params)))
            fitted = fit(law, RunTable.from_columns({**runs, "loss": loss}), starts="projected", draws=0)
            error = np.log(predict(law, fitted.theta, point)[0, 0]) - np.log(best.loss[0, 0])
            errors.setdefault(ladder.name, []).append(float(error))
    scores = {name: float(np.sqrt(np.mean(np.square(found)))) for name, found in errors.items()}
    first = scores[compared[0].name]
    rows = []
    for ladder in compared:
        score, cost = scores[ladder.name], ladder.runs.cost
        middle = float(np.median(np.abs(errors[ladder.name])))
        beside = "" if ladder is compared[0] else f"{score / first - 1:+.0%}"
        rows.append(
            f"| {noise:.1%} | {ladder.name} | {len(cost)} | {cost.max():.2g} | {score:.2%} | {middle:.2%} | {beside} |"
        )
        print(rows[-1], flush=True)
    return rows, scores[compared[-1].name] <= 0.7 * first


def timings() -> Iterator[tuple[str, bool]]:
    """Rows of the table of times."""
    command = str(Path(sys.executable).with_name("isoflop"))
    with tempfile.TemporaryDirectory() as place:
        saved = str(Path(place) / "fit.json")
        _saved_fit().save(saved)
        asked = [command, "plan", saved, "--gpus", "1024xh100", "--time", "30 days"]
        yield _row("`isoflop plan` with its page", asked, 0.5)
        yield _row("`isoflop plan --json`", [*asked, "--json"], 0.5)
        swept = [command, "plan", saved, "--sweep", "1e20:1e26:200", "--json"]
        yield _row("`isoflop plan --sweep 1e20:1e26:200`, intervals from 1,000 draws", swept, 2.0)
        designed = [command, "design", "--budget", "3e19", "--target", "1e22"]
        yield _row("`isoflop design --budget 3e19 --target 1e22`", designed, 10.0)


def _has_data() -> bool:
    return "ISOFLOP_DATA" in os.environ


def _saved_fit() -> Fit:
    if _has_data():
        from benchmarks.epoch import epoch_runs

        return fit("chinchilla", epoch_runs(), draws=1000)
    from tests.planning.conftest import table

    runs = [table(seed=seed) for seed in range(4)]
    columns = {name: np.concatenate([np.asarray(one[name]) for one in runs]) for name in runs[0].columns}
    return fit("chinchilla", RunTable.from_columns(columns), draws=1000, cluster="none")


def _row(task: str, command: list[str], most: float) -> tuple[str, bool]:
    taken = [_process(command) for _ in range(REPEATS)]
    wall, cpu = (min(times) for times in zip(*taken, strict=True))
    met = wall < most
    return f"| {task} | {wall:.3f} s ({cpu:.3f} s CPU) | < {most:g} s | {'met' if met else 'missed'} |", met


def _process(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a whole process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    used, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # A plan far beyond the runs is refused with exit code 1, and is a plan all the same.
    done = subprocess.run(command, check=False, capture_output=True, env=environment)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr.decode())
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


if __name__ == "__main__":
    main()
