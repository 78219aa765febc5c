"""Mirrors: the metrics of a run shown as they come in TensorBoard or W&B; the log on disk stays the record.

A mirror that fails says so once in the log of the attempt and is left out from then on; no run depends on it.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from isoflop.errors import MissingExtraError, UsageError
from isoflop.runs.spec import RunSpec

MirrorName = Literal["tensorboard", "wandb"]
MIRRORS: tuple[MirrorName, ...] = get_args(MirrorName)


class Mirror(ABC):
    """Takes numbers by name and step."""

    @abstractmethod
    def show(self, values: Mapping[str, float], step: int) -> None:
        """Show `values` at `step`."""

    @abstractmethod
    def close(self) -> None:
        """Write what is still held."""


class TensorBoard(Mirror):
    """Event files in the folder `tensorboard` of the attempt."""

    def __init__(self, place: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(place / "tensorboard"))

    def show(self, values: Mapping[str, float], step: int) -> None:
        """Write one scalar for each value."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush the event file."""
        self._writer.close()


class WeightsAndBiases(Mirror):
    """A run of the project `isoflop`, or of WANDB_PROJECT, under the identifier of the run; resumed if it is there."""

    def __init__(self, place: Path, spec: RunSpec) -> None:
        import wandb

        self._batch_tokens = spec.batch_tokens
        # A branch is scored at steps that the run itself comes to later, and W&B takes none that goes back.
        self._has_rising_steps = not spec.branches
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "isoflop"), id=spec.identifier, resume="allow",
            dir=str(place), config=spec.to_dict(), reinit="finish_previous",
        )  # fmt: skip

    def show(self, values: Mapping[str, float], step: int) -> None:
        """Log the values at the step; where steps go back W&B counts, and step and tokens of a row tell its place."""
        row = {**values, "step": step, "tokens": step * self._batch_tokens}
        self._run.log(row, step=step if self._has_rising_steps else None)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


class MirroredAttempt:
    """An attempt whose records also go to mirrors."""

    def __init__(self, attempt: Any, mirrors: list[Mirror]) -> None:
        self._attempt, self._mirrors = attempt, mirrors

    @property
    def path(self) -> Path:
        """Directory of the attempt."""
        place: Path = self._attempt.path
        return place

    def log(self, record: dict[str, Any]) -> None:
        """Append one line to the metrics log, then show its numbers."""
        self._attempt.log(record)
        values = shown_values(record)
        for mirror in tuple(self._mirrors):
            try:
                mirror.show(values, record["step"])
            except Exception as error:
                self._mirrors.remove(mirror)
                print(f"{type(mirror).__name__} is left out from here: {error}", file=sys.stderr)


@contextmanager
def mirrored(attempt: Any, spec: RunSpec, names: Sequence[str]) -> Iterator[Any]:
    """`attempt` with the mirrors called `names`; itself where there are none.

    Raises:
        UsageError: there is no mirror of that name.
        MissingExtraError: its package is not installed.
    """
    check_mirrors(names)
    made: list[Mirror] = [
        TensorBoard(attempt.path) if name == "tensorboard" else WeightsAndBiases(attempt.path, spec) for name in names
    ]
    kept = list(made)
    try:
        yield MirroredAttempt(attempt, kept) if made else attempt
    finally:
        for mirror in kept:
            mirror.close()


def check_mirrors(names: Sequence[str]) -> None:
    """Say now, not in every worker, what is wrong with a choice of mirrors."""
    for name in names:
        if name not in MIRRORS:
            raise UsageError(f"mirror {name!r} is not known: use {' or '.join(MIRRORS)}.")
        if find_spec(name) is None:
            raise MissingExtraError(name, name, f"showing metrics in {name}")


def shown_values(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record of the metrics log under the names that mirrors show.

    Example:
        >>> shown_values({"step": 3, "tokens": 96, "loss": 2.5, "learning_rate": 0.1, "seconds": 1.0})
        {'tokens': 96, 'loss': 2.5, 'learning_rate': 0.1, 'seconds': 1.0}
    """
    told = record.get("evaluation")
    if isinstance(told, dict):
        place = f"held-out/{told['part']}" if told["part"] else "held-out"
        return {f"{place}/loss": told["loss"], **{f"{place}/{key}": value for key, value in told["measures"].items()}}
    return {key: value for key, value in record.items() if key != "step" and isinstance(value, (int, float))}
