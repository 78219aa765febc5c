"""`isoflop plan`: a fit and a budget in; what to train, what it costs and what could go wrong out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli import options
from isoflop.cli.accounting_options import accounting, accounting_of, group
from isoflop.cli.output import Delivery, deliver, note, refusals_recorded
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from isoflop.planning.planner import Horizon, Style
    from isoflop.planning.request import Request

SCHEMA = "isoflop.plan/1"
RULES = ("step-law", "deepseek", "kaplan")


_budgets = group(
    click.option("--compute", metavar="C", help="Training compute to spend, such as 1e24 or '1e4 PF-days'."),
    click.option("--cost", metavar="$", help="Dollars to spend, such as '$2M' or 2M."),
    click.option("--gpus", metavar="COUNTxNAME", help="Devices to train on, such as 1024xh100; with --time, a budget."),
    click.option("--gpu", metavar="NAME", help="Kind of device, where their number is open; h100 unless given."),
    click.option("--time", metavar="T", help="How long they may train, such as '30 days'."),
    click.option("--energy", metavar="E", help="Energy to spend, such as '500 MWh', overhead included."),
)
_goals = group(
    click.option("--target-loss", metavar="L", help="Loss to reach at the least spend."),
    click.option("--params", metavar="N", help="Fix the size; with no budget, spend what makes it optimal."),
    click.option("--tokens", metavar="D", help="Fix the data; with no budget, spend what makes them optimal."),
    click.option("--max-params", metavar="N", help="Largest size."),
    click.option("--unique-tokens", metavar="U", help="Distinct tokens there are; repeats are worth less."),
    click.option("--max-epochs", type=click.FloatRange(min=1), metavar="E", help="How often they may be seen."),
    click.option("--at", metavar="COL=VALUE", multiple=True, help="Another input of the law; of several, the best."),
)
_serving = group(
    click.option("--serve-tokens", metavar="T", help="Tokens to be served over the life of the model."),
    click.option("--serve-mfu", type=click.FloatRange(0, 1, min_open=True), metavar="SHARE", help="Their utilisation."),
    click.option("--serve-on", metavar="COUNTxNAME", help="Devices that one copy must fit, such as 1xh100."),
    click.option("--serve-bits", type=click.FloatRange(1, 32), default=16, show_default=True, help="Bits of a weight."),
    click.option("--latency", metavar="T", help="Time for a token on these devices, such as 20ms."),
    click.option(
        "--budget-covers",
        type=click.Choice(["training", "lifetime"]),
        default="training",
        show_default=True,
        help="What the budget pays for; the lifetime includes serving.",
    ),
)
_shown = group(
    click.option("--sweep", metavar="LOW:HIGH[:POINTS]", help="Instead, the best run for each budget of a range."),
    click.option("--csv", "csv_path", type=click.Path(path_type=Path, dir_okay=False), help="Write the sweep as CSV."),
    click.option("--until", type=click.IntRange(2000, 2100), metavar="YEAR", help="Set the plan against trends."),
    click.option("--since", type=click.FloatRange(2000, 2100), metavar="YEAR", help="When the price was paid."),
    click.option("--afford", metavar="$", help="With --until: when does this plan cost so much?"),
    click.option(
        "--recipe", type=click.Choice(RULES), default="step-law", show_default=True, help="Rule of batch and rate."
    ),
    click.option("--vocab", type=click.IntRange(min=1), help="Vocabulary of the shape; of the runs, or 32,000."),
    click.option("--context", type=click.IntRange(min=1), help="Context of the shape; of the runs, or 4,096."),
)


@click.command("plan")
@click.argument("fit", metavar="[FIT]", required=False)
@click.option("--law", metavar="published:NAME", help="Published constants to plan with, instead of a fit.")
@_budgets
@_goals
@_serving
@_shown
@accounting
@options.seed()
@options.level(None)
@options.out(None, "the plan")
@options.answering
def command(fit: str | None, law: str | None, as_json: bool, force: bool, out: Path | None, **given: Any) -> int:
    r"""Say what to train for a budget, what it costs and what could go wrong.

    Size, data, shape, batch, hours, dollars, energy and memory, for what can be spent or for a loss. Intervals are
    those of the fit's draws; the loss is that of the outcome of one run, as isoflop forecast gives it. Of several
    budgets the smallest binds. What cannot be met ends with exit code 1, what binds, and the nearest plan.

    \b
    Examples:
      isoflop plan fit.json --gpus 1024xh100 --time '30 days'
      isoflop plan fit.json --cost '$2M' --gpu h100 --unique-tokens 500B
      isoflop plan --law published:besiroglu2024 --target-loss 1.974 --serve-tokens 10T
      isoflop plan fit.json --compute 1e24 --serve-on 1xh100 --serve-bits 8 --latency 20ms
      isoflop plan --law published:hoffmann2022-approach1 --params 67B
      isoflop plan fit.json --sweep 1e20:1e26:200 --csv frontier.csv
      isoflop plan fit.json --compute 1e24 --until 2030 --afford '$100k'
    """
    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        from isoflop.cli.plan_page import frontier_page, plan_page
        from isoflop.planning.planner import plan_for
        from isoflop.planning.source import source_of

        source = source_of(_source(fit, law))
        request = _request(given)
        if given["sweep"] is not None:
            from isoflop.planning.sweep import parse_sweep, sweep

            table = sweep(source, request, parse_sweep(given["sweep"], "--sweep"), given["level"])
            if given["csv_path"] is not None:
                from isoflop.records import write_text

                write_text(given["csv_path"], table.to_csv())
                note(f"Written to {given['csv_path']}.")
            return deliver(table, delivery, lambda: frontier_page(table))
        if given["csv_path"] is not None:
            raise UsageError("--csv writes the rows of a sweep: give --sweep, such as 1e20:1e26.")
        made = plan_for(source, request, _style(given), _horizon(given), given["level"])
        return deliver(made, delivery, lambda: plan_page(made))


def _source(fit: str | None, law: str | None) -> str:
    if (fit is None) == (law is None):
        raise UsageError("Give one of a saved FIT and --law published:NAME; `isoflop laws published` lists the names.")
    if law is not None and not law.startswith("published:"):
        raise UsageError(f"--law={law!r} must be published:NAME; `isoflop laws published` lists the names.")
    return law if fit is None else fit  # type: ignore[return-value]


def _request(given: dict[str, Any]) -> Request:
    """The request of the options; errors name arguments as the options are called, without their dashes."""
    from isoflop.planning.budget import machine_of
    from isoflop.planning.request import devices_of, request_of, serving_of

    counted = accounting_of(*(given[name] for name in ("mfu", "price", "pue", "carbon", "state_bytes", "hardware")))
    machine = machine_of(devices_of(given["gpus"], "--gpus"), given["gpu"], counted)
    serving = serving_of(
        machine,
        tokens=given["serve_tokens"],
        mfu=given["serve_mfu"],
        on=given["serve_on"],
        bits=given["serve_bits"],
        latency=given["latency"],
    )
    budgets = {name: given[name] for name in ("compute", "cost", "time", "energy")}
    if given["sweep"] is not None:
        if wrong := [name for name, value in budgets.items() if value is not None]:
            raise UsageError(f"--sweep varies the budget: leave out --{wrong[0]}.")
        from isoflop.planning.sweep import parse_sweep

        budgets["compute"] = float(parse_sweep(given["sweep"], "--sweep")[0])
    asked = {name: given[name] for name in ("target_loss", "params", "tokens", "max_params", "unique_tokens")}
    return request_of(
        machine,
        **budgets,
        **asked,
        max_epochs=given["max_epochs"],
        covers=given["budget_covers"],
        serving=serving,
        at=_others(given["at"]),
    )


def _others(at: tuple[str, ...]) -> dict[str, list[str]]:
    """`--at COL=VALUE` by column, several values of one in their order."""
    values: dict[str, list[str]] = {}
    for text in at:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--at {text!r} must be COLUMN=VALUE, such as sparsity=0.9.")
        values.setdefault(name.strip(), []).extend(part for part in value.split(","))
    return values


def _style(given: dict[str, Any]) -> Style:
    from isoflop.planning.planner import Style

    return Style(given["recipe"], given["vocab"], given["context"])


def _horizon(given: dict[str, Any]) -> Horizon | None:
    from isoflop.planning.planner import Horizon
    from isoflop.quantities import parse_quantity

    if given["until"] is None:
        for name in ("since", "afford"):
            if given[name] is not None:
                raise UsageError(f"--{name} belongs to trends: give --until, such as --until 2030.")
        return None
    from isoflop.planning.trends import read_trends

    afford = None if given["afford"] is None else parse_quantity(given["afford"], "dollars", "--afford")
    trends = None if given["hardware"] is None else read_trends(given["hardware"])
    return Horizon(given["until"], given["since"], afford, given["seed"], trends)
