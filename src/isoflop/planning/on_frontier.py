"""A draft from a fit of the frontier alone (isoflops, envelope, Hoffmann's Table 3 …): N and D as powers of compute.

Off the frontier such a fit says nothing, so limits and serving, which leave it, need the fit of a law.
"""

from __future__ import annotations

import math

import numpy as np

from isoflop.errors import UsageError
from isoflop.findings import Finding
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.laws.graph import Array
from isoflop.planning.draft import Candidate, Draft, spread
from isoflop.planning.landscape import LawLandscape, parameter_rows
from isoflop.planning.on_landscape import BUDGETS
from isoflop.planning.outcome import forecast_budgets
from isoflop.planning.request import Request
from isoflop.planning.search import root
from isoflop.planning.solution import LARGEST_FORESEEN
from isoflop.quantities import Estimate, format_flops, format_number

_LEAST, _MOST = 1e4, 1e45


def frontier_draft(fit: FrontierFit, request: Request, level: float) -> Draft:
    """The draft for a budget, a target loss, or a size or number of tokens that is to be optimal.

    Raises:
        UsageError: the request leaves the frontier.
    """
    _require_frontier(fit, request)
    rows = frontier_rows(fit)
    compute, binding, finding = _compute(fit, rows, request)
    params, tokens = (rows[:, first] * compute[0] ** rows[:, first + 1] for first in (0, 2))
    # Asked for apart, so that what is said of distance is said of the plan.
    (loss,), findings = frontier_losses(fit, [float(compute[0])], level)
    budgets = [float(factor * compute[0]) for factor in BUDGETS]
    losses, _ = frontier_losses(fit, budgets, level)
    candidates = tuple(
        Candidate(
            why=f"budget ×{factor:g}",
            params=float(rows[0, 0] * budget ** rows[0, 1]),
            tokens=float(rows[0, 2] * budget ** rows[0, 3]),
            compute=budget,
            loss=other,
            change=Estimate(other.value - loss.value),
        )
        for factor, budget, other in zip(BUDGETS, budgets, losses, strict=True)
    )
    if finding is not None and not math.isnan(loss.value):
        reached = f"The nearest plan spends {format_flops(float(compute[0]))}, loss {format_number(loss.value, 4)}."
        finding = Finding(finding.code, finding.severity, f"{finding.message} {reached}")
    return Draft(
        law=fit.law,
        source=", ".join(fit.runs.source),
        counted=fit.runs.param_count,
        params=spread(params, level),
        tokens=spread(tokens, level),
        ratio=spread(tokens / params, level),
        loss=loss,
        compute=spread(compute, level),
        binding=binding,
        candidates=candidates,
        findings=(*((finding,) if finding else ()), *findings),
    )


def frontier_rows(fit: FrontierFit) -> Array:
    """(k_N, a, k_D, b) of the point estimate and of every draw."""
    return np.vstack([fit.theta[None], fit.ensemble.draws])


def frontier_losses(fit: FrontierFit, compute: list[float], level: float) -> tuple[list[Estimate], tuple[Finding, ...]]:
    """Losses at the optimum of each compute; not known where the fit has no law of them."""
    if fit.loss_law is None and not fit.minima:
        message = f"The loss cannot be forecast: {fit.loss_reason}"
        return [Estimate(math.nan)] * len(compute), (*fit.findings, Finding("no-loss-law", "note", message))
    told = forecast_budgets(fit, compute, level)
    return [point.loss for point in told.points], told.findings


def _require_frontier(fit: FrontierFit, request: Request) -> None:
    given = {
        "max_params": request.max_params,
        "unique_tokens": request.unique_tokens,
        "serve_tokens": request.serving.tokens or None,
        "serve_on": request.serving.device,
        "at": request.others or None,
        "params with tokens": request.tokens if request.params else None,
        "params with a budget": request.params if request.budget else None,
        "tokens with a budget": request.tokens if request.budget else None,
        "params with target_loss": request.params if request.target_loss else None,
        "tokens with target_loss": request.tokens if request.target_loss else None,
    }
    if wrong := [name for name, value in given.items() if value is not None]:
        raise UsageError(
            f"{fit.law} is a frontier and says nothing of runs off it: leave out {wrong[0]}, or plan with a law."
        )
    if request.target_loss is not None and fit.loss_law is None:
        raise UsageError(f"target_loss={request.target_loss:g}: {fit.law} has no law of the loss. {fit.loss_reason}")


def _compute(fit: FrontierFit, rows: Array, request: Request) -> tuple[Array, tuple[str, ...], Finding | None]:
    """Compute (m,) of the point estimate and draws, what binds, and what could not be met."""
    budget = request.budget
    if request.target_loss is not None:
        needed = _compute_for(fit, request.target_loss)
        wanted = format_number(request.target_loss, 4)
        if math.isnan(needed[0]):
            cause = f"This cannot be had: the law of the frontier never reaches a loss of {wanted}."
            return np.array([LARGEST_FORESEEN]), ("floor of the law",), Finding("infeasible", "refuse", cause)
        if budget is None or needed[0] <= budget.flops:
            return needed, (f"target_loss: {wanted}",), None
        cause = (
            f"This cannot be had: {budget.option} binds: {budget.words} give {format_flops(budget.flops)}, and a loss "
            f"of {wanted} takes {format_flops(float(needed[0]))}."
        )
        return np.array([budget.flops]), (budget.option,), Finding("infeasible", "refuse", cause)
    if budget is not None:
        return np.array([budget.flops]), (f"{budget.option}: {budget.words}",), None
    name, first = ("params", 0) if request.params is not None else ("tokens", 2)
    wanted_count = request.params if request.params is not None else request.tokens
    assert wanted_count is not None
    needed = (wanted_count / rows[:, first]) ** (1.0 / rows[:, first + 1])
    return needed, (f"{name}: the spend is the one for which they are optimal",), None


def _compute_for(fit: FrontierFit, loss: float) -> Array:
    """The compute (m,) at which the loss law of the frontier reaches a loss, by draw of that law."""
    assert fit.loss_law is not None
    curve = LawLandscape(fit.loss_law.law, parameter_rows(fit.loss_law), moving=("compute",))

    def below(log_compute: Array) -> Array:
        return loss - curve.at(np.exp(log_compute))

    ends = (np.full((curve.rows, 1), np.log(end)) for end in (_LEAST, _MOST))
    return np.exp(root(below, *ends))[:, 0]


def frontier_tokens(fit: FrontierFit, compute: Array) -> Array:
    """Optimal data (m, p) at compute (p,)."""
    rows = frontier_rows(fit)
    return np.asarray(rows[:, 2:3] * compute[None] ** rows[:, 3:4])
