"""Accelerators: what they compute, hold, read and draw, from `hardware.toml` and a user's own file of that form.

Every entry has its source and the date it was read. Peak is dense 16-bit throughput, twice the multiply-adds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from isoflop.accounting.entries import Schema, entries, shipped_tables, user_tables
from isoflop.errors import UsageError

_SCHEMA = Schema(
    "device",
    {"peak_flops": "compute", "memory_bytes": "count", "bandwidth": "count", "power_watts": "count"},
)


@dataclass(frozen=True)
class Device:
    """An accelerator: peak FLOP per second, bytes of memory, bytes per second from it, watts at full load.

    `power_watts` is None where nobody has published it. `aliases` are other names that people use.
    """

    name: str
    title: str
    peak_flops: float
    memory_bytes: float
    bandwidth: float
    source: str
    date: str
    power_watts: float | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""

    @property
    def picojoules_per_flop(self) -> float | None:
        """Energy of an operation at peak, None where the power is not known.

        Example:
            >>> round(find_device("h100").picojoules_per_flop, 2)
            0.71
        """
        return None if self.power_watts is None else 1e12 * self.power_watts / self.peak_flops


@cache
def shipped_devices() -> tuple[Device, ...]:
    """The devices of `hardware.toml`.

    Example:
        >>> [device.name for device in shipped_devices()][:3]
        ['v100', 'a100-40', 'a100']
    """
    return entries(shipped_tables("hardware.toml"), _SCHEMA, Device, "hardware.toml")


def read_devices(path: Path) -> tuple[Device, ...]:
    """The shipped devices with those of a user's file: an entry of the same name replaces, a new one is added.

    Raises:
        InputError: naming the file, the entry and the key that is wrong.
    """
    own = entries(user_tables(path), _SCHEMA, Device, str(path))
    lowered = {device.name.lower() for device in own}
    return (*own, *(device for device in shipped_devices() if device.name not in lowered))


def find_device(name: str, devices: Iterable[Device] | None = None, argument: str = "gpus") -> Device:
    """The device called `name`, or known by it.

    Raises:
        UsageError: there is none; the message lists those there are.

    Example:
        >>> find_device("A100-80GB").name
        'a100'
    """
    listed = tuple(shipped_devices() if devices is None else devices)
    wanted = name.lower()
    for device in listed:
        if wanted in (device.name.lower(), *(alias.lower() for alias in device.aliases)):
            return device
    names = [device.name for device in listed]
    close = get_close_matches(wanted, names, 1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    raise UsageError(
        f"{argument}={name!r} is no accelerator{meant}: use one of {', '.join(names)}, "
        "or describe it in a TOML file given by --hardware."
    )
