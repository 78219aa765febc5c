"""What is measured: each task returns one row of the table."""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.epoch import OPTIMUM, epoch_runs, excess, logs, timed
from benchmarks.scipy_peers import HuberLoss, bootstrap_loop, grid_loop
from isoflop.fitting.binding import bind
from isoflop.fitting.estimation import fit
from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import Rows, polish, solve
from isoflop.fitting.starts import hoffmann_grid
from isoflop.laws.catalogue import find
from isoflop.laws.formula import law
from isoflop.laws.law import Law
from isoflop.runs.table import RunTable

LAW = find("chinchilla")
SUBSET = 450  # of the peers' 4,500 starts
RESAMPLES, PEER_RESAMPLES = 4000, 400
REPEATS = 7


@dataclass(frozen=True)
class Row:
    """One line of the table; `met` is whether the target was reached."""

    task: str
    ours: str
    peer: str
    result: str
    target: str
    met: bool


def default_fit_against_chinchilla(runs: RunTable, interpreter: Path) -> Row:
    """The default fit, and the `chinchilla` package over Hoffmann's starts."""
    ours = timed(lambda: fit(LAW, runs, draws=0), REPEATS)
    with tempfile.TemporaryDirectory() as place:
        path = write_runs(runs, Path(place) / "runs.csv")
        script = Path(__file__).with_name("chinchilla_peer.py")
        command = [str(interpreter), "-W", "ignore", str(script), str(path), str(SUBSET), "0"]
        peer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    seconds = peer["seconds"] * peer["starts"] / SUBSET
    theirs = HuberLoss(*logs(runs)).value(np.array([*np.log(peer["theta"][:3]), *peer["theta"][3:]]))
    ratio = seconds / ours.seconds
    return Row(
        "default fit (144 starts) vs `chinchilla` 0.2.0, `log_huber` δ=1e-3, Hoffmann's 4,500 starts",
        f"{ours.seconds:.3f} s; objective {excess(ours.result.objective_value):+.1e}",
        f"{seconds:.1f} s ({SUBSET} random starts timed, ×10); objective {excess(theirs):+.1e}",
        f"{ratio:.0f}×",
        "≥ 400×, objective no worse",
        ratio >= 400.0 and ours.result.objective_value <= theirs,
    )


def grid_against_scipy(runs: RunTable) -> tuple[Row, Row]:
    """Hoffmann's 4,500 starts, and the same by finite differences; how many of ours arrive."""
    problem, grid = bind(LAW, runs, Objective()), hoffmann_grid()
    ours = timed(lambda: solve(problem, grid))
    chosen = np.random.default_rng(0).choice(len(grid), SUBSET, replace=False)
    starts = np.column_stack([np.log(grid[chosen, :3]), grid[chosen, 3:]])
    peer = timed(lambda: grid_loop(HuberLoss(*logs(runs)), starts))
    seconds = peer.seconds * len(grid) / SUBSET
    ratio = seconds / ours.seconds
    arrived, theirs = (float(np.mean(value <= OPTIMUM * (1.0 + 1e-6))) for value in (ours.result.value, peer.result))
    speed = Row(
        "Hoffmann's 4,500 starts vs SciPy L-BFGS-B with finite differences",
        f"{ours.seconds:.2f} s",
        f"{seconds:.1f} s ({SUBSET} random starts timed, ×10)",
        f"{ratio:.1f}×",
        "≥ 10×",
        ratio >= 10.0,
    )
    share = Row(
        "share of Hoffmann's 4,500 starts that reach the optimum (within 1e-6)",
        f"{arrived:.1%}",
        f"{theirs:.1%} of {SUBSET} (SciPy L-BFGS-B, finite differences)",
        f"{arrived:.1%}",
        "≥ 95 % (stretch 99 %)",
        arrived >= 0.95,
    )
    return speed, share


def bootstraps_against_scipy(runs: RunTable) -> Row:
    """Refits of row weights from the optimum, straight into Newton; the same weights for both."""
    problem, theta = bind(LAW, runs, Objective()), fit(LAW, runs, draws=0).theta
    generator = np.random.default_rng(0)
    weights = generator.multinomial(len(runs), np.full(len(runs), 1.0 / len(runs)), size=RESAMPLES).astype(float)
    start = np.repeat(problem.surface.to_internal(theta[None]), RESAMPLES, axis=1)
    ours = timed(lambda: polish(problem, start, Rows(weights=weights)), 3)
    warm, few = np.array([*np.log(theta[:3]), *theta[3:]]), weights[:PEER_RESAMPLES]
    peer = timed(lambda: bootstrap_loop(HuberLoss(*logs(runs)), warm, few))
    seconds = peer.seconds * RESAMPLES / PEER_RESAMPLES
    ratio = seconds / ours.seconds
    worse = float(np.max(ours.result.value[:PEER_RESAMPLES] / peer.result - 1.0))
    return Row(
        "4,000 bootstraps vs SciPy L-BFGS-B, analytic gradient, both from the optimum",
        f"{ours.seconds:.2f} s; objectives at most {worse:+.1e} above SciPy's",
        f"{seconds:.1f} s ({PEER_RESAMPLES} timed, ×10)",
        f"{ratio:.0f}×",
        "≥ 15×",
        ratio >= 15.0 and worse < 1e-6,
    )


def formulas_against_built_in(runs: RunTable) -> tuple[Row, ...]:
    """A formula that is recognised as a sum of powers, and a function that is not, beside the built-in law."""
    general = law(lambda N, D, E, A, B, alpha, beta: E + A * np.exp(-alpha * np.log(N)) + B * np.exp(-beta * np.log(D)))
    texts = {"as text": law("E + A/N^alpha + B/D^beta"), "as a Python function with exp and log": general}
    built_in = {draws: _whole_fit(LAW, runs, draws) for draws in (0, 1000)}
    rows = []
    for form, formula in texts.items():
        for draws, seconds in built_in.items():
            ours = _whole_fit(formula, runs, draws)
            rows.append(
                Row(
                    f"a user's formula {form} vs the built-in law, {draws} draws",
                    f"{ours:.3f} s",
                    f"{seconds:.3f} s (built in)",
                    f"{ours / seconds:.2f}× slower",
                    "≤ 4× slower",
                    ours <= 4.0 * seconds,
                )
            )
    return tuple(rows)


def _whole_fit(formula: Law, runs: RunTable, draws: int) -> float:
    done = timed(lambda: fit(formula, runs, draws=draws), 5)
    if not excess(done.result.objective_value) < 1e-9:
        raise SystemExit(f"{formula.formula} did not reach the optimum: its time says nothing.")
    return done.seconds


def command_line(runs: RunTable) -> tuple[Row, ...]:
    """Whole processes, by the clock on the wall, and what `import isoflop` loads."""
    command = str(Path(sys.executable).with_name("isoflop"))
    with tempfile.TemporaryDirectory() as place:
        path = write_runs(runs, Path(place) / "runs.csv")
        fitting = _process([command, "fit", str(path), "--law", "chinchilla", "--draws", "1000", "--json"])
    helping = _process([command, "--help"])
    question = [sys.executable, "-c", "import sys, isoflop; print('numpy' in sys.modules)"]
    loads = subprocess.run(question, check=True, capture_output=True, text=True).stdout.strip() == "True"
    return (
        _process_row("`isoflop fit` on 240 runs with 1,000 draws", fitting, 1.5),
        _process_row("`isoflop --help`", helping, 0.15),
        Row("`import isoflop` loads NumPy", "yes" if loads else "no", "–", "–", "no", not loads),
    )


def _process_row(task: str, seconds: tuple[float, float], most: float) -> Row:
    wall, cpu = seconds
    name = f"{task}, whole process, fastest of {REPEATS}"
    return Row(name, f"{wall:.3f} s wall ({cpu:.3f} s CPU)", "–", "–", f"< {most:g} s wall", wall < most)


def _process(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of the fastest of several whole processes: what else the machine does only adds to them."""
    wall, cpu = [], []
    for _ in range(REPEATS):
        used, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        wall.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu.append(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
    return min(wall), min(cpu)


def write_runs(runs: RunTable, path: Path) -> Path:
    """The three columns of a fit as CSV, every digit kept."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["params", "tokens", "loss"])
        columns = (runs["params"], runs.tokens(), runs["loss"])
        writer.writerows([[repr(float(value)) for value in row] for row in zip(*columns, strict=True)])
    return path


def all_rows(interpreter: Path, say: Callable[[str], Any]) -> list[Row]:
    """Every row of the table; the `chinchilla` one only where its interpreter is there."""
    runs = epoch_runs()
    rows: list[Row] = []
    if interpreter.exists():
        rows.append(default_fit_against_chinchilla(runs, interpreter))
    else:
        say(f"{interpreter} is not there: the comparison with the chinchilla package is left out.")
    for task in (grid_against_scipy, bootstraps_against_scipy, formulas_against_built_in, command_line):
        say(task.__name__)
        found = task(runs)
        rows.extend([found] if isinstance(found, Row) else found)
    return rows
