"""Ranks: the processes that train one run together, seen from one of them, and the few words they exchange.

Started by torchrun, which tells each its number in the environment. Tensors on a CPU travel by gloo, those on CUDA by
NCCL. CUDA has not been tried by the project itself: no machine at hand has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from isoflop.errors import EnvironmentFailure
from isoflop.lab.device import best_device


@dataclass(frozen=True)
class Ranks:
    """`rank` of `size` processes; of these, number 0 writes. A single one says nothing to anybody, and at no cost."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes to disk."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """The rows of `batch` that this process trains on; together they are the batch, whatever the number."""
        return batch if self.size == 1 else batch.chunk(self.size)[self.rank]

    def mean(self, values: Tensor) -> Tensor:
        """The mean of `values` over all processes, element by element."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total / self.size

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process has raised it: all take the same turn, though each has its own clock."""
        if self.size == 1:
            return flags
        raised = torch.tensor(flags, dtype=torch.int32)
        distributed.all_reduce(raised)
        return tuple(bool(count) for count in raised.tolist())

    def told(self, text: str) -> str:
        """The `text` of process 0, in every process."""
        if self.size == 1:
            return text
        words: list[str] = [text]
        distributed.broadcast_object_list(words, src=0, device=torch.device("cpu"))
        return words[0]


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that torchrun started, this one among them; just this one where it was not started by torchrun.

    Raises:
        EnvironmentFailure: there are more processes than devices.
    """
    size, here = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    device = best_device()
    if device.type == "mps" or (device.type == "cuda" and here > torch.cuda.device_count()):
        count = torch.cuda.device_count() or 1
        raise EnvironmentFailure(
            f"devices.processes={here} is more than the devices of this machine, {count}: lower it."
        )
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl")
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
