"""A small text, a small run, and a stand-in for the directory of an attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from isoflop.accounting.shape import Shape
from isoflop.lab.corpus import Corpus, corpus_from_bytes
from isoflop.lab.environment import use_one_thread
from isoflop.lab.training import train
from isoflop.runs.run import Run
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec


@dataclass
class RecordedAttempt:
    """An attempt that keeps its log in memory."""

    path: Path
    records: list[dict[str, Any]] = field(default_factory=list)

    def log(self, record: dict[str, Any]) -> None:
        """Keep one record."""
        self.records.append(record)


def train_whole(
    spec: RunSpec,
    corpus: Corpus,
    path: Path,
    resume_from: Sequence[Path] = (),
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """A run trained alone and to its end, unless it is told to `stop`."""
    return train(
        spec,
        corpus,
        attempt=RecordedAttempt(path),
        resume_from=resume_from,
        on_progress=lambda progress: None,
        stop=stop,
    )


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Bits are promised on one thread."""
    use_one_thread()


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """A text with a simple law: counting, with words between."""
    lines = (f"{number} and then {number + 1};\n" for number in range(40_000))
    return corpus_from_bytes("directory", "".join(lines).encode())


@pytest.fixture
def make_spec(corpus: Corpus) -> Callable[..., RunSpec]:
    """Specs of runs of half a second."""

    def make(
        *, steps: int = 60, seed: int = 0, learning_rate: float = 8e-3, precision: str = "float32", **others: Any
    ) -> RunSpec:
        shape = Shape(layers=2, width=16, heads=2, feedforward=64, vocab=corpus.spec.vocab, context=32)
        return RunSpec(
            shape=shape,
            text=corpus.spec,
            tokens=256 * steps,
            batch_tokens=256,
            optimizer=others.pop("optimizer", OptimizerSpec(learning_rate)),
            schedule=others.pop("schedule", ScheduleSpec()),
            seed=seed,
            evaluation_windows=64,
            precision="bfloat16" if precision == "bfloat16" else "float32",
            **others,
        )

    return make
