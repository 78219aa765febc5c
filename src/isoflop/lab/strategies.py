"""Strategies: how the processes that train one run share its model, gradients and optimizer.

Replicated keeps the whole of them in every process and averages gradients (torch's DDP); a single process is the same
thing without anybody to talk to. `sharded.py` (FSDP2) and `zero.py` (DeepSpeed) cut them into shares. What goes into a
checkpoint are whole tensors under the same names in every strategy, so that any can go on from any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from isoflop.lab.device import best_device
from isoflop.lab.model import LanguageModel, build_model
from isoflop.lab.optimizer import Optimizers, build_optimizer
from isoflop.lab.ranks import Ranks
from isoflop.runs.spec import Devices, RunSpec, StrategyName, check_devices

Place = Callable[[Tensor, nn.Parameter], Tensor]


class Strategy(ABC):
    """A model that is trained by some processes together, and its optimizers; `loss_of` gives the loss to go down.

    What is no matter of sharing is done here as a single process does it.
    """

    model: LanguageModel
    optimizer: Optimizers
    ranks: Ranks
    clip: float
    loss_of: Callable[[Tensor], Tensor]

    @abstractmethod
    def syncing(self, last: bool) -> AbstractContextManager[None]:
        """Surrounds the passes over one part of a batch; gradients are shared at its `last` part only."""

    @abstractmethod
    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put tensors as `tensors` names them, whole or as it gave them, into model and optimizers."""

    def backward(self, loss: Tensor) -> None:
        """Add to the gradients of the mean over all processes."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Clip the gradients by their norm over the whole model, and move the parameters."""
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()

    def gradients(self, loss: Tensor) -> Sequence[Tensor]:
        """The whole gradients of a loss that is the same in every process; there must be none of an update."""
        return torch.autograd.grad(loss, list(self.model.parameters()))

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name, the live ones where that is possible; all processes ask together."""
        return tensors_of(self.model, self.optimizer)

    def whole(self, tensor: Tensor) -> Tensor:
        """One of `tensors` whole; all processes ask together."""
        return tensor


class Replicated(Strategy):
    """The whole model in every process."""

    def __init__(self, spec: RunSpec, ranks: Ranks) -> None:
        self.ranks, self.clip = ranks, spec.optimizer.clip
        self.model = build_model(spec.shape, spec.seed, spec.maximal_update).to(best_device())
        self.optimizer = build_optimizer(self.model, spec.optimizer, spec.maximal_update)
        self._averaged = DistributedDataParallel(LossOf(self.model)) if ranks.size > 1 else None
        self.loss_of = compiled(self._averaged or self.model.loss, spec)

    def syncing(self, last: bool) -> AbstractContextManager[None]:
        """Gradients travel while the last part goes back."""
        return nullcontext() if last or self._averaged is None else self._averaged.no_sync()

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put tensors into place, bit for bit."""
        put_into(self.model, self.optimizer, tensors, lambda value, parameter: value.to(parameter.device))


class LossOf(nn.Module):
    """A model whose output is its loss: wrappers see the passes of a module through its call alone."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, windows: Tensor) -> Tensor:
        """Mean cross-entropy of `windows` in nats/token."""
        return self.model.loss(windows)


def build_strategy(spec: RunSpec, ranks: Ranks, name: StrategyName) -> Strategy:
    """The model of `spec` with the weights of its seed, shared by `ranks` as the strategy called `name` does it.

    Raises:
        UsageError: this run cannot be trained like that.
        EnvironmentFailure: this torch is too old for it.
        MissingExtraError: DeepSpeed is asked for and not installed.
    """
    check_devices(spec, Devices(name, ranks.size))
    if ranks.size == 1 or name == "ddp":
        return Replicated(spec, ranks)
    # Both need more of what is installed than training as such.
    if name == "fsdp":
        from isoflop.lab.sharded import Sharded

        return Sharded(spec, ranks)
    from isoflop.lab.zero import ZeroRedundancy

    return ZeroRedundancy(spec, ranks, stage=int(name[-1]))


def compiled(loss_of: Callable[[Tensor], Tensor], spec: RunSpec) -> Callable[[Tensor], Tensor]:
    """The loss as `spec` wants it computed."""
    return torch.compile(loss_of) if spec.compile else loss_of


def tensors_of(model: LanguageModel, optimizer: Optimizers) -> dict[str, Tensor]:
    """Every tensor of a training state by name; they are the live ones."""
    found = {}
    for name, parameter in model.named_parameters():
        found[f"model/{name}"] = parameter.detach()
        for key, value in optimizer.state_of(parameter).items():
            found[f"optimizer/{key}/{name}"] = value
    return found


def put_into(model: LanguageModel, optimizer: Optimizers, tensors: Mapping[str, Tensor], place: Place) -> None:
    """Put tensors as `tensors_of` names them into model and optimizer; `place` brings one to where its parameter is."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(place(tensors[f"model/{name}"], parameter))
            held = optimizer.state_of(parameter)
            state = {key: place(value, parameter) for key, value in state_in(tensors, name).items()}
            if state.keys() <= held.keys():
                # In place: in a stack of models these tensors are views of the stack's. All of them begin with zeros.
                for key, value in held.items():
                    if key in state:
                        value.copy_(state[key])
                    else:
                        value.zero_()
            else:
                optimizer.set_state(parameter, {key: value.clone() for key, value in state.items()})


def state_in(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """What `tensors` hold for the optimizer of the parameter called `name`."""
    end = f"/{name}"
    return {
        key.split("/")[1]: value
        for key, value in tensors.items()
        if key.startswith("optimizer/") and key.endswith(end)
    }  # fmt: skip
