"""The optimizer: AdamW with weight decay on matrices only, or Muon on the matrices of the blocks beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from isoflop.errors import EnvironmentFailure
from isoflop.lab.model import LanguageModel
from isoflop.runs.spec import MaximalUpdate, OptimizerSpec


class Optimizers:
    """One or two torch optimizers that together move every parameter, each group at its share of the rate."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts

    def set_learning_rate(self, learning_rate: float) -> None:
        """Give every parameter group `learning_rate` times its own factor."""
        for group in self._groups():
            group["lr"] = learning_rate * group["rate_factor"]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad()

    def step(self) -> None:
        """Move the parameters."""
        for part in self.parts:
            part.step()

    def state_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """What is remembered of a parameter, by name; empty before the first step."""
        return {
            key: value for part in self.parts if parameter in part.state for key, value in part.state[parameter].items()
        }

    def set_state(self, parameter: nn.Parameter, state: dict[str, Tensor]) -> None:
        """Make what `state_of` gave, the same tensors, that of the optimizer that moves `parameter`."""
        for part in self.parts:
            if any(parameter is held for group in part.param_groups for held in group["params"]):
                part.state[parameter] = state

    def group_of(self, parameter: nn.Parameter) -> dict[str, Any]:
        """The group with the settings by which `parameter` is moved."""
        return next(group for group in self._groups() if any(parameter is held for held in group["params"]))

    def _groups(self) -> Iterator[dict[str, Any]]:
        for part in self.parts:
            yield from part.param_groups


def build_optimizer(
    model: LanguageModel, spec: OptimizerSpec, maximal_update: MaximalUpdate | None = None
) -> Optimizers:
    """AdamW of [loshchilov2019] over the parameters of `model`, or Muon of [jordan2024] over its blocks' matrices.

    Gains are not decayed. Under muP the matrices of the blocks learn at base width / width of the rate. The fused AdamW
    takes a third of the time of the default one at the sizes of a ladder. Muon's updates are scaled to the size of
    AdamW's, so that the same rates suit both.

    Raises:
        EnvironmentFailure: Muon is asked for and this torch has none (it came with 2.9).
    """
    hidden = [
        item for name, item in model.named_parameters() if item.dim() >= 2 and name.startswith(("blocks", "layers"))
    ]
    inside = {id(item) for item in hidden}
    outer = [item for item in model.parameters() if item.dim() >= 2 and id(item) not in inside]
    vectors = [item for item in model.parameters() if item.dim() < 2]
    factor = maximal_update.base_width / model.shape.width if maximal_update else 1.0
    parts: list[torch.optim.Optimizer] = []
    groups = [(outer, spec.weight_decay, 1.0), (vectors, 0.0, 1.0)]
    if spec.name == "muon":
        if not hasattr(torch.optim, "Muon"):
            raise EnvironmentFailure(
                f"optimizer muon needs torch 2.9 or newer, this is {torch.__version__}: upgrade it."
            )
        muon = torch.optim.Muon(
            hidden, lr=spec.learning_rate, weight_decay=spec.weight_decay, adjust_lr_fn="match_rms_adamw"
        )
        muon.param_groups[0]["rate_factor"] = factor
        parts.append(muon)
    else:
        groups.insert(0, (hidden, spec.weight_decay, factor))
    told = [{"params": items, "weight_decay": decay, "rate_factor": share} for items, decay, share in groups if items]
    parts.append(torch.optim.AdamW(told, lr=spec.learning_rate, betas=(spec.beta1, spec.beta2), fused=True))
    return Optimizers(parts)
