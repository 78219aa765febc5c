"""Approach 2: the best model size at each of several compute budgets, and how it grows.

Runs are grouped by compute. Through the runs of each budget goes a parabola (or cubic) of loss in log N, whose minimum
is the optimal size; power laws of compute go through the minima. Reference: hoffmann2022
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from isoflop.errors import IsoflopError, Refusal, UsageError
from isoflop.findings import Finding, by_weight
from isoflop.fitting.budgets import Budget, budgets_of, final_rows
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.estimation import fit, table_of
from isoflop.fitting.fit import Ensemble, Fit
from isoflop.fitting.frontier_fit import NAMES, Evidence, FrontierFit, Minimum, estimate
from isoflop.fitting.minima import DEGREE, Curve, Slice, fit_slice, resampled_minima
from isoflop.fitting.power_law import power_law
from isoflop.fitting.surface_bias import Bias, Optima, exact_sizes, measure_bias
from isoflop.laws.graph import Array
from isoflop.quantities import format_number
from isoflop.runs.table import RunTable

_FEWEST_MINIMA = 4  # through three, a law with three parameters passes exactly
_WIDE, _OFF_CENTRE, _NARROW = 5.0, 2.0, 4.0  # factors of model size; a window of 4 about a first estimate is not wide
_BIASED = 0.1  # relative error of N* on noise-free data, or distance of N* by curves and by a law
_FAR_APART = 4.0  # standard errors of that distance: resamples of five runs understate them
_FEWEST_RESAMPLES = 20


@dataclass(frozen=True)
class Design:
    """How slices are made and read: the budget column, its tolerance, the curve, and the factor of N kept around N*."""

    curve: Curve
    budget: str
    tolerance: float
    window: float

    def slices(self, runs: RunTable) -> list[tuple[Budget, Slice | str]]:
        """Every budget with its slice, or the reason why it has none."""
        found = []
        for budget in budgets_of(runs, self.budget, self.tolerance):
            answer = fit_slice(budget, self.curve)
            if isinstance(answer, Slice) and math.isfinite(self.window):
                answer = fit_slice(budget.within(answer.log_size, self.window), self.curve)
            found.append((budget, answer))
        return found

    def optima(self, runs: RunTable) -> Optima:
        """The minima of the slices without uncertainty.

        Raises:
            Refusal: fewer than two budgets have a minimum.
        """
        return optima_of(_usable(self.slices(runs)))


def fit_isoflops(
    runs: RunTable | Any,
    *,
    curve: Curve = "parabola",
    budget: str = "auto",
    tolerance: float = 0.1,
    window: float = math.inf,
    draws: int = 1000,
    level: float = 0.9,
    where: str | None = None,
    seed: int = 0,
) -> FrontierFit:
    """Fit the compute-optimal frontier to slices of equal compute.

    Intervals come from resampling the runs within each budget. The bias of the curve on this grid is measured and
    reported, never subtracted.

    Args:
        runs: a table with params, loss, and tokens or compute, or anything `read_runs` reads.
        curve: `parabola` or `cubic`, of loss in log N.
        budget: a column that states each run's budget; `auto` finds one by name, else groups equal compute.
        tolerance: computes that differ by less than this share are one budget.
        window: only runs within this factor of the budget's optimal size are used, for curves fitted near it.
        draws: how many resamples; 0 for none.
        level: nominal coverage of the intervals.
        where: a condition such as `params > 1e7`; the rows that fulfil it are used.
        seed: of everything random.

    Raises:
        Refusal: fewer than two budgets have a minimum that their runs bracket.

    Reference: hoffmann2022

    Example:
        >>> size, budget = (axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e9, 9), [6e16, 6e17, 6e18]))
        >>> loss = 1.7 + 400 / size**0.34 + 1500 / (budget / (6 * size)) ** 0.37
        >>> found = fit_isoflops({"params": size, "compute": budget, "loss": loss}, draws=0)
        >>> len(found.minima), found.bias is not None
        (3, True)
    """
    if curve not in DEGREE:
        raise UsageError(f"curve={curve!r} is unknown: use parabola or cubic.")
    if draws < 0 or not window > 1.0:
        raise UsageError(f"draws={draws} must be 0 or more and window={window!r} a factor above 1, such as 4.")
    design = Design(curve, budget, tolerance, window)
    settings = {**asdict(design), "window": window if math.isfinite(window) else None, "draws": draws}
    table = final_rows(table_of(runs, where))
    all_slices = design.slices(table)
    slices = _usable(all_slices)
    optima = optima_of(slices)
    resampled = _resampled(slices, draws, seed)
    minima = tuple(_minimum(found, resampled[:, place], level) for place, found in enumerate(slices))
    ensemble = _ensemble(slices, resampled)
    loss_law, loss_reason = loss_along(optima.compute, np.array([found.loss for found in slices]), draws, level, seed)
    bias = measure_bias(table, design.optima)
    return FrontierFit(
        method="isoflops",
        law=f"isoflop-{curve}",
        settings=settings,
        minima=minima,
        theta=_power_laws(slices, optima.params[None])[0],
        evidence=_evidence(slices),
        ensemble=ensemble,
        level=level,
        seed=seed,
        runs=table,
        loss_law=loss_law,
        loss_reason=loss_reason,
        bias=bias if isinstance(bias, Bias) else None,
        bias_reason=bias if isinstance(bias, str) else "",
        findings=by_weight(
            (
                *table.findings,
                *_doubts(all_slices, table, resampled),
                *bias_findings(bias),
                *disagreement_findings(optima, resampled, bias),
            )
        ),
    )


def optima_of(slices: Sequence[Slice]) -> Optima:
    """The minima of slices as arrays, with the exponent of their power law."""
    compute = np.array([found.budget.compute for found in slices])
    params = np.array([math.exp(found.log_size) for found in slices])
    tokens = np.array([float(found.budget.tokens(found.log_size)) for found in slices])
    tilt = np.array([found.budget.flop_tilt for found in slices])
    return Optima(compute, params, tokens, tilt, float(power_law(compute, params)[1][0]))


def loss_along(compute: Array, loss: Array, draws: int, level: float, seed: int) -> tuple[Fit | None, str]:
    """A power law of the least losses (n,) in compute, with a floor where one is determined, or why there is none."""
    if len(compute) < _FEWEST_MINIMA:
        return None, f"{len(compute)} minima do not determine how the loss falls: {_FEWEST_MINIMA} are needed."
    table = RunTable.from_columns({"compute": compute, "loss": loss})
    for law in ("power-floor-c", "power-c"):
        try:
            fitted = fit(law, table, objective="ls", draws=draws, level=level, starts="projected", seed=seed)
        except IsoflopError as error:
            return None, str(error)
        if fitted.status is FitStatus.CONVERGED and not fitted.refused:
            return fitted, ""
    reasons = [finding.message for finding in fitted.findings if finding.severity == "refuse"]
    return None, " ".join(reasons) or fitted.status.sentence


def bias_findings(bias: Bias | str) -> tuple[Finding, ...]:
    """A warning where the method is off by more than a tenth even without noise; a note where that is not known."""
    if isinstance(bias, str):
        return (Finding("bias-unknown", "note", f"The bias of the method on this grid is not measured: {bias}"),)
    if abs(bias.params_at_largest) <= _BIASED and abs(bias.params_exponent) <= 0.5 * _BIASED:
        return ()
    message = (
        f"On noise-free data of the Chinchilla surface fitted to these runs the method finds an exponent "
        f"{bias.params_exponent:+.3f} and an optimal size at {format_number(bias.compute)} FLOP "
        f"{bias.params_at_largest:+.0%} off: use a grid that is centred and narrow, or fit a law."
    )
    return (Finding("method-bias", "warn", message),)


def disagreement_findings(optima: Optima, resampled: Array, bias: Bias | str) -> tuple[Finding, ...]:
    """A warning where curves and the Chinchilla surface of the same runs see the optimum elsewhere, noise set aside."""
    if isinstance(bias, str) or len(resampled) < _FEWEST_RESAMPLES:
        return ()
    by_law = exact_sizes(np.array(list(bias.surface.values())), optima)
    apart = np.log(optima.params / by_law)
    mean = float(apart.mean())
    error = float(np.sqrt(np.mean(np.nanvar(resampled, axis=0)) / len(apart)))
    if abs(mean) <= np.log1p(_BIASED) or not abs(mean) > _FAR_APART * error:
        return ()
    last = int(np.argmax(optima.compute))
    message = (
        f"The curves put the optimal size {abs(np.expm1(mean)):.0%} {'above' if mean > 0.0 else 'below'} that of the "
        f"Chinchilla law fitted to the same runs ({format_number(optima.params[last])} beside "
        f"{format_number(by_law[last])} at {format_number(optima.compute[last])} FLOP): one of the two does not "
        "describe these runs."
    )
    return (Finding("optimum-mismatch", "warn", message),)


def _usable(slices: Sequence[tuple[Budget, Slice | str]]) -> list[Slice]:
    usable = [found for _, found in slices if isinstance(found, Slice)]
    if len(usable) >= 2:
        return usable
    reasons = "; ".join(f"{budget.name}: {reason}" for budget, reason in slices[:5] if isinstance(reason, str))
    more = f"; and {len(slices) - 5} more" if len(slices) > 5 else ""
    raise Refusal(
        f"{len(usable)} of {len(slices)} compute budgets have a minimum that their runs bracket, and two are needed "
        f"({reasons}{more}). Train smaller and larger models at the same compute, or fit a law with isoflop fit."
    )


def _resampled(slices: Sequence[Slice], draws: int, seed: int) -> Array:
    """Log N* (draws, slices) of the resamples of every slice."""
    generator = np.random.default_rng(seed)
    return np.stack([resampled_minima(found, draws, generator) for found in slices], axis=1)


def _minimum(found: Slice, resampled: Array, level: float) -> Minimum:
    budget = found.budget
    return Minimum(
        compute=budget.compute,
        params=estimate(math.exp(found.log_size), np.exp(resampled), level),
        tokens=estimate(float(budget.tokens(found.log_size)), budget.tokens(resampled), level),
        loss=found.loss,
        runs=len(budget.index),
    )


def _ensemble(slices: Sequence[Slice], resampled: Array) -> Ensemble:
    """The power laws of every resample."""
    draws = _power_laws(slices, np.exp(resampled)) if len(resampled) else np.empty((0, len(NAMES)))
    method = "within-budget-bootstrap" if len(resampled) else "none"
    settled = np.all(np.isfinite(draws), axis=1)
    return Ensemble(NAMES, draws[settled], method)


def _power_laws(slices: Sequence[Slice], params: Array) -> Array:
    """(k_N, a, k_D, b) of the power laws through the optimal sizes (m, slices)."""
    compute = np.array([found.budget.compute for found in slices])
    log_size = np.log(params)
    tokens = np.stack([found.budget.tokens(log_size[:, place]) for place, found in enumerate(slices)], axis=1)
    return np.stack([*power_law(compute, params), *power_law(compute, tokens)], axis=1)


def _evidence(slices: Sequence[Slice]) -> Evidence:
    return Evidence(
        objective=float(sum(found.residuals @ found.residuals for found in slices)),
        gradient=max(found.gradient for found in slices),
        smallest_eigenvalue=min(found.smallest_eigenvalue for found in slices),
        condition=max(found.condition for found in slices),
    )


def _doubts(slices: Sequence[tuple[Budget, Slice | str]], runs: RunTable, resampled: Array) -> tuple[Finding, ...]:
    """Everything about the slices and their minima that gives cause for doubt."""
    usable = _usable(slices)
    return (
        *_left_out(slices, runs),
        *_grid(usable),
        *_few_budgets(usable),
        *_unsettled(resampled),
        *_scatter(optima_of(usable), resampled),
    )


def _left_out(slices: Sequence[tuple[Budget, Slice | str]], runs: RunTable) -> list[Finding]:
    return [
        Finding(
            "budget-left-out",
            "warn",
            f"The budget of {budget.name} is left out: {reason}.",
            tuple(int(row) for row in runs.row[budget.index]),
        )
        for budget, reason in slices
        if isinstance(reason, str)
    ]


def _grid(slices: Sequence[Slice]) -> list[Finding]:
    """Slices whose shape makes a curve through them unreliable."""
    findings = []
    reach = {found.budget.name: found.reach for found in slices}
    wide = [name for name, sides in reach.items() if max(sides) > _WIDE]
    if wide:
        message = f"Slices reach more than {_WIDE:.0f}× from the optimum, where no curve is a parabola: --window 4."
        findings.append(Finding("wide-slice", "warn", _naming(message, wide)))
    narrow = [name for name, sides in reach.items() if sides[0] * sides[1] < _NARROW]
    if narrow:
        message = f"Slices span less than {_NARROW:.0f}× in model size: noise moves their minimum far."
        findings.append(Finding("narrow-slice", "warn", _naming(message, narrow)))
    off = [name for name, sides in reach.items() if math.sqrt(max(sides) / min(sides)) > _OFF_CENTRE]
    if off:
        message = f"The optimum is more than {_OFF_CENTRE:.0f}× from the middle of its slice, which pulls it there."
        findings.append(Finding("off-centre-slice", "warn", _naming(message, off)))
    return findings


def _naming(message: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"{message} Budgets: {', '.join(names[:6])}{more}."


def _few_budgets(slices: Sequence[Slice]) -> list[Finding]:
    if len(slices) >= _FEWEST_MINIMA:
        return []
    message = f"{len(slices)} budgets have a minimum: whether it grows as a power law cannot be seen from so few."
    return [Finding("few-budgets", "warn", message)]


def _unsettled(resampled: Array) -> list[Finding]:
    lost = int(np.isnan(resampled).sum())
    if lost <= 0.02 * resampled.size:
        return []
    message = (
        f"{lost} of {resampled.size} minima of resamples lay outside their slice and are left out: the intervals are "
        "too narrow; add smaller and larger models."
    )
    return [Finding("unsettled-draws", "warn", message)]


def _scatter(optima: Optima, resampled: Array) -> list[Finding]:
    """Minima that miss the power law by more than the noise of their runs explains."""
    degrees = len(optima.compute) - 2
    if degrees < 1 or len(resampled) < 20:
        return []
    coefficient, exponent = power_law(optima.compute, optima.params)
    departure = np.log(optima.params / (coefficient[0] * optima.compute ** exponent[0]))
    spread = np.nanstd(resampled, axis=0)
    if not np.all(spread > 0.0):
        return []
    excess = float(np.sum((departure / spread) ** 2)) / degrees
    if excess <= 1.0 + 3.0 * math.sqrt(2.0 / degrees):
        return []
    message = (
        f"The minima scatter about the power law {math.sqrt(excess):.1f} times more than the noise of their runs "
        "explains: the intervals are too narrow."
    )
    return [Finding("scattered-minima", "warn", message)]
