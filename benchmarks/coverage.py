"""`python -m benchmarks.coverage`: how often intervals contain the truth, and how sharp they are for it.

Writes docs/reference/coverage.md; exits 1 where a figure misses what is asked of it. `tests/fitting/test_coverage.py`
runs a part of the same code.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is loaded

import csv
import datetime
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from benchmarks import coverage_studies
from benchmarks.__main__ import machine
from benchmarks.coverage_studies import DESIGNS, LAW, NOISES, TARGETS, TRUTHS, Array, Design, targets
from benchmarks.parts import ROOT, run_parts
from isoflop.fitting.binding import bind
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.objective import parse_objective
from isoflop.fitting.refits import refit
from isoflop.fitting.single import Settings, fit_law
from isoflop.fitting.solver import Rows, solve
from isoflop.fitting.whitening import Block, Whitening
from isoflop.forecasting.prediction import forecast
from isoflop.laws.catalogue import find

PAGE = ROOT / "docs" / "reference" / "coverage.md"
PEER = ROOT / "benchmarks" / "peer_intervals.csv"
LEVEL, DRAWS = 0.9, 200
STUDIES, SCORED, TAILED, OUTCOMES, BROKEN = 1000, 250, 300, 200, 250
PLAIN, ELSEWHERE, TAILS = (0.87, 0.93), (0.85, 0.95), 0.82
SHARP = 1.3
SETTINGS = Settings(parse_objective("huber:1e-3"), draws=DRAWS, level=LEVEL, starts="projected")


@dataclass(frozen=True)
class Cell:
    """One design, truth and size of errors; `tails` for errors with Student's t₃."""

    design: str
    truth: str
    noise: float
    tails: bool = False
    studies: int = STUDIES

    @property
    def key(self) -> str:
        """A name for it."""
        return f"{self.design}, {self.truth}, {self.noise}, {'t3' if self.tails else 'normal'}, {self.studies}"


def cells() -> list[Cell]:
    """All of them: normal errors at full size, heavy tails at a third."""
    plain = [Cell(design, truth, noise) for design in DESIGNS for truth in TRUTHS for noise in NOISES]
    return plain + [replace(cell, tails=True, studies=TAILED) for cell in plain]


def simulate(cell: Cell, number: int) -> tuple[Design, Array, Array]:
    """The design, the truth and the losses of one study."""
    design, truth = DESIGNS[cell.design](), TRUTHS[cell.truth]
    generator = np.random.default_rng([number, *(ord(letter) for letter in cell.key)])
    clean = predict(LAW, truth, {"params": design.params, "tokens": design.tokens})[0]
    return design, truth, clean * np.exp(design.errors(cell.noise, generator, cell.tails))


def measure(cell: Cell) -> dict[str, Any]:
    """Coverage (6) of one cell, and mean interval scores (6), ours and the oracle's, on its first studies."""
    design, truth, _ = simulate(cell, 0)
    wanted = targets(truth, design)[0]
    inside, ours, oracles = [], [], []
    for number in range(cell.studies):
        design, _, loss = simulate(cell, number)
        fitted = fit_law(LAW, design.table(loss), replace(SETTINGS, seed=number))
        low, high, unbounded = bounds(fitted, design)
        covered = (low <= wanted) & (wanted <= high)
        if number < SCORED or unbounded:
            known_low, known_high, known_open = oracle(design, loss, truth, cell.noise)
            covered[2] &= known_open or not unbounded
        if number < SCORED:
            ours.append(score(low, high, wanted))
            oracles.append(score(known_low, known_high, wanted))
        inside.append(covered)
    return {
        "coverage": np.mean(inside, axis=0).tolist(),
        "score": np.mean(ours, axis=0).tolist(),
        "oracle": np.mean(oracles, axis=0).tolist(),
    }


def bounds(fitted: Fit, design: Design) -> tuple[Array, Array, bool]:
    """Bounds (6,) of what is asked, and whether E is open below, which is then 0."""
    drawn = targets(fitted.ensemble.draws, design)
    point = targets(fitted.theta, design)[0]
    low, high = np.nanquantile(drawn, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], axis=0)
    low, high = np.minimum(low, point), np.maximum(high, point)
    unbounded = fitted.params["E"].low is None
    low[2] = 0.0 if unbounded else low[2]
    return low, high, unbounded


def score(low: Array, high: Array, truth: Array) -> Array:
    """Interval score: the width, and 2/α times the distance by which the truth was missed."""
    missed = np.maximum(low - truth, 0.0) + np.maximum(truth - high, 0.0)
    return np.asarray(high - low + 2.0 / (1.0 - LEVEL) * missed)


def oracle(design: Design, loss: Array, truth: Array, noise: float) -> tuple[Array, Array, bool]:
    """Bounds (6,) of one who knows how large the errors are and how they hang together, and whether E is open for him.

    Generalised least squares with the true covariance, refitted to runs simulated with it: what `fit` does when it has
    to find the covariance out. A normal interval from the curvature would be no measure: with errors of 3 % it covers
    59 to 86 %.
    """
    table = design.table(loss)
    problem = replace(bind(LAW, table, parse_objective("ls")), whitening=_known(design))
    best = solve(problem, truth[None])
    middle = problem.surface.predict(best.phi)[0]
    errors = np.array([design.errors(noise, np.random.default_rng([1, draw]), False) for draw in range(DRAWS)])
    theta = problem.surface.to_user(best.phi)[0]
    drawn = targets(refit(problem, theta, Rows(targets=middle + errors), DRAWS), design)
    low, high = np.nanquantile(drawn, [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], axis=0)
    without = replace(bind(find("chinchilla-no-floor"), table, parse_objective("ls")), whitening=_known(design))
    rise = float(solve(without, truth[None, 1:]).value[0] - best.value[0])
    return low, high, np.sqrt(2.0 * max(rise, 0.0)) / noise < ndtri((1.0 + LEVEL) / 2.0)


def _known(design: Design) -> Whitening:
    scale = np.ones(len(design.params)) if design.scale is None else design.scale
    if design.run is None or design.root is None:
        return Whitening(scale)
    inverse = np.linalg.inv(design.root)
    return Whitening(scale, tuple(Block(np.flatnonzero(design.run == run), inverse) for run in np.unique(design.run)))


def outcomes(cell: Cell) -> dict[str, Any]:
    """Coverage of `forecast` for a run at 10 times the largest compute, and its width beside the least possible."""
    inside, widths = [], []
    for number in range(cell.studies):
        design, truth, loss = simulate(cell, number)
        fitted = fit(LAW, design.table(loss), starts="projected", draws=DRAWS, seed=number)
        far = {name: float(values[0]) for name, values in design.far.items()}
        point = forecast(fitted, params=far["params"], tokens=far["tokens"]).points[0].loss
        came = float(predict(LAW, truth, {name: values[:1] for name, values in design.far.items()})[0, 0])
        came *= float(np.exp(cell.noise * np.random.default_rng([number, 7]).standard_normal()))
        assert point.low is not None and point.high is not None
        inside.append(point.low <= came <= point.high)
        widths.append(np.log(point.high / point.low) / (2.0 * 1.645 * cell.noise))
    return {"coverage": float(np.mean(inside)), "width": float(np.median(widths))}


def broken(argument: tuple[str, int, int]) -> dict[str, Any]:
    """How forecasts fare where the data term changes its slope inside the fitted range: (law, first, last study)."""
    law, first, last = argument
    covered, warned = [], []
    for number in range(first, last):
        generator = np.random.default_rng([number, 11])
        truth = np.append(TRUTHS["besiroglu"], [generator.choice([-0.15, 0.15, 0.3]), 8e9, 0.2])
        bent, design = find("chinchilla-broken"), coverage_studies.grid(6, 6)
        clean = predict(bent, truth, {"params": design.params, "tokens": design.tokens})[0]
        loss = clean * np.exp(0.005 * generator.standard_normal(len(clean)))
        fitted = fit(law, design.table(loss), starts="projected", draws=DRAWS, seed=number)
        far = {name: values[:1] for name, values in design.far.items()}
        result = forecast(fitted, params=float(far["params"][0]), tokens=float(far["tokens"][0]))
        came = float(predict(bent, truth, far)[0, 0]) * float(np.exp(0.005 * generator.standard_normal()))
        point = result.points[0].loss
        assert point.low is not None and point.high is not None
        covered.append(bool(point.low <= came <= point.high))
        warned.append(any(finding.severity != "note" for finding in result.findings))
    return {"covered": covered, "warned": warned}


def main() -> None:
    started = time.monotonic()
    sources = [Path(__file__), Path(coverage_studies.__file__)]
    found = run_parts("coverage", measure, [(cell.key, cell) for cell in cells()], sources)
    ahead = [Cell(design, "besiroglu", noise, studies=OUTCOMES) for design in DESIGNS for noise in NOISES]
    told = run_parts("outcomes", outcomes, [(cell.key, cell) for cell in ahead], sources)
    bent = [(f"{law} {first}", (law, first, first + 25)) for law, most in (("chinchilla", BROKEN), ("auto", 100))
            for first in range(0, most, 25)]  # fmt: skip
    breaks = run_parts("broken", broken, bent, sources)
    text, missed = page(found, {cell.key: told[cell.key] for cell in ahead}, breaks)
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(1 if missed else 0)


def page(found: dict[str, Any], told: dict[str, Any], breaks: dict[str, Any]) -> tuple[str, int]:
    """The page, and how many figures miss what is asked."""
    lines, missed = [_head()], 0
    for tails in (False, True):
        chosen = [cell for cell in cells() if cell.tails == tails]
        lines.append(_section(tails))
        for cell in chosen:
            figures = found[cell.key]
            low, high = (TAILS, 1.0) if tails else PLAIN if cell.design == "36-run grid" else ELSEWHERE
            coverage = [_marked(value, low <= round(value, 2) <= high, f"{value:.2f}") for value in figures["coverage"]]
            ratios = [own / other for own, other in zip(figures["score"], figures["oracle"], strict=True)]
            sharp = [_marked(value, tails or value <= SHARP, f"{value:.2f}") for value in ratios]
            missed += sum("**" in text for text in (*coverage, *sharp))
            share = 100.0 * cell.noise
            lines.append(
                f"| {cell.design} | {cell.truth} | {share:g} % | {' | '.join(coverage)} | {' | '.join(sharp)} |"
            )
    lines += _peer_table(found)
    lines += _outcome_table(told)
    lines += _break_table(breaks)
    lines.append(f"\nFigures outside what is asked are bold: {missed} of {12 * len(cells())}.")
    return "\n".join(lines) + "\n", missed


def _marked(value: float, good: bool, text: str) -> str:
    return text if good and np.isfinite(value) else f"**{text}**"


def _head() -> str:
    return f"""# Do the intervals tell the truth?

Written by `make check-statistics`; do not edit. {machine()}, {datetime.datetime.now(datetime.UTC).date().isoformat()};
Python {platform.python_version()}, NumPy {version("numpy")}.

Runs are simulated from laws whose constants are known, fitted with `fit("chinchilla", …)` as it comes (only the random
starts are left out, for time), and each 90 % interval is asked two things: how often does it contain the truth, and how
sharp is it? Sharpness is the mean interval score, the width plus 20 times any miss, beside that of an oracle that knows
the size of the errors and how they hang together (on the first {SCORED} studies of each).

Asked: coverage of {PLAIN[0]:.0%} to {PLAIN[1]:.0%} on the 36-run grid and {ELSEWHERE[0]:.0%} to {ELSEWHERE[1]:.0%}
elsewhere, at least {TAILS:.0%} with heavy tails, and a score of at most {SHARP} times the oracle's. Sizes span 40M to
4B parameters, data 0.8B to 80B tokens (6 × 6 and 5 × 3 of them). Twelve runs are looked at twenty times each, with
errors of one run correlated by 0.9, evenly or fading from look to look. Heteroscedastic errors fall fourfold from the
smallest run to the largest. An open bound of E counts as covering only where E is open for the oracle, too, by the
profile of the same study. `alpha` and `beta` are the exponents, `a_opt` that of the optimal model size; the losses
lie at 10 and 1,000 times the largest compute. The standard error of a coverage of 90 % is 0.9 % ({STUDIES:,} studies)
or 1.7 % ({TAILED}).
"""


def _section(tails: bool) -> str:
    title = (
        f"Heavy tails (Student's t₃), {TAILED} studies each" if tails else f"Normal errors, {STUDIES:,} studies each"
    )
    names = " | ".join((*TARGETS, *TARGETS))
    rule = "|---" * (3 + 2 * len(TARGETS)) + "|"
    return f"\n## {title}\n\nCoverage, then score beside the oracle's.\n\n| design | truth | errors | {names} |\n{rule}"


def _peer_table(found: dict[str, Any]) -> Iterable[str]:
    """Scores of simple-scaling-laws on the same studies, as the peer's own script measured them."""
    if not PEER.is_file():
        return
    yield (
        "\n## Beside simple-scaling-laws 0.2.0\n\nThe package fitted to the first studies of each cell with its "
        "defaults (`python -m benchmarks.peer_intervals`): its coverage, and its score divided by ours on the same "
        "studies.\n"
    )
    yield f"| design | errors | studies | {' | '.join(TARGETS)} | {' | '.join(TARGETS)} |"
    yield "|---" * (3 + 2 * len(TARGETS)) + "|"
    with PEER.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            values = [f"{float(row[f'coverage {name}']):.2f}" for name in TARGETS]
            values += [f"{float(row[f'score {name}']):.2f}" for name in TARGETS]
            yield f"| {row['design']} | {100 * float(row['noise']):g} % | {row['studies']} | {' | '.join(values)} |"


def _outcome_table(told: dict[str, Any]) -> Iterable[str]:
    yield (
        f"\n## A run that is trained at 10 times the compute\n\n`forecast` as users call it, {OUTCOMES} studies of the "
        "first truth each: how often the run that is then trained comes out inside, and the width of the interval in "
        "units of that of one run's own scatter, below which nothing can go.\n"
    )
    yield "| design | " + " | ".join(f"{100 * noise:g} %" for noise in NOISES) + " |"
    yield "|---" * (1 + len(NOISES)) + "|"
    for design in DESIGNS:
        row = [told[Cell(design, "besiroglu", noise, studies=OUTCOMES).key] for noise in NOISES]
        yield f"| {design} | " + " | ".join(f"{item['coverage']:.2f} ({item['width']:.1f}×)" for item in row) + " |"


def _break_table(breaks: dict[str, Any]) -> Iterable[str]:
    yield (
        "\n## A truth that breaks inside the range\n\nThe data term changes its slope at 8B tokens, in the middle of "
        "the 36-run grid (by -0.15, 0.15 or 0.3, errors of 0.5 %). Asked: the forecast at 10 times the compute covers "
        "80 % of outcomes, or a warning stands beside it in 95 %.\n"
    )
    yield "| law | studies | covered | warned | covered or warned |"
    yield "|---|---|---|---|---|"
    for law in ("chinchilla", "auto"):
        parts = [value for key, value in breaks.items() if key.startswith(f"{law} ")]
        covered = np.concatenate([part["covered"] for part in parts])
        warned = np.concatenate([part["warned"] for part in parts])
        yield (
            f"| {law} | {len(covered)} | {covered.mean():.0%} | {warned.mean():.0%} | {(covered | warned).mean():.0%} |"
        )


if __name__ == "__main__":
    main()
