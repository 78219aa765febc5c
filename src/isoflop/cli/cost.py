"""`isoflop cost`: what a training run takes in FLOP, hours, days, dollars, energy and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.accounting.cost import Cost

SHARED = ("nothing shared", "optimizer shared", "gradients too", "weights too")
"""What the devices share at each ZeRO stage."""


@click.command("cost")
@click.option("--params", metavar="N", required=True, help="Parameters, such as 70B.")
@click.option("--tokens", metavar="D", required=True, help="Training tokens, such as 1.4T.")
@click.option(
    "--gpus", metavar="COUNTxNAME", required=True, help="Devices, such as 1024xh100; v100 to b200, TPUs, cpu."
)
@click.option("--active-params", metavar="N", help="Parameters active per token, for mixtures of experts; else all.")
@click.option("--compute", metavar="FLOP", help="Training compute where it is known better than 6 N D.")
@click.option(
    "--mfu",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Share of peak that is used; that of published runs unless given.",
)
@click.option("--price", metavar="$", help="Dollars for an hour of one device; the price table's unless given.")
@click.option(
    "--pue",
    type=click.FloatRange(min=1),
    default=1.1,
    show_default=True,
    help="Energy of the data centre over that of the devices.",
)
@click.option(
    "--carbon", type=click.FloatRange(min=0), default=0.385, show_default=True, help="Kilograms of CO2 for a kWh."
)
@click.option(
    "--state-bytes",
    type=click.Choice(["16", "18"]),
    default="16",
    show_default=True,
    help="Bytes of weights, gradients and Adam for a parameter; 18 keeps gradients in 32 bits.",
)
@click.option(
    "--hardware",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="TOML with devices and prices of your own, [[device]] and [[price]].",
)
@options.seed()
@options.level()
@options.out(None, "the answer")
@options.answering
def command(
    params: str,
    tokens: str,
    gpus: str,
    active_params: str | None,
    compute: str | None,
    mfu: float | None,
    price: str | None,
    pue: float,
    carbon: float,
    state_bytes: str,
    hardware: Path | None,
    seed: int,
    level: float,
    out: Path | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Say what a training run costs: compute, hours, days, dollars, energy, memory.

    Nothing here is fitted or random, so --seed and --level change nothing. Memory is that of weights, gradients and
    optimizer on each device; activations come on top.

    \b
    Examples:
      isoflop cost --params 70B --tokens 1.4T --gpus 1024xh100
      isoflop cost --params 7B --tokens 2T --gpus 64xa100 --mfu 0.45 --price 1.80
      isoflop cost --params 671B --active-params 37B --tokens 14.8T --gpus 2048xh800 --json
    """
    from isoflop.accounting.cost import Tariff, training_cost
    from isoflop.accounting.hardware import find_device, read_devices
    from isoflop.accounting.memory import STATE_BYTES
    from isoflop.accounting.price import read_prices
    from isoflop.quantities import parse_devices, parse_quantity

    asked = parse_devices(gpus, "--gpus")
    devices = None if hardware is None else read_devices(hardware)
    find_device(asked.name, devices, "--gpus")
    answer = training_cost(
        parse_quantity(params, "count", "--params"),
        parse_quantity(tokens, "tokens", "--tokens"),
        asked,
        active_params=None if active_params is None else parse_quantity(active_params, "count", "--active-params"),
        compute=None if compute is None else parse_quantity(compute, "compute", "--compute"),
        mfu=mfu,
        tariff=Tariff(None if price is None else parse_quantity(price, "dollars", "--price"), pue, carbon),
        states=STATE_BYTES[int(state_bytes)],
        devices=devices,
        prices=None if hardware is None else read_prices(hardware),
    )
    return deliver(answer, Delivery(as_json, force, out), lambda: _page(answer))


def _page(cost: Cost) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from isoflop.quantities import format_count, format_number

    active = "" if cost.active_params == cost.params else f" ({format_count(cost.active_params)} active)"
    yield Text(
        f"{format_count(cost.params)} parameters{active} on {format_count(cost.tokens)} tokens "
        f"with {cost.devices} × {cost.device.title}",
        style="bold",
    )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, value in _figures(cost):
        table.add_row(name, value)
    yield table
    yield f"\nModel states on each device, which holds {format_number(cost.device.memory_bytes / 1e9)} GB:"
    states = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for (key, held), shared in zip(cost.memory.items(), SHARED, strict=True):
        fits = "fits" if held <= cost.device.memory_bytes else "does not fit"
        states.add_row(f"ZeRO {key[-1]}", f"{format_number(held / 1e9)} GB", fits, shared)
    yield states
    yield "Activations come on top.\n"
    for finding in cost.findings:
        yield Text(f"{finding.severity}: {finding.message}")


def _figures(cost: Cost) -> Iterator[tuple[str, str]]:
    """The figures of the page, name and value; what is not known is left out."""
    from isoflop.quantities import FLOP_PER_PF_DAY, format_count, format_dollars, format_flops, format_number

    yield "compute", f"{format_flops(cost.compute)}, {format_number(cost.compute / FLOP_PER_PF_DAY)} PF-days"
    yield "utilisation", format_number(cost.mfu)
    yield "device hours", format_count(cost.gpu_hours)
    yield "days", format_number(cost.days)
    if cost.cost_usd is not None and cost.cost_range is not None:
        low, high = cost.cost_range
        span = f", {format_dollars(low)} to {format_dollars(high)}" if high > low else ""
        yield "dollars", f"{format_dollars(cost.cost_usd)}{span}"
    if cost.energy_mwh is not None and cost.co2_tonnes is not None:
        yield "energy", f"{format_number(cost.energy_mwh)} MWh, {format_number(cost.co2_tonnes)} t of CO2"
