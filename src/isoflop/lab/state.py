"""The state of a training: what the loop remembers, where it is saved, and how it is put back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isoflop.lab import checkpoint as checkpoints
from isoflop.lab.model import LanguageModel
from isoflop.lab.optimizer import Optimizers
from isoflop.runs.run import Curve


@dataclass
class Memory:
    """What a training must remember across an interruption besides tensors, the time it has taken too."""

    step: int = 0
    branches_done: int = 0
    first_loss: float = 0.0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    points: list[tuple[int, int, float]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    _started: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def curve(self) -> Curve:
        """The training curve so far."""
        step, tokens, loss = zip(*self.points, strict=True) if self.points else ((), (), ())
        return Curve(tuple(step), tuple(tokens), tuple(loss))

    def seconds_now(self) -> float:
        """Wall seconds spent so far."""
        return self.seconds + time.monotonic() - self._started[0]

    def take_time(self) -> None:
        """Add the time since the last call to what is remembered."""
        now = time.monotonic(), time.process_time()
        self.seconds += now[0] - self._started[0]
        self.cpu_seconds += now[1] - self._started[1]
        self._started = now

    def to_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Memory:
        """What `to_dict` wrote."""
        points = [(int(step), int(tokens), float(loss)) for step, tokens, loss in record["points"]]
        return cls(**{**record, "points": points})


class TrainingState:
    """A model and its optimizers, saved in the directory of an attempt and found again there."""

    def __init__(self, model: LanguageModel, optimizer: Optimizers, attempt: Path, run: str) -> None:
        self.model, self.optimizer = model, optimizer
        self._attempt, self._run = attempt, run
        self._saved: tuple[Path, ...] = ()

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state by name; they are the live ones."""
        found = {}
        for name, parameter in self.model.named_parameters():
            found[f"model/{name}"] = parameter.detach()
            for key, value in self.optimizer.state_of(parameter).items():
                found[f"optimizer/{key}/{name}"] = value
        return found

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Put tensors as `tensors` names them into model and optimizers, bit for bit."""
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(tensors[f"model/{name}"])
                keys = [
                    key.split("/")[1] for key in tensors if key.startswith("optimizer/") and key.endswith(f"/{name}")
                ]
                state = {key: tensors[f"optimizer/{key}/{name}"] for key in keys}
                placed = {key: value.to(parameter.device).clone() for key, value in state.items()}
                self.optimizer.set_state(parameter, placed)

    def resume(self, paths: Sequence[Path]) -> Memory:
        """Go on from the first of `paths` (newest first) that can be read; a new memory where there is none."""
        found = checkpoints.newest_readable(paths, run=self._run)
        if found is None:
            return Memory()
        self.put(found.tensors)
        return Memory.from_dict(found.memory)

    def save(self, memory: Memory) -> None:
        """Write a checkpoint and keep the two newest of this attempt."""
        memory.take_time()
        path = checkpoints.checkpoint_path(self._attempt, memory.step)
        checkpoints.save_checkpoint(path, self.tensors(), step=memory.step, run=self._run, memory=memory.to_dict())
        self._saved = checkpoints.keep_newest((*(place for place in self._saved if place != path), path))


class Snapshot:
    """A copy of a training state in memory, to come back to after a branch."""

    def __init__(self, state: TrainingState) -> None:
        self._state = state
        self._tensors = {name: tensor.clone() for name, tensor in state.tensors().items()}

    def put_back(self) -> None:
        """Make the state what it was."""
        self._state.put(self._tensors)
