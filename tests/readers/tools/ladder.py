"""The ladder that every tool logs: three tiny runs whose numbers are known, so that every log must read alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TRAIN_EVERY, EVAL_EVERY = 10, 25


@dataclass(frozen=True)
class ToyRun:
    """A run whose losses are written down, not trained."""

    name: str
    params: int
    steps: int = 50
    batch_size: int = 32
    context: int = 128
    learning_rate: float = 0.003
    seed: int = 1

    @property
    def batch_tokens(self) -> int:
        return self.batch_size * self.context

    @property
    def tokens(self) -> int:
        return self.steps * self.batch_tokens

    def train_loss(self, step: int) -> float:
        return 2.0 + 4.0 / (step + 1) + 1000.0 / self.params

    def held_out_loss(self, step: int) -> float:
        return self.train_loss(step) + 0.0625

    def train_steps(self) -> range:
        return range(TRAIN_EVERY, self.steps + 1, TRAIN_EVERY)

    def eval_steps(self) -> range:
        return range(EVAL_EVERY, self.steps + 1, EVAL_EVERY)

    @property
    def config(self) -> dict[str, float]:
        """The names that most training scripts give these."""
        return {
            "n_params": self.params,
            "batch_size": self.batch_size,
            "seq_len": self.context,
            "max_steps": self.steps,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
        }

    def records(self) -> Iterator[tuple[int, dict[str, float]]]:
        """What a training loop logs, step by step."""
        for step in range(1, self.steps + 1):
            record: dict[str, float] = {}
            if step in self.train_steps():
                record["train/loss"] = self.train_loss(step)
            if step in self.eval_steps():
                record["val/loss"] = self.held_out_loss(step)
            if record:
                yield step, {**record, "tokens_seen": step * self.batch_tokens}


LADDER = (ToyRun("small", 100_000), ToyRun("medium", 200_000), ToyRun("large", 400_000, steps=100))
