"""What ran a training: versions, machine and threads, recorded with every run."""

from __future__ import annotations

import platform

import torch

from isoflop.runs.spec import Devices
from isoflop.runs.versions import package_version, sources_digest


def warm_up() -> None:
    """Do now what the first run would: import what an optimizer needs (a second of CPU time), read our own sources."""
    sources_digest()
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])


def describe_environment(device: torch.device, devices: Devices) -> dict[str, str]:
    """Versions of what decides the numbers, a digest of our own sources, machine, device, threads and processes."""
    several = {"processes": str(devices.processes), "strategy": devices.strategy} if devices.processes > 1 else {}
    return {
        "isoflop": package_version("isoflop"),
        "sources": sources_digest(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": package_version("numpy"),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": str(torch.get_num_threads()),
        **several,
    }


def use_one_thread() -> None:
    """Train on one thread from now on, with the same bits every time.

    Two runs on one thread each finish sooner than one after the other on two.
    """
    torch.set_num_threads(1)
