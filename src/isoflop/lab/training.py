"""Training one run: the loop, its log, its checkpoints, and the run that comes out.

The batch of every step is a pure function of seed and step (`batches.py`) and the state is saved exactly, so
that on a CPU with one thread a resumed run ends with the same bits as one that was never interrupted. Whatever goes
wrong with the training itself (divergence, memory that does not suffice) is the state of the run that comes out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from isoflop.accounting.flops import training_flops
from isoflop.accounting.parameters import count_parameters
from isoflop.errors import InputError
from isoflop.lab.batches import order_of, windows_of_step
from isoflop.lab.corpus import Corpus
from isoflop.lab.device import best_device, is_out_of_memory
from isoflop.lab.environment import describe_environment
from isoflop.lab.evaluation import evaluate, evaluation_windows
from isoflop.lab.moments import evaluation_steps, log_steps
from isoflop.lab.probes import NOISE_SCALE_BATCHES, gradient_noise_scale
from isoflop.lab.ranks import ALONE, Ranks
from isoflop.lab.schedule import branch_ends, decay_steps_of, learning_rate_at, tokens_trained, warmup_steps_of
from isoflop.lab.state import Memory, Snapshot, TrainingState
from isoflop.lab.strategies import build_strategy
from isoflop.runs.run import Evaluation, Run, State
from isoflop.runs.spec import ONE_DEVICE, Devices, RunSpec, StrategyName

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


class Diverged(Exception):
    """The loss is no number any more, or far above where it began."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: updates done of all, tokens seen, mean training loss since the last report, seconds."""

    step: int
    steps: int
    tokens: int
    loss: float
    seconds: float


def train(
    spec: RunSpec,
    corpus: Corpus,
    *,
    attempt: Attempt,
    resume_from: Sequence[Path],
    on_progress: Callable[[Progress], None],
    stop: Callable[[], bool],
    checkpoint_seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
    ranks: Ranks = ALONE,
    strategy: StrategyName = "ddp",
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
        ranks: The processes that train it together; every one of them calls this.
        strategy: How they share the model, where there are several.

    Raises:
        InputError: `corpus` is not the text of `spec`.
        UsageError: this many processes cannot share a batch of `spec`, or not with this strategy.
        Interrupted: `stop` said so.
    """
    clock = Memory()
    finished = partial(finished_run, spec, devices=Devices(strategy, ranks.size))
    try:
        loop = Loop(spec, corpus, attempt, resume_from, ranks, strategy)
        clock = loop.memory
        for learning_rate, step in loop.updates(on_progress, stop, checkpoint_seconds):
            loop.update(learning_rate, step)
    except Diverged:
        return finished("diverged", clock)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return finished("failed", clock)
    return finished("done", clock)


class Loop:
    """The moving parts of one training run."""

    def __init__(
        self,
        spec: RunSpec,
        corpus: Corpus,
        attempt: Attempt,
        resume_from: Sequence[Path],
        ranks: Ranks = ALONE,
        strategy: StrategyName = "ddp",
    ) -> None:
        if (planned := spec.text.sha256) != corpus.spec.sha256:
            raise InputError(f"run {spec.identifier} is of another text (sha256 {planned[:12]}): plan it again.")
        self.spec, self.corpus, self.attempt, self.ranks = spec, corpus, attempt, ranks
        self.device = best_device()
        self.strategy = build_strategy(spec, ranks, strategy)
        self.model = self.strategy.model
        self.order = order_of(spec)
        self.log_steps = log_steps(spec.steps)
        self.evaluation_steps = evaluation_steps(spec.steps, spec.evaluation_points)
        self.branch_ends = branch_ends(spec)
        self.state = TrainingState(self.strategy, attempt.path, spec.identifier)
        self.memory = self.state.resume(resume_from)
        self.losses = [torch.tensor(loss, device=self.device) for loss in self.memory.losses]
        if self.memory.step == 0:
            self.memory.first_loss = self._mean_loss_of_first_batch()

    def updates(
        self, on_progress: Callable[[Progress], None], stop: Callable[[], bool], checkpoint_seconds: float
    ) -> Iterator[tuple[float, int]]:
        """Rate and number of every update, made by whoever iterates; log, evaluation, branches and saving between."""
        spec, memory, last_checkpoint = self.spec, self.memory, time.monotonic()
        yield from self._branch(stop)
        while memory.step < spec.steps:
            yield learning_rate_at(memory.step, spec.steps, spec.optimizer.learning_rate, spec.schedule), memory.step
            memory.step += 1
            if memory.step in self.log_steps:
                self.report(on_progress)
            if memory.step in self.evaluation_steps and memory.step < spec.steps:
                self.evaluate(memory.step, cooled=False)
            yield from self._branch(stop)
            due = time.monotonic() - last_checkpoint >= checkpoint_seconds and memory.step < spec.steps
            stopping, saving = self.ranks.any(stop(), due)
            if stopping or saving:
                self.save()
                last_checkpoint = time.monotonic()
            if stopping:
                raise Interrupted(memory.step)
        self.evaluate(memory.step, cooled=True)

    def casting(self) -> torch.autocast:
        """The precision of the forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.spec.precision == "bfloat16")

    def batch(self, step: int) -> torch.Tensor:
        """Windows (batch, context + 1) of update `step`, of several processes this one's share."""
        windows = windows_of_step(self.corpus.train, self.order, step, self.spec.shape.context)
        return self.ranks.share(torch.from_numpy(windows.astype(np.int64))).to(self.device)

    def update(self, learning_rate: float, step: int) -> None:
        """One optimizer step on the batch of update `step`."""
        self.strategy.optimizer.set_learning_rate(learning_rate)
        self.strategy.optimizer.zero_grad()
        pieces = self.batch(step).chunk(self.spec.micro_batches)
        for place, piece in enumerate(pieces, start=1):
            with self.strategy.syncing(last=place == len(pieces)):
                with self.casting():
                    loss = self.strategy.loss_of(piece)
                self.strategy.backward(loss if len(pieces) == 1 else loss / len(pieces))
            self.losses.append(loss.detach())
        self.strategy.step()

    def report(self, on_progress: Callable[[Progress], None]) -> None:
        """Log the mean loss since the last report, and end a training that has diverged."""
        memory, spec = self.memory, self.spec
        loss = self.ranks.mean(torch.stack(self.losses).double().mean()).item() if self.losses else math.nan
        self.losses = []
        tokens = memory.step * spec.batch_tokens
        if math.isfinite(loss):
            memory.points.append((memory.step, tokens, loss))
        rate = learning_rate_at(memory.step - 1, spec.steps, spec.optimizer.learning_rate, spec.schedule)
        self.attempt.log(
            {"step": memory.step, "tokens": tokens, "loss": loss if math.isfinite(loss) else None,
             "learning_rate": rate, "seconds": round(memory.seconds_now(), 3)}
        )  # fmt: skip
        on_progress(Progress(memory.step, spec.steps, tokens, loss, memory.seconds_now()))
        warm = memory.step > warmup_steps_of(spec.steps, spec.schedule)
        if not math.isfinite(loss) or (warm and loss > memory.first_loss + DIVERGENCE_NATS):
            raise Diverged

    def evaluate(self, step: int, *, cooled: bool) -> None:
        """Held-out loss on the windows that every run of the study shares, kept and logged, with what else is asked."""
        measures = self._noise_scale() if "noise-scale" in self.spec.probes else {}
        for found in evaluate(self.model, self.spec, self.corpus, self.casting, step=step, cooled=cooled):
            if not math.isfinite(found.loss):
                raise Diverged
            told = vars(found) | {"measures": {**found.measures, **({} if found.part else measures)}}
            self.memory.evaluations.append(told)
            self.attempt.log({"step": step, "evaluation": told})

    def save(self) -> None:
        """Write a checkpoint of where the run is."""
        self.memory.losses = self.ranks.mean(torch.stack(self.losses)).tolist() if self.losses else []
        self.state.save(self.memory)

    def _branch(self, stop: Callable[[], bool]) -> Iterator[tuple[float, int]]:
        """Train and score every branch that leaves the run here, then put everything back as it was."""
        spec, memory = self.spec, self.memory
        warmup = warmup_steps_of(spec.steps, spec.schedule)
        for end in self.branch_ends[memory.branches_done :]:
            if memory.step != end - decay_steps_of(end, spec.schedule):
                return
            trunk, losses = Snapshot(self.strategy), list(self.losses)
            for step in range(memory.step, end):
                rate = learning_rate_at(step, end, spec.optimizer.learning_rate, spec.schedule, warmup_steps=warmup)
                yield rate, step
                if self.ranks.any(stop())[0]:
                    trunk.put_back()
                    self.losses = losses
                    self.save()
                    raise Interrupted(memory.step)
            self.evaluate(end, cooled=True)
            trunk.put_back()
            self.losses = losses
            memory.branches_done += 1

    def _noise_scale(self) -> dict[str, float]:
        context = self.spec.shape.context
        size = self.spec.batch_tokens // context
        windows = evaluation_windows(self.corpus.validation, context, NOISE_SCALE_BATCHES * size)
        mixed = np.random.default_rng(0).permutation(len(windows))[: len(windows) // size * size]
        count = len(mixed) // size
        if count < 2:
            return {}
        batches = torch.from_numpy(windows[mixed].astype(np.int64)).to(self.device).chunk(count)
        return gradient_noise_scale(self.strategy, batches, self.casting)

    @torch.no_grad()
    def _mean_loss_of_first_batch(self) -> float:
        with self.casting():
            return self.ranks.mean(self.model.loss(self.batch(0))).item()


def finished_run(spec: RunSpec, state: State, memory: Memory, devices: Devices = ONE_DEVICE) -> Run:
    """The run as it came out, trained on `devices`."""
    memory.take_time(devices.processes)
    where = f"after {memory.step} of {spec.steps} steps"
    count = count_parameters(spec.shape)
    evaluations = tuple(Evaluation.from_dict(item) for item in memory.evaluations)
    last = next((item for item in reversed(evaluations) if not item.part), None) if state == "done" else None
    return Run(
        spec=spec,
        state=state,
        params_total=count.total,
        params_non_embedding=count.non_embedding,
        compute=training_flops(spec.shape, tokens_trained(spec, memory.step, memory.branches_done)),
        loss=last.loss if last else None,
        loss_standard_error=last.standard_error if last else None,
        seconds=memory.seconds,
        cpu_seconds=memory.cpu_seconds,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        message={
            "done": "",
            "diverged": f"diverged {where}: lower the learning rate.",
            "failed": f"out of memory {where}: raise micro_batches.",
        }[state],
        environment=describe_environment(best_device(), devices),
        curve=memory.curve(),
        evaluations=evaluations,
    )
