"""Sharded: every process keeps a share of each parameter, its gradient and its moments (FSDP2 of torch).

A block's parameters are whole only while the block is at work. The optimizers see tensors that are spread over the
processes; sums over all of a tensor, in the norm for clipping and in Muon, are then sums over processes too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from isoflop.errors import EnvironmentFailure
from isoflop.lab.device import best_device
from isoflop.lab.model import Transformer, build_model
from isoflop.lab.optimizer import build_optimizer
from isoflop.lab.ranks import Ranks
from isoflop.lab.strategies import Strategy, compiled, put_into
from isoflop.runs.spec import RunSpec

try:
    from torch.distributed.fsdp import FSDPModule, fully_shard
    from torch.distributed.tensor import DTensor, distribute_tensor
except ImportError as error:
    raise EnvironmentFailure(
        f"strategy fsdp needs torch 2.6 or newer, this is {torch.__version__}: upgrade it."
    ) from error


class Sharded(Strategy):
    """A share of the model in every process."""

    def __init__(self, spec: RunSpec, ranks: Ranks) -> None:
        self.ranks, self.clip = ranks, spec.optimizer.clip
        self.model = build_model(spec.shape, spec.seed, spec.maximal_update)
        mesh = init_device_mesh(best_device().type, (ranks.size,))
        for block in self.model.blocks if isinstance(self.model, Transformer) else ():
            fully_shard(block, mesh=mesh)
        # The outermost part too is cut again after it was at work: what is loaded or put back must not meet old values.
        self._parts: FSDPModule = fully_shard(self.model, mesh=mesh, reshard_after_forward=True)
        self.optimizer = build_optimizer(self.model, spec.optimizer, spec.maximal_update)
        self.loss_of = compiled(self.model.loss, spec)

    def syncing(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are summed and cut while the last part goes back."""
        self._parts.set_requires_gradient_sync(last)
        return nullcontext()

    def gradients(self, loss: Tensor) -> Sequence[Tensor]:
        """The gradients, gathered."""
        self.optimizer.zero_grad()
        self._parts.set_requires_gradient_sync(True)
        self.backward(loss)
        found = [self.whole(cast(Tensor, parameter.grad)) for parameter in self.model.parameters()]
        self.optimizer.zero_grad()
        return found

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put whole tensors or shares into place."""
        put_into(self.model, self.optimizer, tensors, _placed)

    def whole(self, tensor: Tensor) -> Tensor:
        """A tensor gathered from its shares."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _placed(value: Tensor, parameter: nn.Parameter) -> Tensor:
    """The share of a whole `value` that belongs beside that of `parameter`; what is no matrix of it stays whole."""
    spread: Any = parameter
    if isinstance(value, DTensor) or value.shape != parameter.shape:
        return value.to(parameter.device)
    there = value.to(spread.device_mesh.device_type)
    return distribute_tensor(there, spread.device_mesh, spread.placements, src_data_rank=None)
