"""Held-out loss over a fixed set of windows, the same ones for every run of a study."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from isoflop.lab.batches import Tokens
from isoflop.lab.corpus import Corpus
from isoflop.lab.model import LanguageModel
from isoflop.lab.tasks import Questions, questions_of
from isoflop.runs.run import Evaluation
from isoflop.runs.spec import RunSpec

TOKENS_AT_ONCE = 4096
Casting = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class HeldOutLoss:
    """Mean held-out loss, its standard error over windows, and the mean at every position, in nats/token."""

    mean: float
    standard_error: float
    positions: tuple[float, ...]


def evaluation_windows(validation: Tokens, context: int, count: int) -> Tokens:
    """Up to `count` windows of context + 1 tokens, spread evenly over `validation` without overlap of targets."""
    available = (len(validation) - 1) // context
    chosen = np.unique(np.linspace(0, available - 1, min(count, available)).round().astype(np.int64))
    windows: Tokens = validation[chosen[:, None] * context + np.arange(context + 1)]
    return windows


@torch.no_grad()
def token_losses(model: LanguageModel, windows: Tokens, casting: Casting = nullcontext) -> NDArray[np.float64]:
    """Cross-entropy in nats of every target of `windows` (count, context + 1), shape (count, context)."""
    device = model.embedding.weight.device
    found = []
    count = max(1, TOKENS_AT_ONCE // (windows.shape[1] - 1))
    for start in range(0, len(windows), count):
        batch = torch.from_numpy(windows[start : start + count].astype(np.int64)).to(device)
        with casting():
            logits = model(batch[:, :-1])
        found.append(_losses(logits.float(), batch[:, 1:]).cpu().double().numpy())
    return np.concatenate(found)


def held_out_loss(model: LanguageModel, windows: Tokens, casting: Casting = nullcontext) -> HeldOutLoss:
    """Loss of `model` on `windows` (count, context + 1); the standard error treats windows as independent."""
    losses = token_losses(model, windows, casting)
    values = losses.mean(axis=1)
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.inf
    return HeldOutLoss(float(values.mean()), spread / math.sqrt(len(values)), tuple(losses.mean(axis=0).tolist()))


def evaluate(
    model: LanguageModel, spec: RunSpec, corpus: Corpus, casting: Casting, *, step: int, cooled: bool
) -> Iterator[Evaluation]:
    """The held-out loss of `model` after `step` updates: on the whole text, then on each of its parts and tasks."""
    with_positions = "positions" in spec.probes
    for part, validation in (("", corpus.validation), *corpus.held_out_parts()):
        windows = evaluation_windows(validation, spec.shape.context, spec.evaluation_windows)
        found = held_out_loss(model, windows, casting)
        yield Evaluation(
            step=step,
            tokens=step * spec.batch_tokens,
            loss=found.mean,
            standard_error=found.standard_error,
            part=part,
            cooled=cooled,
            positions=found.positions if with_positions else (),
        )
    for name, questions in questions_of(corpus.spec, corpus.alphabet, spec.shape.context).items():
        answered = answer(model, questions, casting)
        yield Evaluation(
            step=step,
            tokens=step * spec.batch_tokens,
            loss=answered["answer_loss"],
            standard_error=answered.pop("standard_error"),
            part=name,
            cooled=cooled,
            measures=answered,
        )


@torch.no_grad()
def answer(model: LanguageModel, questions: Questions, casting: Casting = nullcontext) -> dict[str, float]:
    """How well `model` answers: loss per token of the answers, and the share answered without a mistake.

    A greedy answer is right if and only if every token of it is the likeliest after the right ones before it, so one
    pass over question and answer tells both. `answer_probability` is the mean probability of a whole answer.
    """
    windows = torch.from_numpy(questions.windows.astype(np.int64)).to(model.embedding.weight.device)
    with casting():
        logits = model(windows[:, :-1]).float()
    targets, inside = windows[:, 1:], torch.from_numpy(questions.answer).to(windows.device)
    losses = _losses(logits, targets) * inside
    right = ((logits.argmax(-1) == targets) | ~inside).all(dim=1).double()
    per_answer = (losses.sum(dim=1) / inside.sum(dim=1)).double()
    count = math.sqrt(len(windows))
    return {
        "answer_loss": per_answer.mean().item(),
        "standard_error": per_answer.std().item() / count,
        "exact": right.mean().item(),
        "exact_standard_error": right.std().item() / count,
        "answer_probability": (-losses.sum(dim=1)).exp().mean().item(),
        "answer_tokens": inside.sum(dim=1).double().mean().item(),
    }


def _losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every target, in its place; over the last axis, since any other is four times slower."""
    flat = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return flat.view(targets.shape)
