"""Training one run: the loop, its log, its checkpoints, and the run that comes out.

The batch of every step is a pure function of seed and step (`batches.py`) and the state is saved exactly, so
that on a CPU with one thread a resumed run ends with the same bits as one that was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from isoflop.accounting.flops import training_flops
from isoflop.accounting.parameters import count_parameters
from isoflop.errors import InputError
from isoflop.lab import checkpoint as checkpoints
from isoflop.lab.batches import BatchOrder, windows_of_step
from isoflop.lab.corpus import Corpus
from isoflop.lab.environment import describe_environment
from isoflop.lab.evaluation import HeldOutLoss, evaluation_windows, held_out_loss
from isoflop.lab.model import Transformer
from isoflop.lab.optimizer import build_optimizer, set_learning_rate
from isoflop.lab.schedule import learning_rate_at
from isoflop.runs.run import Curve, Run, State
from isoflop.runs.spec import RunSpec

LOG_POINTS = 150
SECONDS_BETWEEN_CHECKPOINTS = 20.0
# A loss this far above that of the first steps, after warm-up, has never come back down.
DIVERGENCE_NATS = 1.0


class Attempt(Protocol):
    """Where an attempt at a run keeps its log and its checkpoints."""

    @property
    def path(self) -> Path:
        """Directory of the attempt."""

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to the metrics log."""


class Interrupted(Exception):
    """Training was asked to stop; the state after `step` updates is saved."""

    def __init__(self, step: int) -> None:
        super().__init__(f"interrupted after step {step}")
        self.step = step


@dataclass(frozen=True)
class Progress:
    """How far a run is: updates done of all, tokens seen, mean training loss since the last report, seconds."""

    step: int
    steps: int
    tokens: int
    loss: float
    seconds: float


@dataclass
class _Memory:
    """What the loop must remember across an interruption besides tensors."""

    first_loss: float | None = None
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    points: list[tuple[int, int, float]] = field(default_factory=list)

    def curve(self) -> Curve:
        """The training curve so far."""
        step, tokens, loss = zip(*self.points, strict=True) if self.points else ((), (), ())
        return Curve(tuple(step), tuple(tokens), tuple(loss))


def train(
    spec: RunSpec,
    corpus: Corpus,
    *,
    attempt: Attempt,
    resume_from: Sequence[Path],
    on_progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    checkpoint_seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> Run:
    """Train `spec` on `corpus`, score it on held-out windows, and return the run.

    Args:
        spec: What to train.
        corpus: The text, with the digest that `spec` names.
        attempt: Takes the metrics log and the checkpoints.
        resume_from: Checkpoints of earlier attempts, newest first; unreadable ones are passed over.
        on_progress: Called at every point of the log.
        stop: Asked after every update; once true, the state is saved and Interrupted is raised.
        checkpoint_seconds: Wall time between checkpoints.

    Raises:
        InputError: `corpus` is not the text of `spec`.
        Interrupted: `stop` said so.
    """
    if corpus.spec.sha256 != spec.text.sha256:
        planned = spec.text.sha256[:12]
        raise InputError(f"run {spec.identifier} was planned on another text (sha256 {planned}...): plan it again.")
    loop = _Loop(spec, corpus, attempt, resume_from)
    state: State = "done"
    last_checkpoint = time.monotonic()
    while loop.step < spec.steps:
        loop.update()
        if loop.step in loop.log_steps and not loop.report(on_progress):
            state = "diverged"
            break
        if stop():
            loop.save()
            raise Interrupted(loop.step)
        if time.monotonic() - last_checkpoint >= checkpoint_seconds and loop.step < spec.steps:
            loop.save()
            last_checkpoint = time.monotonic()
    held_out = loop.evaluate() if state == "done" else None
    if held_out is not None and not math.isfinite(held_out.mean):
        state, held_out = "diverged", None
    return loop.finish(state, held_out)


class _Loop:
    """The moving parts of one training run: model, optimizer, step, memory."""

    def __init__(self, spec: RunSpec, corpus: Corpus, attempt: Attempt, resume_from: Sequence[Path]) -> None:
        self.spec, self.corpus, self.attempt = spec, corpus, attempt
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = Transformer(spec.shape, spec.seed).to(self.device)
        self.optimizer = build_optimizer(self.model, spec.optimizer)
        self.order = BatchOrder(len(corpus.train), spec.shape.context, spec.batch_tokens, spec.seed)
        self.log_steps = log_steps(spec.steps)
        self.step, self.memory = 0, _Memory()
        self.saved: tuple[Path, ...] = ()
        found = checkpoints.newest_readable(resume_from, run=spec.identifier)
        if found is not None:
            checkpoints.restore(found, self.model, self.optimizer)
            self.step, self.memory = found.step, _Memory(**found.memory)
            self.memory.points = [(int(step), int(tokens), float(loss)) for step, tokens, loss in self.memory.points]
        self.started = time.monotonic() - self.memory.seconds
        self.cpu_started = time.process_time() - self.memory.cpu_seconds
        if self.step == 0:
            self.memory.first_loss = self._mean_loss_of_first_batch()

    def casting(self) -> torch.autocast:
        """The precision of the forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.spec.precision == "bfloat16")

    def batch(self, step: int) -> torch.Tensor:
        """Windows (batch, context + 1) of update `step`."""
        windows = windows_of_step(self.corpus.train, self.order, step)
        return torch.from_numpy(windows.astype(np.int64)).to(self.device)

    def update(self) -> None:
        """One optimizer step."""
        spec = self.spec
        set_learning_rate(
            self.optimizer, learning_rate_at(self.step, spec.steps, spec.optimizer.learning_rate, spec.schedule)
        )
        with self.casting():
            loss = self.model.loss(self.batch(self.step))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), spec.optimizer.clip)
        self.optimizer.step()
        self.step += 1
        self.memory.loss_sum += loss.item()
        self.memory.loss_count += 1

    def report(self, on_progress: Callable[[Progress], None]) -> bool:
        """Log the mean loss since the last report; false when training has diverged."""
        memory, spec = self.memory, self.spec
        loss = memory.loss_sum / memory.loss_count
        memory.loss_sum, memory.loss_count = 0.0, 0
        tokens, seconds = self.step * spec.batch_tokens, time.monotonic() - self.started
        if math.isfinite(loss):
            memory.points.append((self.step, tokens, loss))
        rate = learning_rate_at(self.step - 1, spec.steps, spec.optimizer.learning_rate, spec.schedule)
        self.attempt.log(
            {"step": self.step, "tokens": tokens, "loss": loss if math.isfinite(loss) else None,
             "learning_rate": rate, "seconds": round(seconds, 3)}
        )  # fmt: skip
        on_progress(Progress(self.step, spec.steps, tokens, loss, seconds))
        warm = self.step > round(spec.schedule.warmup * spec.steps)
        assert memory.first_loss is not None
        return math.isfinite(loss) and not (warm and loss > memory.first_loss + DIVERGENCE_NATS)

    def save(self) -> None:
        """Write a checkpoint and keep the two newest of this attempt."""
        self._take_time()
        path = checkpoints.checkpoint_path(self.attempt.path, self.step)
        checkpoints.save_checkpoint(
            path, self.model, self.optimizer, step=self.step, run=self.spec.identifier, memory=vars(self.memory)
        )
        self.saved = checkpoints.keep_newest((*(p for p in self.saved if p != path), path))

    def evaluate(self) -> HeldOutLoss:
        """Held-out loss on the windows that every run of the study shares."""
        windows = evaluation_windows(self.corpus.validation, self.spec.shape.context, self.spec.evaluation_windows)
        return held_out_loss(self.model, windows, partial(_Loop.casting, self))

    def finish(self, state: State, held_out: HeldOutLoss | None) -> Run:
        """The run as it came out."""
        self._take_time()
        spec, count = self.spec, count_parameters(self.spec.shape)
        message = ""
        if state != "done":
            message = f"diverged after {self.step} of {spec.steps} steps: lower the learning rate."
        return Run(
            spec=spec,
            state=state,
            params_total=count.total,
            params_non_embedding=count.non_embedding,
            compute=training_flops(spec.shape, self.step * spec.batch_tokens),
            loss=held_out.mean if held_out else None,
            loss_standard_error=held_out.standard_error if held_out else None,
            seconds=self.memory.seconds,
            cpu_seconds=self.memory.cpu_seconds,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            message=message,
            environment=describe_environment(self.device),
            curve=self.memory.curve(),
        )

    def _take_time(self) -> None:
        self.memory.seconds = time.monotonic() - self.started
        self.memory.cpu_seconds = time.process_time() - self.cpu_started

    @torch.no_grad()
    def _mean_loss_of_first_batch(self) -> float:
        with self.casting():
            return self.model.loss(self.batch(0)).item()


def log_steps(steps: int, points: int = LOG_POINTS) -> frozenset[int]:
    """About `points` steps at which a run of `steps` reports: even on a logarithmic axis, the last one included."""
    return frozenset(int(step) for step in np.unique(np.geomspace(1, steps, points).round())) | {steps}
