"""The state of a training: what the loop remembers, where it is saved, and how it is put back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoflop.lab import checkpoint as checkpoints
from isoflop.lab.strategies import Strategy
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
    _sharers: int = 1
    _started: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def curve(self) -> Curve:
        """The training curve so far."""
        step, tokens, loss = zip(*self.points, strict=True) if self.points else ((), (), ())
        return Curve(tuple(step), tuple(tokens), tuple(loss))

    def seconds_now(self) -> float:
        """Wall seconds spent so far."""
        return self.seconds + (time.monotonic() - self._started[0]) / self._sharers

    def share_time(self, sharers: int) -> None:
        """From now on count one of `sharers` equal parts of the time, those being the runs trained at once."""
        self.take_time()
        self._sharers = sharers

    def take_time(self, processes: int = 1) -> None:
        """Add the time since the last call to what is remembered; `processes` that work in step take as much each."""
        now = time.monotonic(), time.process_time()
        self.seconds += (now[0] - self._started[0]) / self._sharers
        self.cpu_seconds += processes * (now[1] - self._started[1]) / self._sharers
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
    """The state of a strategy, saved whole in the directory of an attempt and found again there."""

    def __init__(self, strategy: Strategy, attempt: Path, run: str) -> None:
        self.strategy = strategy
        self._attempt, self._run = attempt, run
        self._saved: tuple[Path, ...] = ()

    def resume(self, paths: Sequence[Path]) -> Memory:
        """Go on from the first of `paths` (newest first) that can be read; a new memory where there is none."""
        ranks = self.strategy.ranks
        found = checkpoints.newest_readable(paths, run=self._run) if ranks.writes else None
        # One process chooses: the others may not see the newest files yet, and none may go on from another.
        chosen = ranks.told(str(found.path) if found else "")
        if not chosen:
            return Memory()
        found = found or checkpoints.load_checkpoint(Path(chosen), run=self._run)
        self.strategy.put(found.tensors)
        return Memory.from_dict(found.memory)

    def save(self, memory: Memory) -> None:
        """Write a checkpoint and keep the two newest of this attempt."""
        ranks = self.strategy.ranks
        memory.take_time(ranks.size)
        whole = {}
        for name, tensor in self.strategy.tensors().items():
            gathered = self.strategy.whole(tensor)
            if ranks.writes:
                whole[name] = gathered.cpu()
        if ranks.writes:
            path = checkpoints.checkpoint_path(self._attempt, memory.step)
            checkpoints.save_checkpoint(path, whole, step=memory.step, run=self._run, memory=memory.to_dict())
            self._saved = checkpoints.keep_newest((*(place for place in self._saved if place != path), path))


class Snapshot:
    """A copy of a training state in memory, to come back to after a branch."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self._tensors = {name: tensor.clone() for name, tensor in strategy.tensors().items()}

    def put_back(self) -> None:
        """Make the state what it was."""
        self._strategy.put(self._tensors)
