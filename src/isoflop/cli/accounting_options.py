"""The options of the commands that count hours, dollars and energy, each meaning the same in all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isoflop.cli.options import Command

if TYPE_CHECKING:
    from isoflop.planning.budget import Accounting

_ACCOUNTING = (
    click.option(
        "--mfu",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="SHARE",
        help="Share of peak that is used; that of published runs unless given.",
    ),
    click.option("--price", metavar="$", help="Dollars for an hour of one device; the price table's unless given."),
    click.option(
        "--pue",
        type=click.FloatRange(min=1),
        default=1.1,
        show_default=True,
        help="Energy of the data centre over that of the devices.",
    ),
    click.option(
        "--carbon", type=click.FloatRange(min=0), default=0.385, show_default=True, help="Kilograms of CO2 for a kWh."
    ),
    click.option(
        "--state-bytes",
        type=click.Choice(["16", "18"]),
        default="16",
        show_default=True,
        help="Bytes of weights, gradients and Adam for a parameter; 18 keeps gradients in 32 bits.",
    ),
    click.option(
        "--hardware",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="TOML with devices, prices and trends of your own: [[device]], [[price]], [[trend]].",
    ),
)


def group(*members: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options as one decorator; their help stands in the order given."""

    def decorate(function: Command) -> Command:
        for option in reversed(members):
            function = option(function)
        return function

    return decorate


accounting = group(*_ACCOUNTING)
"""`--mfu`, `--price`, `--pue`, `--carbon`, `--state-bytes` and `--hardware`."""


def accounting_of(
    mfu: float | None, price: str | None, pue: float, carbon: float, state_bytes: str, hardware: Path | None
) -> Accounting:
    """The values of the options, read."""
    from isoflop.accounting.cost import Tariff
    from isoflop.accounting.hardware import read_devices
    from isoflop.accounting.memory import STATE_BYTES
    from isoflop.accounting.price import read_prices
    from isoflop.planning.budget import Accounting
    from isoflop.quantities import parse_quantity

    return Accounting(
        mfu,
        Tariff(None if price is None else parse_quantity(price, "dollars", "--price"), pue, carbon),
        STATE_BYTES[int(state_bytes)],
        None if hardware is None else read_devices(hardware),
        None if hardware is None else read_prices(hardware),
    )
