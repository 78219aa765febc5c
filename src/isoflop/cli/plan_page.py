"""The page of a plan on one screen: what to train, what it takes, how sure that is, what binds, what lies around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from isoflop.quantities import (
    FLOP_PER_PF_DAY,
    Estimate,
    format_count,
    format_dollars,
    format_duration,
    format_flops,
    format_number,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from isoflop.planning.plan import Alternative, Plan
    from isoflop.planning.sweep import FrontierTable
    from isoflop.planning.trends import Outlook

MOST_ROWS = 25
_SECONDS_PER_DAY = 86_400.0


def plan_page(plan: Plan) -> Iterator[RenderableType]:
    """Everything a person needs to decide about the plan."""
    from rich.text import Text

    from isoflop.reporting.tables import findings_lines

    what = f"{format_count(plan.params.value)} parameters on {format_count(plan.tokens.value)} tokens"
    yield Text(f"Train {what}", style="bold")
    table = _plain()
    for name, value, span, about in _figures(plan):
        table.add_row(name, value, span, Text(about, style="dim"))
    yield table
    if plan.alternatives:
        yield ""
        yield _around(plan)
    if plan.outlook is not None:
        yield ""
        yield from _trends(plan.outlook)
    yield ""
    yield from findings_lines(plan.findings)


def frontier_page(table: FrontierTable) -> Iterator[RenderableType]:
    """The best run for each budget, as many rows as a screen takes."""
    from isoflop.reporting.tables import findings_lines

    every = max(1, -(-len(table.steps) // MOST_ROWS))
    shown = _headed(f"Best runs by {table.law}, {table.level:.0%} intervals, dollars on {table.device}")
    for heading in ("compute", "params", "", "tokens", "", "per param", "loss", "", "dollars"):
        shown.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for step in table.steps[::every]:
        shown.add_row(
            format_number(step.compute),
            *(format_count(step.params.value), _counts(step.params)),
            *(format_count(step.tokens.value), _counts(step.tokens)),
            format_number(step.tokens_per_param.value),
            *(format_number(step.loss.value, 4), _span(step.loss)),
            "–" if step.cost_usd is None else format_dollars(step.cost_usd),
        )
    yield shown
    if every > 1:
        yield f"One row in {every} of {len(table.steps)}; --csv and --json give all."
    yield from findings_lines(table.findings)


def _figures(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, interval and a word about each figure of the plan."""
    level = f"{plan.level:.0%} interval" if plan.params.low is not None else "no interval"
    origin = f" of {plan.source}" if plan.source and plan.law not in plan.source else ""
    yield "", "", level, f"by {plan.law}{origin}"
    yield "model size", format_count(plan.params.value), _counts(plan.params), _shape(plan)
    ratio = f"{format_number(plan.tokens_per_param.value)} {_span(plan.tokens_per_param, 3)} for each parameter"
    yield "tokens", format_count(plan.tokens.value), _counts(plan.tokens), ratio
    if plan.data is not None:
        yield from _data(plan)
    yield "loss", format_number(plan.loss.value, 4), _span(plan.loss), "of the outcome of this run"
    pf_days = f"{format_number(plan.compute.value / FLOP_PER_PF_DAY)} PF-days"
    yield "compute", format_flops(plan.compute.value), _span(plan.compute, 3), pf_days
    yield from _machine(plan)
    if plan.serving is not None:
        yield from _serving(plan)
    yield from _recipe(plan)
    yield "binds", "", "", "; ".join(plan.binding) or "nothing: the distinct tokens are used up before the budget"
    if plan.regret is not None:
        middle, high = (f"{share:.1%}" for share in (plan.regret.middle, plan.regret.high))
        words = f"if a draw of the fit is the truth, {middle} of the spend is wasted in the median, {high} at"
        yield "how sure", "", "", f"{words} {plan.level:.0%}"


def _machine(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    cost, scaled = plan.cost, plan.scaled
    used = f"{format_number(100 * cost.mfu)} % of peak" if cost.mfu else ""
    hours = scaled["gpu_hours"]
    yield "device hours", format_count(hours.value), _counts(hours), f"{cost.device.title}, at {used}"
    days = scaled["days"]
    yield "time", format_duration(days.value * _SECONDS_PER_DAY), _span(days, 3), f"on {cost.devices} of them, in days"
    if cost.cost_usd is not None and cost.cost_range is not None:
        low, high = cost.cost_range
        offers = f"{format_dollars(low)} to {format_dollars(high)} by the offers known" if high > low else ""
        dollars = scaled["cost_usd"]
        yield "dollars", format_dollars(dollars.value), _counts(dollars), offers
    if cost.energy_mwh is not None and cost.co2_tonnes is not None:
        energy = scaled["energy_mwh"]
        carbon = f"{format_number(cost.co2_tonnes)} t of CO2"
        yield "energy", f"{format_number(energy.value)} MWh", _span(energy, 3), carbon
    yield "memory", *_memory(plan)


def _memory(plan: Plan) -> tuple[str, str, str]:
    room = format_number(plan.cost.device.memory_bytes / 1e9)
    if plan.layout is None:
        return f"{format_number(plan.cost.memory['zero3'] / 1e9)} GB", "", f"of {room} GB, states alone, all shared"
    layout, held = plan.layout.layout, plan.layout.memory
    words = (
        f"of {room} GB: tensor {layout.tensor}, pipeline {layout.pipeline}, data {layout.data}, ZeRO "
        f"{layout.zero_stage}, {layout.recomputation} recomputation"
    )
    return f"{format_number(held.total / 1e9)} GB", "", words


def _shape(plan: Plan) -> str:
    if plan.shape is None:
        return ""
    shape = plan.shape.architecture
    return (
        f"{shape.layers} layers × {shape.width}, {shape.heads} heads ({shape.kv_heads} key), feed-forward "
        f"{shape.feedforward}: {format_count(plan.shape.params)}"
    )


def _data(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    data = plan.data
    assert data is not None
    words = (
        f"of {format_count(data.unique_tokens)}: {data.kept:.0%} of their worth kept, the last token {data.last:.0%}; "
        f"one more epoch {-data.next_epoch:+.2g} loss for {format_flops(data.next_epoch_compute)}"
    )
    yield "epochs", format_number(data.epochs), "", words


def _serving(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    serving = plan.serving
    assert serving is not None
    share = serving.lifetime_compute and 1.0 - plan.compute.value / serving.lifetime_compute
    words = f"{format_count(serving.tokens)} tokens at {format_number(100 * serving.mfu)} % of peak, {share:.0%} of all"
    if serving.saved is not None and serving.saved > 0:
        words += f"; {serving.saved:.1%} saved against the compute-optimal plan of this loss"
    dollars = "" if serving.cost_usd is None else format_dollars(serving.cost_usd)
    yield "serving", format_flops(serving.compute), dollars, words


def _recipe(plan: Plan) -> Iterator[tuple[str, str, str, str]]:
    if not plan.recipes:
        return
    chosen, *others = plan.recipes
    words = [f"by {chosen.rule}"]
    words += [f"{one.rule}: {format_count(one.batch_tokens)} at {_rate(one.learning_rate)}" for one in others]
    yield "batch", format_count(chosen.batch_tokens), f"rate {_rate(chosen.learning_rate)}", "; ".join(words)


def _rate(value: float | None) -> str:
    return "no rate" if value is None else format_number(value)


def _around(plan: Plan) -> Table:
    """The plan's neighbours: what changes and what it costs."""
    table = _headed("Around it")
    for heading in ("", "params", "tokens", "compute", "loss", "change", "", "same loss takes", "hours", "cost"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for item in plan.alternatives:
        table.add_row(
            item.why,
            format_count(item.params),
            format_count(item.tokens),
            format_number(item.compute),
            format_number(item.loss.value, 4),
            _signed(item.loss_change.value),
            _span(item.loss_change, 2),
            _extra(item),
            format_count(item.gpu_hours),
            "–" if item.cost_usd is None else format_dollars(item.cost_usd),
        )
    return table


def _extra(item: Alternative) -> str:
    if not item.why.startswith("size ×"):
        return ""
    return "never" if item.extra_compute is None else f"{item.extra_compute:+.0%} compute"


def _trends(outlook: Outlook) -> Iterator[RenderableType]:
    table = _headed("Years ahead")
    for heading in ("year", "this plan costs", "", "largest run", "", "its tokens", ""):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for year in outlook.years:
        cost = ("–", "") if year.cost_usd is None else (format_dollars(year.cost_usd.value), _counts(year.cost_usd))
        frontier, tokens = year.frontier_compute, year.frontier_tokens
        spans = (format_number(frontier.value), _span(frontier, 2), format_count(tokens.value), _counts(tokens))
        table.add_row(str(year.year), *cost, *spans)
    yield table
    if outlook.afford is not None:
        dates = "; ".join(f"{name} {_year(date)}" for name, date in outlook.affordable.items())
        yield f"It costs {format_dollars(outlook.afford)} in: {dates}."
    stock = outlook.trends["text-stock"]
    yield (
        f"The largest runs take as much compute as this plan from {_year(outlook.frontier_passes)}. Trained compute-"
        f"optimally by this law, they need all of the {format_count(stock.value)} tokens of public text in "
        f"{_year(outlook.text_runs_out)}; seen four times, in {_year(outlook.four_epochs)}."
    )
    used = ("frontier-growth", "price-performance-ml")
    sources = (f"{outlook.trends[name].title}: {format_number(outlook.trends[name].value)}" for name in used)
    yield f"Prices from {outlook.since:.1f} on. {'; '.join(sources)} ({outlook.trends['price-performance-ml'].unit})."


def _year(date: Estimate) -> str:
    if date.low is None or date.high is None:
        return f"{date.value:.0f}"
    return f"{date.value:.0f} [{date.low:.0f}, {date.high:.0f}]"


def _counts(estimate: Estimate) -> str:
    if estimate.low is None and estimate.high is None:
        return ""
    bounds = ("open" if bound is None else format_count(bound) for bound in (estimate.low, estimate.high))
    return f"[{', '.join(bounds)}]" if _spread(estimate) else ""


def _span(estimate: Estimate, digits: int = 4) -> str:
    if estimate.low is None and estimate.high is None:
        return ""
    bounds = ("open" if bound is None else format_number(bound, digits) for bound in (estimate.low, estimate.high))
    return f"[{', '.join(bounds)}]" if _spread(estimate) else ""


def _spread(estimate: Estimate) -> bool:
    """Whether the bounds differ by more than rounding."""
    low, high = estimate.low, estimate.high
    return low is None or high is None or abs(high - low) > 1e-9 * abs(estimate.value)


def _signed(value: float) -> str:
    return f"{value:+.4f}" if value == value else "–"


def _plain() -> Table:
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), show_header=False)


def _headed(title: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text(title), title_justify="left", title_style="bold", header_style="bold", box=None, padding=(0, 2, 0, 0)
    )
