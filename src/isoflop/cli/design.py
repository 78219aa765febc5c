"""`isoflop design`: a budget and a target in; the ladder of runs that best pins down the forecast out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli import options
from isoflop.cli.accounting_options import group
from isoflop.cli.output import Delivery, deliver, note, refusals_recorded
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from isoflop.planning.design import Design
    from isoflop.planning.designing import Equipment

SCHEMA = "isoflop.design/1"
DEFAULT_LAW = "published:besiroglu2024"

_asked = group(
    click.option("--law", metavar="NAME", help=f"Law or published:NAME as the prior; {DEFAULT_LAW} unless given."),
    click.option("--budget", metavar="C", help="Compute of all runs together, such as 3e19; or --gpus with --time."),
    click.option("--target", metavar="C", help="Compute to forecast at, such as 1e22, spent in the optimal way."),
    click.option("--target-params", metavar="N", help="Size to forecast at, with --target-tokens."),
    click.option("--target-tokens", metavar="D", help="Data to forecast at."),
    click.option("--given", metavar="SOURCE", type=click.Path(), help="Runs in hand: the design adds to them."),
)
_limits = group(
    click.option("--runs", type=click.IntRange(min=1), default=25, show_default=True, help="Runs at most."),
    click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Seeds of one, at most."),
    click.option("--smallest", metavar="C", help="Least compute of a run; the budget / 3,000 unless given."),
    click.option("--largest", metavar="C", help="Most compute of a run; half of the budget unless given."),
    click.option("--min-params", metavar="N", help="Smallest size of a run."),
    click.option("--max-params", metavar="N", help="Largest size of a run."),
    click.option("--ratio", metavar="LOW:HIGH", default="1:500", show_default=True, help="Tokens for each parameter."),
    click.option("--batch-tokens", metavar="B", help="Tokens of a step; runs are whole steps."),
    click.option(
        "--noise", type=click.FloatRange(0, 1, min_open=True), metavar="SHARE", help="Noise of one run's loss."
    ),
)
_equipment = group(
    click.option("--gpus", metavar="COUNTxNAME", help="What is trained on, such as 8xh100."),
    click.option("--time", metavar="T", help="How long in all, such as '7 days': a budget too."),
    click.option("--longest", metavar="T", help="How long one run may take."),
    click.option("--mfu", type=click.FloatRange(0, 1, min_open=True), metavar="SHARE", help="Share of peak used."),
    click.option("--vocab", type=click.IntRange(min=1), help="Vocabulary, for the shapes of the sizes."),
    click.option("--context", type=click.IntRange(min=1), help="Context, for the shapes of the sizes."),
    click.option("--csv", "csv_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the runs as CSV."),
)


@click.command("design")
@click.argument("fit", metavar="[FIT]", required=False)
@_asked
@_limits
@_equipment
@options.seed()
@options.level(None)
@options.out(None, "the design")
@options.answering
def command(fit: str | None, as_json: bool, force: bool, out: Path | None, **given: Any) -> int:
    r"""Choose the ladder of small runs that best pins down a forecast.

    The runs have the least variance of the forecast at the target, by the information of the law at a prior fit or at
    published constants, in the mean over what the truth may be. The interval holds if the law does: a ladder cannot
    show that it bends beyond its own runs.

    \b
    Examples:
      isoflop design --budget 3e19 --target 1e22
      isoflop design fit.json --given runs.csv --budget 1e20 --target 5.76e23
      isoflop design --gpus 8xa100 --time '3 days' --longest 12h --target 1e22 --vocab 32000 --context 2048
      isoflop design --budget 3e19 --target-params 7B --target-tokens 140B --runs 16 --csv ladder.csv
    """
    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        from isoflop.planning.designing import design
        from isoflop.quantities import parse_quantity
        from isoflop.records import write_text

        if fit is not None and given["law"] is not None:
            raise UsageError("A saved FIT and --law both say what the prior is: give one of them.")
        kinds = {"budget": "compute", "target": "compute", "target_params": "count", "target_tokens": "tokens"}
        kinds |= {"smallest": "compute", "largest": "compute", "min_params": "count", "max_params": "count"}
        kinds |= {"batch_tokens": "tokens"}
        amounts = {
            name: None if given[name] is None else parse_quantity(given[name], kind, f"--{name.replace('_', '-')}")  # type: ignore[arg-type]
            for name, kind in kinds.items()
        }
        made = design(
            fit or _law(given["law"]),
            **amounts,
            given=given["given"],
            runs=given["runs"],
            seeds=given["seeds"],
            ratio=_ratio(given["ratio"]),
            noise=given["noise"],
            equipment=_equipped(given),
            level=given["level"],
            seed=given["seed"],
        )
        if given["csv_path"] is not None:
            write_text(given["csv_path"], made.to_csv())
            note(f"Written to {given['csv_path']}.")
        return deliver(made, delivery, lambda: _page(made))


def _law(name: str | None) -> str:
    """Published constants by their name, or by that of a law that has some."""
    from isoflop.laws.catalogue import find
    from isoflop.laws.published import published_for

    if name is None or name == "chinchilla":
        return DEFAULT_LAW
    if name.startswith("published:"):
        return name
    known = published_for(find(name))
    if not known:
        raise UsageError(f"--law={name!r} has no published constants to start from: give a fit of it.")
    return f"published:{known[0].name}"


def _ratio(text: str) -> tuple[float, float]:
    from isoflop.quantities import parse_quantity

    low, colon, high = text.partition(":")
    if not colon:
        raise UsageError(f"--ratio={text!r} must be LOW:HIGH, such as 1:500.")
    return parse_quantity(low, "count", "--ratio"), parse_quantity(high, "count", "--ratio")


def _equipped(given: dict[str, Any]) -> Equipment:
    from isoflop.planning.budget import Accounting, machine_of
    from isoflop.planning.designing import Equipment
    from isoflop.quantities import parse_devices, parse_quantity

    seconds = {
        name: None if given[name] is None else parse_quantity(given[name], "duration", f"--{name}")
        for name in ("time", "longest")
    }
    gpus = None if given["gpus"] is None else parse_devices(given["gpus"], "--gpus")
    machine = None if gpus is None else machine_of(gpus, None, Accounting(given["mfu"]))
    return Equipment(machine, **seconds, vocab=given["vocab"], context=given["context"])


def _page(made: Design) -> Iterator[RenderableType]:
    from rich.text import Text

    from isoflop.quantities import format_count, format_flops, format_number
    from isoflop.reporting.tables import findings_lines, interval_text

    count = sum(run.seeds for run in made.runs)
    yield Text(f"Train {count} runs of {len(made.runs)} configurations for {format_flops(made.spent)}", style="bold")
    yield _runs_table(made)
    expected = made.expected
    target = f"{format_count(made.target_params)} parameters on {format_count(made.target_tokens)} tokens"
    yield (
        f"\nForecast at {target}: loss {format_number(expected.value, 4)} {interval_text(expected)} at "
        f"{made.level:.0%}, a deviation of {_percent(made.deviation)} (worst of {made.scenarios} scenarios "
        f"{_percent(made.worst_deviation)}), and {_percent(made.noise)} of noise in the run itself."
    )
    if made.given_deviation is not None:
        yield f"The {made.given} runs in hand alone give a deviation of {_percent(made.given_deviation)}."
    yield ""
    yield _beside_table(made)
    yield ""
    yield from findings_lines(made.findings)


def _runs_table(made: Design) -> Table:
    from isoflop.quantities import format_count, format_number

    timed = any(run.gpu_hours is not None for run in made.runs)
    shaped = any(run.shape is not None for run in made.runs)
    table = _table(("params", "tokens", "per param", "seeds", "compute of one", *(["hours of one"] if timed else [])))
    if shaped:
        table.add_column("shape")
    for run in made.runs:
        cells = [format_count(run.params), format_count(run.tokens), format_number(run.tokens / run.params)]
        cells += [str(run.seeds), format_number(run.compute)]
        if timed:
            cells.append("–" if run.gpu_hours is None else format_number(run.gpu_hours))
        if shaped and run.shape is not None:
            shape = run.shape.architecture
            cells.append(f"{shape.layers} × {shape.width}, {shape.heads} heads: {format_count(run.shape.params)}")
        table.add_row(*cells)
    return table


def _beside_table(made: Design) -> Table:
    """The design beside the usual ladders of its cost, and beside other budgets."""
    from isoflop.quantities import format_flops
    from isoflop.reporting.tables import interval_text

    table = _table(("ladder", "runs", "compute", "deviation", f"{made.level:.0%} interval", "beside this one"))
    count = str(sum(run.seeds for run in made.runs))
    rows = [("this one", count, made.spent, made.deviation)]
    rows += [(item.name, str(item.runs), item.compute, item.deviation) for item in made.comparisons]
    rows += [(f"budget ×{step.factor:g}", "", step.compute, step.deviation) for step in made.steps]
    for name, runs, compute, deviation in rows:
        span = interval_text(made.interval(deviation)) if deviation < 1.0 else "not determined"
        beside = "" if name == "this one" else f"{deviation / made.deviation - 1.0:+.0%}"
        table.add_row(name, runs, format_flops(compute), _percent(deviation), span, beside)
    return table


def _table(headings: tuple[str, ...]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "ladder" else "right", no_wrap=True)
    return table


def _percent(share: float) -> str:
    from isoflop.quantities import format_number

    return f"{format_number(100.0 * share, 2)} %"
