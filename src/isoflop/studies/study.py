"""Study: a ladder of small runs, the rule by which they are fitted, and the runs held out to be forecast.

Everything that decides an outcome is fixed in this value before the first run starts, the fit rule too. Planning
is a function of the study and of the text that is really there; the same two give the same runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from isoflop.accounting.flops import training_flops
from isoflop.accounting.shape import Shape
from isoflop.errors import UsageError
from isoflop.quantities import ParamCount
from isoflop.runs.spec import OptimizerSpec, Precision, RunSpec, ScheduleSpec, TextSpec

Role = Literal["ladder", "held-out"]

FEEDFORWARD_PER_WIDTH = 4


@dataclass(frozen=True)
class TextSource:
    """Where the text comes from: a named source, or `directory` with its path."""

    source: str
    directory: Path | None = None


@dataclass(frozen=True)
class HeadRule:
    """Attention heads of a model: `size` heads at every width, or as many as are `size` wide.

    On a CPU attention costs by the number of heads, so a ladder of small models is cheaper with few of them; a fixed
    number also leaves no width with an odd one.

    Example:
        >>> HeadRule("count", 2).at(48), HeadRule("width", 8).at(48)
        (2, 6)
    """

    kind: Literal["count", "width"]
    size: int

    def at(self, width: int) -> int:
        """Number of heads of a model of `width`."""
        return self.size if self.kind == "count" else width // self.size

    def fits(self, width: int) -> bool:
        """Whether a model of `width` has whole heads of even width, which rotary positions need."""
        heads = self.at(width)
        return heads > 0 and width % heads == 0 and (width // heads) % 2 == 0 and width % self.size == 0


@dataclass(frozen=True)
class Ladder:
    """Every width trained on every budget of tokens; `repeats` gives widths that are trained with several seeds."""

    widths: tuple[int, ...]
    layers: int
    heads: HeadRule
    tokens: tuple[int, ...]
    repeats: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class LearningRateRule:
    """Peak learning rate = coefficient · width^width_power.

    Example:
        >>> LearningRateRule(0.125, -1.0).at(64)
        0.001953125
    """

    coefficient: float
    width_power: float = -1.0

    def at(self, width: int) -> float:
        """The peak learning rate of a model of `width`."""
        return self.coefficient * math.pow(width, self.width_power)


@dataclass(frozen=True)
class Training:
    """How every run is trained; `context` and `batch_tokens` in tokens."""

    context: int
    batch_tokens: int
    learning_rate: LearningRateRule
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    weight_decay: float = 0.1
    clip: float = 1.0
    precision: Precision = "float32"


@dataclass(frozen=True)
class FitRule:
    """How the ladder will be fitted: fixed before any run is seen.

    `rows` is `all` or a condition on the columns of the run table (`tokens >= 1e6`); `level` that of all intervals.
    """

    law: str
    param_count: ParamCount = "total"
    rows: str = "all"
    objective: str = "huber:1e-3"
    draws: int = 1000
    level: float = 0.9


@dataclass(frozen=True)
class HeldOut:
    """A run that is forecast from the ladder first and trained after."""

    width: int
    layers: int
    tokens: int


@dataclass(frozen=True)
class Study:
    """One study as its file says it; `recipe` names the recipe it was made from."""

    name: str
    recipe: str
    seed: int
    text: TextSource
    ladder: Ladder
    training: Training
    evaluation_windows: int
    fit: FitRule
    held_out: tuple[HeldOut, ...]

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object of this study."""
        return {"schema": "isoflop.study-plan/1", **asdict(self)}


@dataclass(frozen=True)
class PlannedRun:
    """A run of a study and what it is for."""

    role: Role
    spec: RunSpec

    @property
    def compute(self) -> float:
        """Training FLOP, exactly from the shape."""
        return training_flops(self.spec.shape, self.spec.tokens)


def plan_runs(study: Study, text: TextSpec) -> tuple[PlannedRun, ...]:
    """The runs of `study` on `text`: the ladder from small to large, then the held-out runs in their order.

    A budget of tokens is rounded to whole batches. The runs of repeat r have seed `study.seed + 1000 r`.

    Raises:
        UsageError: a held-out run is also in the ladder.
    """
    ladder = dict.fromkeys(_ladder_specs(study, text))
    held_out = dict.fromkeys(
        _spec(study, text, held.width, held.layers, held.tokens, study.seed) for held in study.held_out
    )
    for spec in held_out:
        if spec in ladder:
            raise UsageError(
                f"study {study.name}: the held-out run of width {spec.shape.width} on {spec.tokens:,} tokens is also "
                "in the ladder: hold out a larger one."
            )
    small_to_large = sorted(ladder, key=lambda spec: training_flops(spec.shape, spec.tokens))
    return (
        *(PlannedRun("ladder", spec) for spec in small_to_large),
        *(PlannedRun("held-out", spec) for spec in held_out),
    )


def _ladder_specs(study: Study, text: TextSpec) -> Iterator[RunSpec]:
    ladder = study.ladder
    for width in ladder.widths:
        for tokens in ladder.tokens:
            for repeat in range(ladder.repeats.get(width, 1)):
                yield _spec(study, text, width, ladder.layers, tokens, study.seed + 1000 * repeat)


def _spec(study: Study, text: TextSpec, width: int, layers: int, tokens: int, seed: int) -> RunSpec:
    training = study.training
    shape = Shape(
        layers=layers,
        width=width,
        heads=study.ladder.heads.at(width),
        feedforward=FEEDFORWARD_PER_WIDTH * width,
        vocab=text.vocab,
        context=training.context,
    )
    return RunSpec(
        shape=shape,
        text=text,
        tokens=max(1, round(tokens / training.batch_tokens)) * training.batch_tokens,
        batch_tokens=training.batch_tokens,
        optimizer=OptimizerSpec(training.learning_rate.at(width), training.weight_decay, clip=training.clip),
        schedule=training.schedule,
        seed=seed,
        evaluation_windows=study.evaluation_windows,
        precision=training.precision,
    )
