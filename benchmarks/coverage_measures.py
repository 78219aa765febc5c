"""What is measured on synthetic studies: coverage and interval scores, outcomes of forecasts, truths that break."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from benchmarks.coverage_studies import DESIGNS, LAW, TRUTHS, Array, Design, targets
from isoflop.fitting.binding import bind
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit, interval, predict
from isoflop.fitting.objective import parse_objective
from isoflop.fitting.refits import refit
from isoflop.fitting.single import Settings, fit_law
from isoflop.fitting.solver import Rows, solve
from isoflop.fitting.whitening import Block, Whitening
from isoflop.forecasting.prediction import forecast
from isoflop.laws.catalogue import find

LEVEL, DRAWS = 0.9, 200
STUDIES, SCORED = 1000, 150
TAILED, SCORED_TAILED = 100, 30
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


def simulate(cell: Cell, number: int) -> tuple[Design, Array, Array]:
    """The design, the truth and the losses of one study."""
    design, truth = DESIGNS[cell.design](), TRUTHS[cell.truth]
    generator = np.random.default_rng([number, *(ord(letter) for letter in cell.key)])
    clean = predict(LAW, truth, {"params": design.params, "tokens": design.tokens})[0]
    return design, truth, clean * np.exp(design.errors(cell.noise, generator, cell.tails))


def measure(cell: Cell) -> dict[str, Any]:
    """Coverage (6) of one cell; of its first studies mean interval scores (6), ours and the oracle's, and its coverage.

    `astray` is the share of studies in which E is open here and not for the oracle.
    """
    design, truth, _ = simulate(cell, 0)
    wanted = targets(truth, design)[0]
    scored = SCORED_TAILED if cell.tails else SCORED
    inside, ours, oracles, known, astray = [], [], [], [], 0
    for number in range(cell.studies):
        design, _, loss = simulate(cell, number)
        fitted = fit_law(LAW, design.table(loss), replace(SETTINGS, seed=number))
        low, high, unbounded = bounds(fitted, design)
        covered = (low <= wanted) & (wanted <= high)
        if number < scored or unbounded:
            known_low, known_high, known_open = oracle(design, loss, truth, cell.noise)
            covered[2] &= known_open or not unbounded
            astray += unbounded and not known_open
        if number < scored:
            ours.append(score(low, high, wanted))
            oracles.append(score(known_low, known_high, wanted))
            known.append((known_low <= wanted) & (wanted <= known_high))
        inside.append(covered)
    return {
        "coverage": np.mean(inside, axis=0).tolist(),
        "score": np.mean(ours, axis=0).tolist(),
        "oracle": np.mean(oracles, axis=0).tolist(),
        "known": np.mean(known, axis=0).tolist(),
        "astray": astray / cell.studies,
    }


def bounds(fitted: Fit, design: Design) -> tuple[Array, Array, bool]:
    """Bounds (6,) of what is asked, and whether E is open below, which is then 0."""
    low, high = interval(targets(fitted.ensemble.draws, design), LEVEL, targets(fitted.theta, design)[0])
    floor = fitted.params["E"]
    low[2] = floor.low or 0.0
    high[2] = high[2] if floor.high is None else floor.high
    return low, high, floor.low is None


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
