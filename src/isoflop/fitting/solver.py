"""Many starting points or resamples to their optimum at once.

Every problem of a batch minimises Σ_i w_i ρ(z_i(φ) - y_i). Two phases, each a damped Newton iteration:

1. Gauss-Newton with iteratively reweighted rows, w_i·min(1, δ/|r_i|), over-relaxed and damped by λ·diag(H)
   (Marquardt). The weights overstate the curvature of an almost absolute loss, hence the relaxation. Scaling by the
   diagonal is what revives terms that contribute 1e-10 of the loss: gradient and curvature vanish together,
   so their ratio does not, and 99 % of distant starts arrive where a quasi-Newton method stops on a plateau.
2. Newton with the full Hessian: rows in the quadratic zone curve by J Jᵀ, every row by ψ ∇²z. Leaving out the second
   term stalls the almost-absolute loss, whose ψ does not vanish at the optimum.

The batch advances through a pool of lanes that are refilled as problems finish, so that a few slow problems do not
hold up the rest and the working arrays (lanes x rows) stay small.

Legend of shapes: m lanes, k parameters, n rows. Reference: huber1964
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isoflop.fitting.objective import Objective
from isoflop.fitting.whitening import Whitening
from isoflop.laws.graph import Array, Index, Mask
from isoflop.laws.surface import Linearisation, Surface

_CELLS = 144 * 240  # lanes x rows of one working array: fewer cost more calls, more leave the cache (2026-11)
_RELAXED = 0.6  # of the curvature that reweighting gives: longer steps, half as many (2026-11)
_DYING = 0.99  # the share of a floor that one step may take away
_LONGEST_STEP = 5.0  # in solver coordinates: a factor of 150 for a coefficient
_AT_REST = 1e-13  # relative gradient of a solution that more steps would not improve
_ROUNDING = 2e-6  # 1e10 units of rounding: residuals below 1e-15 of the data count as none


@dataclass(frozen=True)
class Effort:
    """How long each phase may go on.

    `patience` is for a best solution that is still moving after `newton_steps`: a long curved valley, rarely met;
    `refinements` are the last Newton steps of the best solution, judged by its gradient. `at_rest` is the relative
    gradient that ends the Newton phase: by default what rounding leaves.
    """

    gauss_newton_steps: int = 300
    gauss_newton_tolerance: float = 1e-7
    newton_steps: int = 200
    patience: int = 3000
    refinements: int = 4
    at_rest: float = 1e-14


DEFAULT_EFFORT = Effort()


@dataclass(frozen=True)
class Rows:
    """What differs between the problems of a batch: weights (M, n) and targets (M, n); None means as in the data."""

    weights: Array | None = None
    targets: Array | None = None

    def take(self, which: Index | Mask) -> Rows:
        """The rows of the chosen problems."""
        return Rows(*(None if array is None else array[which] for array in (self.weights, self.targets)))

    def join(self, other: Rows) -> Rows:
        """These problems followed by those of `other`."""
        pairs = ((self.weights, other.weights), (self.targets, other.targets))
        return Rows(*(None if a is None or b is None else np.concatenate([a, b]) for a, b in pairs))


ALL_ROWS = Rows()


@dataclass(frozen=True)
class Problem:
    """A law bound to data, the values it should meet, and the objective that measures the distance."""

    surface: Surface
    target: Array
    objective: Objective
    lower: Array | None = None  # bounds on φ (k, 1), where the law has any
    upper: Array | None = None
    weights: Array | None = None  # of the rows (n,)
    whitening: Whitening | None = None  # for rows whose errors differ in size or hang together

    def evaluate(self, phi: Array, rows: Rows, *, newton: bool) -> tuple[Array, Array, Array, Array]:
        """Objective (m,), gradient (k, m), Hessian (k, k, m) and force √Σψ² (m,) at a batch of φ.

        The Hessian is the full one for Newton, the reweighted Gauss-Newton one else.

        Least squares counts half the squared residual here, so that every objective curves by 1 at zero.
        """
        zone = self.objective.zone
        linear = self.surface.linearise(phi, second=newton)
        with np.errstate(all="ignore"):
            residual = linear.value - (self.target if rows.targets is None else rows.targets)
            residual = residual if self.whitening is None else self.whitening.apply(residual)
            size = np.abs(residual)
            inside = np.minimum(size, zone)
            if np.isinf(zone):
                curvature = np.ones_like(size)
            else:
                curvature = (size <= zone).astype(float) if newton else _RELAXED * zone / np.maximum(size, zone)
            factor = self._factor(residual, rows)
            pull = inside if factor is None else inside * factor
            curvature = curvature if factor is None else curvature * factor
            slope = np.copysign(pull, residual)
            gradient, hessian = self._derivatives(linear, curvature, slope, newton)
            # Where a derivative overflows there is nowhere to go from: such a point counts as infinitely bad.
            sound = np.isfinite(gradient).all(axis=0) & np.isfinite(hessian).all(axis=(0, 1))
            value = np.where(sound, _row_sums(pull, size) - 0.5 * _row_sums(pull, inside), np.inf)
            force = np.sqrt(_row_sums(slope, slope))
            return value, np.where(sound, gradient, 0.0), np.where(sound, hessian, 0.0), np.where(sound, force, 0.0)

    def _derivatives(self, linear: Linearisation, curvature: Array, slope: Array, newton: bool) -> tuple[Array, Array]:
        """Gradient (k, m) and Hessian (k, k, m) of the objective, through the whitening where there is one."""
        if self.whitening is None:
            return linear.gradient(slope), linear.hessian(curvature, slope if newton else None)
        pulled = self.whitening.transpose(slope)
        if not self.whitening.blocks:
            hessian = linear.hessian(curvature / self.whitening.scale**2, pulled if newton else None)
            return linear.gradient(pulled), hessian
        jacobian = self.whitening.apply(linear.jacobian)
        weighted = jacobian * curvature[:, None, :]
        hessian = np.matmul(weighted, jacobian.transpose(0, 2, 1)).transpose(1, 2, 0)
        if newton:
            hessian = hessian + linear.hessian(np.zeros_like(curvature), pulled)
        return linear.gradient(pulled), np.ascontiguousarray(hessian)

    def _factor(self, residual: Array, rows: Rows) -> Array | None:
        """What each row counts (m, n): its own weight, that of the resample, and of its side; None if all count 1."""
        factors = [weights for weights in (self.weights, rows.weights) if weights is not None]
        if self.objective.tilt != 0.5:
            factors.append(self.objective.sides(-residual))
        return np.broadcast_to(np.prod(np.broadcast_arrays(*factors), axis=0), residual.shape) if factors else None

    def inside(self, phi: Array) -> Array:
        """φ moved to the nearest point within the bounds."""
        return phi if self.lower is None or self.upper is None else np.clip(phi, self.lower, self.upper)

    def held(self, phi: Array, gradient: Array) -> Mask | None:
        """Which coordinates (k, m) sit at a bound that the descent would cross; None for a law without bounds."""
        if self.lower is None or self.upper is None:
            return None
        return np.asarray((phi <= self.lower) & (gradient > 0.0) | (phi >= self.upper) & (gradient < 0.0))

    def relative_gradient(self, phi: Array, gradient: Array, hessian: Array, force: Array) -> Array:
        """Largest gradient component (m,) over the size it could have, √H_jj·√Σψ²: no unit of a parameter matters.

        It is the cosine between the slopes of the residuals and a direction in which the law can move. Slopes that
        are rounding errors of the data have no direction, hence the second term.
        """
        diagonal = np.arange(len(phi))
        held = self.held(phi, gradient)
        free = gradient if held is None else np.where(held, 0.0, gradient)
        scale = np.sqrt(np.abs(hessian[diagonal, diagonal])) * (force + self._rounding)
        return np.asarray(np.max(np.abs(free) / np.maximum(scale, 1e-300), axis=0))

    @cached_property
    def _rounding(self) -> float:
        """Slopes of this size (√Σψ²) are rounding errors of the data."""
        return _ROUNDING * float(np.sqrt(np.sum(self.target**2)) + np.sqrt(len(self.target)))


@dataclass(frozen=True)
class Solutions:
    """Where each problem came to: φ (k, M), objective (M,), relative gradient (M,)."""

    phi: Array
    value: Array
    gradient: Array


def solve(problem: Problem, starts: Array, rows: Rows = ALL_ROWS, effort: Effort = DEFAULT_EFFORT) -> Solutions:
    """Minimise from every row of `starts` (M, k user parameters)."""
    phi = problem.inside(problem.surface.to_internal(starts))
    if effort.gauss_newton_steps:
        rule = _Rule(False, effort.gauss_newton_steps, effort.gauss_newton_tolerance, 1, 1e-5, 1e-14)
        phi = _descend(problem, phi, rows, rule).phi
    return _persist(problem, polish(problem, phi, rows, effort), rows, effort)


def polish(problem: Problem, phi: Array, rows: Rows = ALL_ROWS, effort: Effort = DEFAULT_EFFORT) -> Solutions:
    """The Newton phase alone, from φ (k, M): for starts already close, such as the resamples of a fit."""
    return _descend(problem, phi, rows, _Rule(True, effort.newton_steps, 1e-13, 3, 1e-3, effort.at_rest))


def _row_sums(left: Array, right: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", left, right))


def _persist(problem: Problem, found: Solutions, rows: Rows, effort: Effort) -> Solutions:
    """Go on with the few best of starts that share their data, if not even the best is at rest."""
    best = np.argsort(found.value)[:8]
    if rows is not ALL_ROWS or not effort.patience or found.gradient[best[0]] < _AT_REST:
        return found
    further = polish(problem, found.phi[:, best], rows, Effort(newton_steps=effort.patience))
    found.phi[:, best], found.value[best], found.gradient[best] = further.phi, further.value, further.gradient
    return found


@dataclass(frozen=True)
class _Rule:
    """One phase: which Hessian, how many steps, and what ends it sooner.

    That is `quiet` steps in a row that gain less than `tolerance`, or a relative gradient below `at_rest`.
    """

    newton: bool
    steps: int
    tolerance: float
    quiet: int
    damping: float
    at_rest: float


class _Lanes:
    """The problems being worked on: mutable, private to `_descend`."""

    def __init__(self, problem: Problem, rule: _Rule) -> None:
        self._problem, self._rule = problem, rule

    def load(self, index: Index, phi: Array, rows: Rows) -> _Lanes:
        """Start on the problems numbered `index`."""
        self.index, self.phi, self.rows = index, phi, rows
        found = self._problem.evaluate(phi, rows, newton=self._rule.newton)
        self.value, self.gradient, self.hessian, self.force = found
        self.value = np.where(np.isfinite(self.value), self.value, np.inf)
        self.damping = np.full(len(index), self._rule.damping)
        self.quiet = np.zeros(len(index), dtype=int)
        self.steps = np.zeros(len(index), dtype=int)
        return self

    def step(self) -> None:
        """One damped Newton step in every lane, kept where it does not raise the objective."""
        moved, solvable = self._move()
        value, gradient, hessian, force = self._problem.evaluate(moved, self.rows, newton=self._rule.newton)
        with np.errstate(invalid="ignore"):
            kept = solvable & (value <= self.value)
            drop = (self.value - value) / np.maximum(self.value, 1e-300)
        self.steps += 1
        self.quiet = np.where(kept, np.where(drop < self._rule.tolerance, self.quiet + 1, 0), self.quiet)
        grown = np.where(kept, self.damping * 0.2, np.maximum(self.damping, 1e-8) * 8.0)
        self.damping = np.clip(grown, 1e-14, 1e12)
        if not kept.all():
            before = (self.phi, self.value, self.gradient, self.hessian, self.force)
            new = (moved, value, gradient, hessian, force)
            moved, value, gradient, hessian, force = (
                np.where(kept, now, then) for now, then in zip(new, before, strict=True)
            )
        self.phi, self.value, self.gradient, self.hessian, self.force = moved, value, gradient, hessian, force

    def _move(self) -> tuple[Array, Mask]:
        """Where the damped Newton step leads (k, m), and in which lanes there is one.

        A floor is a constant term, E in E + A/N^α. The valleys along which it dies are straight in E and long curves
        in log E, so the Newton phase steps in E itself, in units of where it stands: u with φ = φ₀ + log(1 + u).
        """
        surface, diagonal = self._problem.surface, np.arange(len(self.phi))
        floors = surface.floors if self._rule.newton else ()
        damped = self.hessian.copy()
        with np.errstate(over="ignore"):
            damped[diagonal, diagonal] += self.damping * (np.abs(self.hessian[diagonal, diagonal]) + 1e-12)
        for floor in floors:
            damped[floor, floor] -= self.gradient[floor]
        held = self._problem.held(self.phi, self.gradient)
        if held is not None:
            damped[held[:, None] | held[None, :]] = 0.0
            damped[diagonal, diagonal] += held
        downhill = -self.gradient if held is None else np.where(held, 0.0, -self.gradient)
        direction, solvable = solve_positive_definite(damped, downhill)
        for floor in floors:
            dying = np.flatnonzero(direction[floor] < -_DYING)
            if len(dying):  # it goes down as far as one step may, and the others as they should then
                matrix, right = damped[:, :, dying], downhill[:, dying] + _DYING * damped[:, floor, dying]
                matrix[floor], matrix[:, floor], matrix[floor, floor], right[floor] = 0.0, 0.0, 1.0, -_DYING
                direction[:, dying], solvable[dying] = solve_positive_definite(matrix, right)
        longest = np.where(surface.linear, np.maximum(_LONGEST_STEP, np.abs(self.phi)), _LONGEST_STEP)
        direction = np.clip(direction, -longest, longest)
        for floor in floors:
            direction[floor] = np.log1p(np.maximum(direction[floor], -_DYING))
        return self._problem.inside(self.phi + direction), solvable

    def relative_gradient(self) -> Array:
        """See `Problem.relative_gradient`."""
        return self._problem.relative_gradient(self.phi, self.gradient, self.hessian, self.force)

    def finished(self) -> Mask:
        """Which lanes are at rest, stuck, or out of steps."""
        resting = (self.quiet >= self._rule.quiet) | (self.relative_gradient() < self._rule.at_rest)
        return np.asarray(resting | (self.damping > 1e11) | (self.steps >= self._rule.steps))

    def keep(self, which: Mask) -> None:
        """Drop the other lanes."""
        self.index, self.phi = self.index[which], self.phi[:, which]
        self.rows = self.rows.take(which)
        self.value, self.gradient, self.hessian = self.value[which], self.gradient[:, which], self.hessian[:, :, which]
        self.force, self.damping = self.force[which], self.damping[which]
        self.quiet, self.steps = self.quiet[which], self.steps[which]

    def join(self, other: _Lanes) -> None:
        """Take over the lanes of `other`."""
        self.index = np.concatenate([self.index, other.index])
        self.phi = np.concatenate([self.phi, other.phi], axis=1)
        self.rows = self.rows.join(other.rows)
        self.value = np.concatenate([self.value, other.value])
        self.gradient = np.concatenate([self.gradient, other.gradient], axis=1)
        self.hessian = np.concatenate([self.hessian, other.hessian], axis=2)
        self.force = np.concatenate([self.force, other.force])
        self.damping = np.concatenate([self.damping, other.damping])
        self.quiet = np.concatenate([self.quiet, other.quiet])
        self.steps = np.concatenate([self.steps, other.steps])


def _descend(problem: Problem, phi: Array, rows: Rows, rule: _Rule) -> Solutions:
    """Run one phase on every problem through a pool of lanes."""
    total = phi.shape[1]
    _keep_freed_memory()
    lanes_wanted = int(np.clip(_CELLS // problem.surface.rows, 4, 256))
    found = Solutions(phi.copy(), np.full(total, np.inf), np.full(total, np.inf))

    def begin(first: int, count: int) -> _Lanes:
        index = np.arange(first, min(first + count, total))
        return _Lanes(problem, rule).load(index, phi[:, index], rows.take(index))

    lanes = begin(0, lanes_wanted)
    waiting = len(lanes.index)
    while len(lanes.index):
        lanes.step()
        done = lanes.finished()
        if not done.any():
            continue
        index = lanes.index[done]
        found.phi[:, index] = lanes.phi[:, done]
        found.value[index] = lanes.value[done]
        found.gradient[index] = lanes.relative_gradient()[done]
        lanes.keep(~done)
        refill = lanes_wanted - len(lanes.index)
        if waiting < total and refill >= max(1, lanes_wanted // 4):
            lanes.join(begin(waiting, refill))
            waiting = min(waiting + refill, total)
    return found


def _keep_freed_memory() -> None:
    """Let the working arrays of one step be reused by the next.

    The C library of Linux hands freed memory back to the system, which clears every page before giving it out again:
    a third of the solver's time. It keeps blocks smaller than the largest one that it has seen freed.
    """
    np.empty(2**21)


def solve_positive_definite(matrix: Array, right: Array, floor: float = 1e-14) -> tuple[Array, Mask]:
    """X (k, m) with matrix (k, k, m) · x = right (k, m) by LDLᵀ in every lane, and whether each was positive definite.

    Unrolled over the few parameters, vectorised over the many lanes; the right side is eliminated as one more row.
    """
    size = len(matrix)
    work = np.concatenate([matrix, right[None]])
    inverse, result = np.empty_like(right), np.empty_like(right)
    positive = np.ones(matrix.shape[2], dtype=bool)
    with np.errstate(all="ignore"):
        for j in range(size):
            good = work[j, j] > floor * np.abs(matrix[j, j])
            positive &= good
            inverse[j] = 1.0 / np.where(good, work[j, j], 1.0)
            below = work[j + 1 :, j]
            work[j + 1 :, j + 1 :] -= below[:, None] * (below[:-1] * inverse[j])
        for i in range(size - 1, -1, -1):
            result[i] = (work[size, i] - np.sum(work[i + 1 : size, i] * result[i + 1 :], axis=0)) * inverse[i]
    return result, positive
