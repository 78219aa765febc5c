"""What ran a training: versions, machine and threads, recorded with every run."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import torch

from isoflop.runs.spec import Devices


def warm_up() -> None:
    """Import now what PyTorch imports when the first optimizer is made: about a second of CPU time."""
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])


def describe_environment(device: torch.device, devices: Devices) -> dict[str, str]:
    """Versions of what decides the numbers, the machine, the device, the number of threads and of processes."""
    several = {"processes": str(devices.processes), "strategy": devices.strategy} if devices.processes > 1 else {}
    return {
        "isoflop": _version("isoflop"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": _version("numpy"),
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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
