"""`isoflop cost`: what a training run takes in FLOP, hours, days, dollars, energy and memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.accounting.conventions import CONVENTIONS, Convention
from isoflop.cli import options
from isoflop.cli.accounting_options import accounting, accounting_of
from isoflop.cli.output import Delivery, deliver
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.accounting.breakdown import Breakdown
    from isoflop.accounting.cost import Cost
    from isoflop.accounting.hardware import Device
    from isoflop.accounting.memory import StateBytes

SHARED = ("nothing shared", "optimizer shared", "gradients too", "weights too")
"""What the devices share at each ZeRO stage."""


@click.command("cost")
@click.option("--params", metavar="N", help="Parameters, such as 70B; or give --architecture.")
@click.option("--tokens", metavar="D", required=True, help="Training tokens, such as 1.4T.")
@click.option(
    "--gpus", metavar="COUNTxNAME", required=True, help="Devices, such as 1024xh100; v100 to b200, TPUs, cpu."
)
@click.option("--active-params", metavar="N", help="Parameters active per token, for mixtures of experts; else all.")
@click.option("--compute", metavar="FLOP", help="Training compute where it is known better than 6 N D.")
@click.option(
    "--architecture",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="TOML with layers, width, heads, … under [architecture]: exact counts, layouts, serving.",
)
@click.option(
    "--convention",
    type=click.Choice(CONVENTIONS),
    default="6nd",
    show_default=True,
    help="Which operations of an architecture are counted as compute.",
)
@click.option("--batch", metavar="SEQUENCES", help="Sequences of a step, for the layouts of an architecture.")
@accounting
@options.seed()
@options.level()
@options.out(None, "the answer")
@options.answering
def command(
    params: str | None,
    tokens: str,
    gpus: str,
    active_params: str | None,
    compute: str | None,
    architecture: Path | None,
    convention: Convention,
    batch: str | None,
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
    optimizer on each device; activations come on top, and --architecture counts them.

    \b
    Examples:
      isoflop cost --params 70B --tokens 1.4T --gpus 1024xh100
      isoflop cost --params 7B --tokens 2T --gpus 64xa100 --mfu 0.45 --price 1.80
      isoflop cost --params 671B --active-params 37B --tokens 14.8T --gpus 2048xh800 --json
      isoflop cost --architecture model.toml --tokens 2T --gpus 2048xa100 --convention matmul
    """
    from isoflop.accounting.cost import training_cost
    from isoflop.accounting.hardware import find_device
    from isoflop.quantities import parse_devices, parse_quantity

    asked = parse_devices(gpus, "--gpus")
    counted = accounting_of(mfu, price, pue, carbon, state_bytes, hardware)
    device = find_device(asked.name, counted.devices, "--gpus")
    run = _Run(parse_quantity(tokens, "tokens", "--tokens"), device, asked.count, counted.states)
    if architecture is None:
        size = _stated(params, active_params, compute, batch)
    else:
        size = _counted(architecture, convention, batch, run, {"params": params, "active-params": active_params})
        size = size if compute is None else replace(size, compute=parse_quantity(compute, "compute", "--compute"))
    answer = training_cost(
        size.params,
        run.tokens,
        asked,
        active_params=size.active,
        compute=size.compute,
        mfu=counted.mfu,
        tariff=counted.tariff,
        states=counted.states,
        devices=counted.devices,
        prices=counted.prices,
    )
    answer = replace(answer, architecture=size.breakdown)
    return deliver(answer, Delivery(as_json, force, out), lambda: _page(answer))


@dataclass(frozen=True)
class _Run:
    """What is trained with: tokens, devices, bytes of states."""

    tokens: float
    device: Device
    devices: int
    states: StateBytes


@dataclass(frozen=True)
class _Size:
    """What is trained: its parameters, and its compute where it is known better than 6 N D."""

    params: float
    active: float | None
    compute: float | None
    breakdown: Breakdown | None = None


def _stated(params: str | None, active: str | None, compute: str | None, batch: str | None) -> _Size:
    """The size as the options say it."""
    from isoflop.quantities import parse_quantity

    if params is None:
        raise UsageError("--params is missing: give it, such as 70B, or --architecture with a TOML file.")
    if batch is not None:
        raise UsageError(f"--batch={batch!r} is for the layouts of an architecture: give --architecture with it.")
    return _Size(
        parse_quantity(params, "count", "--params"),
        None if active is None else parse_quantity(active, "count", "--active-params"),
        None if compute is None else parse_quantity(compute, "compute", "--compute"),
    )


def _counted(place: Path, convention: Convention, batch: str | None, run: _Run, given: dict[str, str | None]) -> _Size:
    """The size as it follows from an architecture, which leaves nothing of it to be stated."""
    from isoflop.accounting.architecture_file import read_architecture
    from isoflop.accounting.breakdown import breakdown
    from isoflop.quantities import parse_quantity

    for name, value in given.items():
        if value is not None:
            raise UsageError(f"--{name}={value!r} follows from --architecture: leave one of them out.")
    sequences = None if batch is None else int(parse_quantity(batch, "count", "--batch"))
    if sequences is not None and sequences < 1:
        raise UsageError(f"--batch={batch!r} must be at least 1 sequence.")
    found = breakdown(
        read_architecture(place), run.tokens, run.device, run.devices, batch_sequences=sequences, states=run.states
    )
    return _Size(found.parameters.total, found.parameters.active, found.compute[convention], found)


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
    if cost.architecture is None:
        yield "Activations come on top."
    else:
        yield from _architecture(cost.architecture)
    yield ""
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


def _architecture(counted: Breakdown) -> Iterator[RenderableType]:
    """What follows from an architecture: counts by convention, activations, layouts, serving."""
    from rich.table import Table

    from isoflop.quantities import format_count, format_flops, format_number

    groups = {name: value for name, value in vars(counted.parameters).items() if value and name != "idle"}
    yield "\nParameters: " + ", ".join(f"{name} {format_count(value)}" for name, value in groups.items())
    yield "Compute: " + ", ".join(f"{name} {format_flops(value)}" for name, value in counted.compute.items())
    kept = (f"{format_number(value / 1e9)} GB recomputing {name}" for name, value in counted.activation_bytes.items())
    yield f"Activations of a layer and a sequence, by the formula for a plain layer of 4 widths: {', '.join(kept)}"
    decoding = counted.decoding
    yield (
        f"Serving: {format_number(counted.cache_bytes_per_token / 1e3)} kB of cache a token; one sequence at full "
        f"context on {counted.decoding_devices}: at most {format_number(decoding.tokens_per_second)} tokens/s, bound "
        f"by {decoding.bound}"
    )
    if not counted.layouts:
        yield "No layout of these devices holds the model and this batch: use more devices, or another --batch."
        return
    yield "\nLayouts that fit, least idle first (ZeRO 1, attention recomputed, one sequence a microbatch):"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("tensor", "pipeline", "data", "microbatches", "idle", "GB states", "GB activations"):
        table.add_column(heading, justify="right")
    for placed in counted.layouts:
        layout, memory = placed.layout, placed.memory
        counts = (layout.tensor, layout.pipeline, layout.data, layout.microbatches)
        shares = (layout.bubble, memory.states / 1e9, memory.activations / 1e9)
        table.add_row(*map(str, counts), *map(format_number, shares))
    yield table
