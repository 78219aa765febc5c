"""The front door of planning: a fit and a request in, a plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.accounting.breakdown import PlacedLayout
from isoflop.accounting.parameters import count_architecture
from isoflop.accounting.price import find_price
from isoflop.errors import UsageError
from isoflop.findings import Finding, by_weight
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.laws.graph import Array
from isoflop.planning.allocation import Terms, for_spend
from isoflop.planning.budget import Accounting, machine_of
from isoflop.planning.costing import Costed
from isoflop.planning.draft import Draft
from isoflop.planning.hyperparameters import RULES, Recipe, Rule, recipe
from isoflop.planning.landscape import landscape_of
from isoflop.planning.on_frontier import frontier_draft, frontier_tokens
from isoflop.planning.on_landscape import draft_of
from isoflop.planning.parallelism import PASSABLE_BUBBLE, place
from isoflop.planning.plan import Plan
from isoflop.planning.request import Covers, Given, Request, devices_of, precision_share, request_of, serving_of
from isoflop.planning.shape import ShapeChoice, nearest_shape
from isoflop.planning.source import source_of
from isoflop.planning.trends import Outlook, Trend, find_trend, outlook, year_of
from isoflop.quantities import Devices, ParamCount, format_count, format_number

DEFAULT_VOCAB, DEFAULT_CONTEXT = 32000, 4096

_COUNTS: Mapping[ParamCount, str] = {
    "active": "The fit counts active parameters, and so do size and memory here: idle experts come on top.",
    "non-embedding": "The fit counts parameters outside the embeddings, and compute is 6·N·D of these: embeddings and "
    "logits come on top, in memory and in FLOP.",
}


@dataclass(frozen=True)
class Style:
    """What the run is to look like: the rule of its batch and learning rate, vocabulary and context of its shape.

    Vocabulary and context are those of the fitted runs, where these agree on one, unless given.
    """

    rule: Rule = "step-law"
    vocab: int | None = None
    context: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UsageError(f"recipe={self.rule!r} is unknown: use one of {', '.join(RULES)}.")
        for name in ("vocab", "context"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"{name}={value!r} must be a whole number of at least 1.")


@dataclass(frozen=True)
class Horizon:
    """How far a plan is set against trends: up to a year, from another on, with a sum in dollars to wait for."""

    until: int
    since: float | None = None
    afford: float | None = None
    seed: int = 0
    trends: tuple[Trend, ...] | None = None


def plan(
    fit: Fit | FrontierFit | str | Path,
    *,
    compute: Given = None,
    cost: Given = None,
    time: Given = None,
    energy: Given = None,
    gpus: Devices | str | None = None,
    gpu: str | None = None,
    target_loss: Given = None,
    params: Given = None,
    tokens: Given = None,
    max_params: Given = None,
    unique_tokens: Given = None,
    max_epochs: float | None = None,
    serve_tokens: Given = None,
    serve_mfu: float | None = None,
    serve_on: Devices | str | None = None,
    serve_bits: float = 16.0,
    latency: Given = None,
    budget_covers: Covers = "training",
    at: Mapping[str, Given | Sequence[Given]] | None = None,
    accounting: Accounting | None = None,
    style: Style | None = None,
    horizon: Horizon | None = None,
    level: float | None = None,
) -> Plan:
    """What to train: the best size and data for what can be spent, or the cheapest for a loss.

        minimise L(N, D)  subject to  6·N·D (+ serving) ≤ budget, N ≤ N_max, D' of few distinct tokens

    `fit` is a fit of a law or of a frontier, the path of a saved one, or `published:NAME`. Budgets are `compute`
    (FLOP), `cost` (dollars), `time` of the devices in `gpus` (seconds), `energy` (MWh); of several the smallest binds.
    Every quantity may be text: "1e24", "$2M", "30 days". Goals are `target_loss`, or `params` or `tokens` that are
    fixed, or, with no budget, to be optimal. Limits are `max_params`, `unique_tokens` seen at most `max_epochs` times,
    and the devices that serve: `serve_on`, `serve_bits`, `latency` for a token. `at` gives other inputs of the law, of
    several values the best is taken. `isoflop plan --help` explains each by the same name.

    Raises:
        UsageError: a quantity that cannot be, or requests that exclude one another.
        Refusal: the fit has no draws.

    Reference: hoffmann2022, muennighoff2023, sardana2024

    Example:
        >>> found = plan("published:besiroglu2024", compute=5.76e23)
        >>> f"{found.params.value:.3g}", f"{found.tokens.value:.3g}", round(found.loss.value, 3)
        ('7.22e+10', '1.33e+12', 1.974)
    """
    machine = machine_of(devices_of(gpus, "gpus"), gpu, accounting)
    served: dict[str, Any] = {"tokens": serve_tokens, "mfu": serve_mfu, "on": serve_on}
    budgets: dict[str, Any] = {"compute": compute, "cost": cost, "time": time, "energy": energy}
    goals: dict[str, Any] = {"target_loss": target_loss, "params": params, "tokens": tokens}
    request = request_of(
        machine,
        **budgets,
        **goals,
        max_params=max_params,
        unique_tokens=unique_tokens,
        max_epochs=max_epochs,
        covers=budget_covers,
        serving=serving_of(machine, **served, bits=serve_bits, latency=latency),
        at=at,
    )
    return plan_for(source_of(fit), request, style or Style(), horizon, level)


def plan_for(
    source: Fit | FrontierFit,
    request: Request,
    style: Style,
    horizon: Horizon | None = None,
    level: float | None = None,
) -> Plan:
    """The plan of a request that has been read."""
    level = source.level if level is None else level
    if isinstance(source, FrontierFit):
        draft = frontier_draft(source, request, level)
    else:
        draft = draft_of(source, request, level)
    costed = Costed(draft, request.machine)
    shape = _shape(source, draft, style)
    recipes = _recipes(draft, shape, style)
    made = Plan(
        law=draft.law,
        source=draft.source,
        level=level,
        params=draft.params,
        tokens=draft.tokens,
        tokens_per_param=draft.ratio,
        loss=draft.loss,
        compute=draft.compute,
        scaled=costed.scaled,
        cost=costed.cost,
        binding=draft.binding,
        recipes=recipes,
        shape=shape,
        layout=_layout(costed, shape, recipes),
        data=draft.data,
        serving=costed.serving(request),
        regret=draft.regret,
        alternatives=costed.alternatives(),
        others=draft.others,
        outlook=None if horizon is None else _outlook(source, draft, costed, horizon, level),
    )
    return replace(made, findings=by_weight([*draft.findings, *costed.findings, *_doubts(made, draft, request)]))


def _shape(source: Fit | FrontierFit, draft: Draft, style: Style) -> ShapeChoice | None:
    """The shape of the size, for vocabulary and context of the fitted runs, or usual ones; none of a sparse model."""
    if draft.active < 1.0:
        return None
    vocab = style.vocab or _agreed(source, "vocab") or DEFAULT_VOCAB
    context = style.context or _agreed(source, "context") or DEFAULT_CONTEXT
    return nearest_shape(draft.params.value, vocab=vocab, context=context, counted=draft.counted)


def _agreed(source: Fit | FrontierFit, column: str) -> int | None:
    """The value of a column on which all fitted runs agree."""
    if not source.runs.has(column) or not len(source.runs):
        return None
    values = np.unique(np.asarray(source.runs[column]))
    return int(values[0]) if len(values) == 1 and values.dtype.kind == "f" and np.isfinite(values[0]) else None


def _recipes(draft: Draft, shape: ShapeChoice | None, style: Style) -> tuple[Recipe, ...]:
    """What every rule says, the chosen one first; their sizes leave out embeddings."""
    params = draft.params.value
    if shape is not None and draft.counted != "non-embedding":
        params = float(count_architecture(shape.architecture).non_embedding)
    params *= draft.active
    ordered = (style.rule, *(rule for rule in RULES if rule != style.rule))
    told = [recipe(rule, params, draft.tokens.value, draft.compute.value, draft.loss.value) for rule in ordered]
    return tuple(one for one in told if one.batch_tokens == one.batch_tokens)


def _layout(costed: Costed, shape: ShapeChoice | None, recipes: tuple[Recipe, ...]) -> PlacedLayout | None:
    if shape is None or not recipes:
        return None
    machine = costed.machine
    return place(
        shape.architecture, machine.device, costed.gpus.count, recipes[0].batch_tokens, machine.accounting.states
    )


def _outlook(source: Fit | FrontierFit, draft: Draft, costed: Costed, horizon: Horizon, level: float) -> Outlook:
    """The plan against trends, its frontier without limits and without serving."""

    def tokens_at(compute: Array) -> Array:
        if isinstance(source, FrontierFit):
            return frontier_tokens(source, compute)
        return for_spend(landscape_of(source, draft.others), Terms(6.0 * draft.active), compute).tokens

    return outlook(
        compute=draft.compute.value,
        cost=costed.cost.cost_usd,
        since=_since(costed, horizon),
        until=horizon.until,
        tokens_at=tokens_at,
        afford=horizon.afford,
        level=level,
        seed=horizon.seed,
        trends=horizon.trends,
    )


def _since(costed: Costed, horizon: Horizon) -> float:
    """The year the price belongs to: as given, else that of the price table, else this one."""
    if horizon.since is not None:
        return horizon.since
    found = find_price(costed.machine.device.name, costed.machine.accounting.prices)
    if costed.machine.accounting.tariff.price is None and found is not None:
        return year_of(found.date)
    from datetime import date

    return year_of(date.today().isoformat())


def _doubts(made: Plan, draft: Draft, request: Request) -> list[Finding]:
    """What could go wrong that the numbers do not show."""
    counted = draft.counted
    found = [] if counted not in _COUNTS else [Finding("params-counted", "note", _COUNTS[counted])]
    if precision_share(draft.others) != 1.0:
        message = "An operation in fewer bits than 16 is counted, and paid, as their share of one in 16."
        found.append(Finding("bits-counted", "note", message))
    stock = find_trend("text-stock")
    assert stock.low is not None and stock.high is not None
    distinct = made.tokens.value if made.data is None else made.data.unique_tokens
    if distinct > 0.3 * stock.low:
        span = f"[{format_count(stock.low)}, {format_count(stock.high)}]"
        message = (
            f"{format_count(distinct)} distinct tokens, of an estimated stock of public text of "
            f"{format_count(stock.value)} {span} ({stock.source})."
        )
        found.append(Finding("text-stock", "warn" if distinct > stock.low else "note", message))
    if made.recipe is not None and made.recipe.outside:
        message = f"The rule {made.recipe.rule} is used outside its range: {'; '.join(made.recipe.outside)}."
        found.append(Finding("recipe-outside", "note", message))
    if made.shape is None:
        size = format_count(made.params.value)
        message = f"No usual shape has {size} parameters with this vocabulary: --vocab gives another."
        if made.cost.active_params < made.cost.params:
            message = "Shapes are those of dense models: none is given for a sparse one."
        found.append(Finding("no-shape", "note", message))
    elif made.layout is None:
        message = f"No layout of {made.cost.devices} × {made.cost.device.name} holds this shape: use more devices."
        found.append(Finding("no-layout", "warn", message))
    elif made.layout.layout.bubble > PASSABLE_BUBBLE:
        idle = format_number(100 * made.layout.layout.bubble)
        message = f"The pipeline idles {idle} % of its time at this batch: use fewer devices or a larger batch."
        found.append(Finding("idle-pipeline", "warn", message))
    if made.serving is not None and request.serving.mfu is None:
        message = "Serving is counted at the utilisation of training; decoding often reaches less: --serve-mfu."
        found.append(Finding("serve-mfu-assumed", "note", message))
    return found
