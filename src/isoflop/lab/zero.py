"""ZeRO: DeepSpeed's shares of optimizer state (stage 1), gradients (2) and parameters (3). Extra `[deepspeed]`.

DeepSpeed runs the passes, clips, and moves the parameters with our AdamW. Its own checkpoints are not used: parameters
and moments are asked for whole, one after another, and put back in the same way.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from isoflop.errors import MissingExtraError
from isoflop.lab.device import best_device
from isoflop.lab.model import LanguageModel, build_model
from isoflop.lab.optimizer import Optimizers, build_optimizer
from isoflop.lab.ranks import Ranks
from isoflop.lab.strategies import LossOf, Strategy, compiled, state_in
from isoflop.runs.spec import RunSpec

MOMENTS = ("exp_avg", "exp_avg_sq")


class CastLossOf(LossOf):
    """The loss in the precision of `spec`: on CUDA, DeepSpeed switches off the autocast that surrounds its engine."""

    def __init__(self, model: LanguageModel, device: torch.device, spec: RunSpec) -> None:
        super().__init__(model)
        self._device_type, self._casts = device.type, spec.precision == "bfloat16"

    def forward(self, windows: Tensor) -> Tensor:
        """Mean cross-entropy of `windows` in nats/token."""
        with torch.autocast(self._device_type, torch.bfloat16, enabled=self._casts):
            return super().forward(windows)


class ZeroRedundancy(Strategy):
    """A model whose state is shared by DeepSpeed at one of its three stages."""

    def __init__(self, spec: RunSpec, ranks: Ranks, *, stage: int) -> None:
        if importlib.util.find_spec("deepspeed") is None:
            raise MissingExtraError("deepspeed", "deepspeed", f"strategy deepspeed-zero{stage}")
        device = best_device()
        if device.type == "cpu":
            # Left to itself it takes the presence of some libraries for that of their devices.
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        import deepspeed

        self.ranks, self.clip = ranks, spec.optimizer.clip
        self.model = build_model(spec.shape, spec.seed, spec.maximal_update).to(device)
        (self._adam,) = build_optimizer(self.model, spec.optimizer, spec.maximal_update).parts
        self.optimizer = Optimizers([self._adam])
        engine, shares, _, _ = deepspeed.initialize(
            model=CastLossOf(self.model, device, spec),
            optimizer=self._adam,
            config=_settings(spec, ranks, stage),
            dist_init_required=False,
        )
        self._engine: Any = engine
        self._shares: Any = shares
        self._stage = stage
        self._begin_moments()
        self.loss_of = compiled(engine, spec)

    def syncing(self, last: bool) -> AbstractContextManager[None]:
        """DeepSpeed is told which part of a batch is the last."""
        self._engine.set_gradient_accumulation_boundary(last)
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add to the gradients."""
        self._engine.backward(loss)

    def step(self) -> None:
        """Clip and move."""
        self._engine.step()

    def tensors(self) -> dict[str, Tensor]:
        """Copies of every parameter and moment, whole."""
        from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

        found = {}
        for name, parameter in self.model.named_parameters():
            found[f"model/{name}"] = safe_get_full_fp32_param(parameter).detach().clone()
            for key in MOMENTS:
                found[f"optimizer/{key}/{name}"] = safe_get_full_optimizer_state(parameter, key).detach().clone()
            found[f"optimizer/step/{name}"] = self._steps()[0].clone()
        return found

    def put(self, tensors: Mapping[str, Tensor]) -> None:
        """Put whole tensors into their shares, and into the copies of parameters that the passes use."""
        import deepspeed

        for name, parameter in self.model.named_parameters():
            value, state = tensors[f"model/{name}"], state_in(tensors, name)
            with torch.no_grad(), deepspeed.zero.GatheredParameters([parameter], modifier_rank=0):
                parameter.copy_(value)
            self._put_share(parameter, {None: value, **{key: state[key] for key in MOMENTS}})
            for step in self._steps():
                step.copy_(state["step"])

    def _put_share(self, parameter: Any, values: Mapping[str | None, Tensor]) -> None:
        """Put this process's part of the values of a parameter (under None) and its moments where they belong."""
        for key, value in values.items():
            if self._stage < 3:
                parameter.set_full_hp_param(value, key)
                continue
            # Shares are equally long, so the last ones may be padded: DeepSpeed's own way to set them forgets that.
            length = parameter.ds_tensor.numel()
            padded = torch.zeros(length * self.ranks.size, dtype=value.dtype)
            padded[: value.numel()] = value.flatten()
            self._shares.set_local_hp_param(padded.chunk(self.ranks.size)[self.ranks.rank], parameter, key)

    def _begin_moments(self) -> None:
        """Make the moments now: a checkpoint may be loaded into them before the first step.

        DeepSpeed 0.19 makes them at the first step, and at stages 1 and 2 links parameters with those of the first
        group alone: those of the others could not be asked for.
        """
        from deepspeed.utils import lazy_init_hp_params_optimizer_state

        shares = self._shares
        whole_groups = (
            shares.single_partition_of_fp32_groups if self._stage < 3 else shares.fp32_partitioned_groups_flat
        )
        for place, share in enumerate(whole_groups):
            moments = {key: torch.zeros_like(share) for key in MOMENTS}
            self._adam.state[share] = {"step": torch.zeros((), device=share.device), **moments}
            if self._stage < 3:
                lazy_init_hp_params_optimizer_state(shares.bit16_groups[place], share, self._adam.state)

    def _steps(self) -> list[Tensor]:
        """How often each share has been moved; always the same number."""
        return [state["step"] for state in self._adam.state.values()]


def _settings(spec: RunSpec, ranks: Ranks, stage: int) -> dict[str, Any]:
    """What DeepSpeed is told; parts of a batch are divided and counted by the training loop."""
    rows = spec.batch_tokens // spec.shape.context
    return {
        "train_micro_batch_size_per_gpu": rows // (ranks.size * spec.micro_batches),
        "gradient_accumulation_steps": 1,
        "gradient_clipping": spec.optimizer.clip,
        "zero_optimization": {"stage": stage},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
    }
