"""Training runs of one shape side by side: every run keeps its own loop, only the updates are made together.

A small model spends most of a step between its many small products; one batched product for K models does not. The
runs may differ in seed, learning rate, schedule, length and whatever else leaves the shape of a batch alone. Losses
agree with those of a run that is trained alone to the rounding of float32, not to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from isoflop.lab.corpus import Corpus
from isoflop.lab.device import is_out_of_memory
from isoflop.lab.stacked_update import Stack
from isoflop.lab.training import SECONDS_BETWEEN_CHECKPOINTS, Attempt, Diverged, Interrupted, Loop, finished_run
from isoflop.runs.run import Run, State
from isoflop.runs.spec import RunSpec


@dataclass(frozen=True)
class Member:
    """A run of a stack: what to train, where it is logged and saved, and checkpoints to go on from, newest first."""

    spec: RunSpec
    attempt: Attempt
    resume_from: Sequence[Path]


def train_stack(
    members: Sequence[Member],
    corpus: Corpus,
    *,
    on_finished: Callable[[RunSpec, Run], None],
    stop: Callable[[], bool],
    checkpoint_seconds: float = SECONDS_BETWEEN_CHECKPOINTS,
) -> None:
    """Train every member to its end, and hand each run over as soon as it has come to it.

    A run that is done or has diverged leaves the others, who go on. Where memory does not suffice for an update of all
    they are updated one after another.

    Args:
        members: Runs with one `stacking_key`.
        corpus: The text, with the digest that the specs name.
        on_finished: Called with every run that is done, diverged or failed.
        stop: Asked after every update; once true, the state of every run is saved and Interrupted is raised.
        checkpoint_seconds: Wall time between checkpoints.

    Raises:
        InputError: `corpus` is not the text of a run.
        Interrupted: `stop` said so.
    """
    loops = [Loop(member.spec, corpus, member.attempt, member.resume_from) for member in members]
    trainings = [
        _Training(loop, loop.updates(lambda progress: None, stop, checkpoint_seconds), on_finished) for loop in loops
    ]
    going = _Going(trainings)
    while going.advance():
        going.update()
    interruptions = [training.interruption for training in trainings if training.interruption]
    if interruptions:
        raise interruptions[0]


class _Training:
    """One run of the stack: its loop, and the update that is due."""

    def __init__(
        self, loop: Loop, updates: Iterator[tuple[float, int]], on_finished: Callable[[RunSpec, Run], None]
    ) -> None:
        self.loop, self.updates, self.on_finished = loop, updates, on_finished
        self.rate, self.step = 0.0, 0
        self.interruption: Interrupted | None = None

    def advance(self) -> bool:
        """Whether another update is due; a run that has come to its end is handed over."""
        return self._goes_on(self._look_ahead)

    def update(self) -> bool:
        """Whether the run goes on after the update that is due, made by itself."""
        return self._goes_on(lambda: self.loop.update(self.rate, self.step))

    def batch(self) -> torch.Tensor:
        """Windows of the update that is due."""
        return self.loop.batch(self.step)

    def _look_ahead(self) -> None:
        self.rate, self.step = next(self.updates)

    def _goes_on(self, act: Callable[[], None]) -> bool:
        state: State = "done"
        try:
            act()
            return True
        except Interrupted as interruption:
            self.interruption = interruption
            return False
        except StopIteration:
            pass
        except Diverged:
            state = "diverged"
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            state = "failed"
        self.on_finished(self.loop.spec, finished_run(self.loop.spec, state, self.loop.memory))
        return False


class _Going:
    """The runs that still go on, and the stack that holds their models."""

    def __init__(self, trainings: Sequence[_Training]) -> None:
        self._trainings = list(trainings)
        self._stack: Stack | None = None
        self._fits = True

    def advance(self) -> bool:
        """Let every run come to its next update; whether any has one."""
        before = len(self._trainings)
        self._trainings = [training for training in self._trainings if training.advance()]
        if self._stack is None or len(self._trainings) < before:
            self._begin_again()
        return bool(self._trainings)

    def update(self) -> None:
        """Make the update that is due of every run, all at once where that is possible."""
        if not self._fits or self._stack is None or not self._update_together(self._stack):
            self._trainings = [training for training in self._trainings if training.update()]

    def _begin_again(self) -> None:
        """A stack of those that are left, who share its time from now on."""
        loops = [training.loop for training in self._trainings]
        for loop in loops:
            loop.memory.share_time(len(loops))
        members = [(loop.spec, loop.model, loop.strategy.optimizer) for loop in loops]
        self._stack = Stack(members) if len(members) > 1 else None

    def _update_together(self, stack: Stack) -> bool:
        try:
            windows = torch.stack([training.batch() for training in self._trainings])
            losses = stack.update(windows, [training.rate for training in self._trainings])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._fits = False
            return False
        for training, loss in zip(self._trainings, losses, strict=True):
            training.loop.losses.append(loss)
        return True
