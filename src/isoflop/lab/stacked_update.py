"""One update of K models at once: one batched forward and backward pass, one AdamW over the rows of a matrix.

Legend: K models of P parameters each; row k of a matrix (K, P) is model k, and every weight has columns of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from isoflop.lab.model import LanguageModel
from isoflop.lab.optimizer import Optimizers
from isoflop.lab.stacked_model import build_stacked_model, stacked_losses
from isoflop.runs.spec import RunSpec

# What torch adds to the norm of a gradient before it divides by it.
CLIP_EPSILON = 1e-6


class Stack:
    """K models and the state of their AdamW as rows of matrices, of which their own tensors become views.

    So a model of the stack can be scored, saved, put back or trained alone at any time, as if there were no stack.
    """

    def __init__(self, members: Sequence[tuple[RunSpec, LanguageModel, Optimizers]]) -> None:
        specs, models, optimizers = zip(*members, strict=True)
        self._settings = [spec.optimizer for spec in specs]
        weights = [dict(model.named_parameters()) for model in models]
        first = weights[0]
        self._sizes = [weight.numel() for weight in first.values()]
        self._weights = torch.stack([_row(each.values()) for each in weights])
        states = [[own.state_of(it) for it in each.values()] for own, each in zip(optimizers, weights, strict=True)]
        self._means = self._remembered("exp_avg", states)
        self._squares = self._remembered("exp_avg_sq", states)
        counts = [[float(state.get("step", 0.0)) for state in row] for row in states]
        self._steps = torch.tensor(counts, device=self._weights.device)
        for k, each in enumerate(weights):
            self._lend(k, list(each.values()), optimizers[k])
        self._leaves = [
            columns.view(-1, *weight.shape).detach().requires_grad_()
            for columns, weight in zip(self._columns(self._weights), first.values(), strict=True)
        ]
        self._model = build_stacked_model(specs[0], dict(zip(first, self._leaves, strict=True)))
        groups = [optimizers[0].group_of(weight) for weight in first.values()]
        self._epsilon: float = groups[0]["eps"]
        self._rate_share = self._by_column([group["rate_factor"] for group in groups])
        self._decay_share = self._by_column([group["rate_factor"] * (group["weight_decay"] > 0) for group in groups])

    def update(self, windows: Tensor, rates: Sequence[float]) -> Tensor:
        """One optimizer step of every model on its `windows` (K, batch, time + 1); the losses (K,) before it."""
        losses = stacked_losses(self._model, windows)
        gradients = torch.autograd.grad(losses.sum(), self._leaves)
        self._step(torch.cat([gradient.flatten(1) for gradient in gradients], dim=1), rates)
        return losses.detach()

    @torch.no_grad()
    def _step(self, gradient: Tensor, rates: Sequence[float]) -> None:
        """AdamW of [loshchilov2019] on every row, clipped by the norm of the row's own gradient."""
        self._steps += 1.0
        told = list(zip(self._settings, rates, self._steps[:, 0].tolist(), strict=True))
        keep_mean = self._by_row([item.beta1 for item in self._settings])
        keep_square = self._by_row([item.beta2 for item in self._settings])
        clip = self._by_row([item.clip for item in self._settings])
        decay = self._by_row([rate * item.weight_decay for item, rate, _ in told])
        pace = self._by_row([rate / (1.0 - item.beta1**count) for item, rate, count in told])
        root = self._by_row([(1.0 - item.beta2**count) ** 0.5 for item, _, count in told])
        gradient *= (clip / (gradient.norm(dim=1, keepdim=True) + CLIP_EPSILON)).clamp(max=1.0)
        self._weights.mul_(1.0 - decay * self._decay_share)
        self._means.lerp_(gradient, 1.0 - keep_mean)
        self._squares.mul_(keep_square).add_(gradient.square_().mul_(1.0 - keep_square))
        spread = self._squares.sqrt().div_(root).add_(self._epsilon)
        self._weights.addcdiv_(self._means * (-pace * self._rate_share), spread)

    def _remembered(self, key: str, states: Sequence[Sequence[Mapping[str, Tensor]]]) -> Tensor:
        """What the optimizers remember by `key` of every weight, (K, P); zeros before the first step."""
        nothing = [torch.zeros(size, device=self._weights.device) for size in self._sizes]
        rows = [[state.get(key, zero) for state, zero in zip(row, nothing, strict=True)] for row in states]
        return torch.stack([_row(row) for row in rows])

    def _lend(self, row: int, weights: Sequence[torch.nn.Parameter], optimizer: Optimizers) -> None:
        """Make the tensors of a model, and what its optimizer remembers of them, views of its rows."""
        parts = [self._columns(matrix[row]) for matrix in (self._weights, self._means, self._squares)]
        for place, weight in enumerate(weights):
            value, mean, square = (part[place].view(weight.shape) for part in parts)
            weight.data = value
            optimizer.set_state(weight, {"step": self._steps[row, place], "exp_avg": mean, "exp_avg_sq": square})

    def _columns(self, matrix: Tensor) -> tuple[Tensor, ...]:
        return torch.split(matrix, self._sizes, dim=-1)

    def _by_row(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._weights.device)[:, None]

    def _by_column(self, values: Sequence[float]) -> Tensor:
        each = torch.tensor(values, dtype=torch.float32, device=self._weights.device)
        return each.repeat_interleave(torch.tensor(self._sizes, device=each.device))[None]


def _row(tensors: Iterable[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
