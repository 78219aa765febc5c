"""RunSpec: everything that decides one training run, and nothing else.

Two specs that differ in any field are two runs; the same spec is the same run. The identifier of a run is the
digest of its resolved spec, so planning a study again finds the runs that are already there.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from isoflop import records
from isoflop.accounting.shape import Shape
from isoflop.errors import UsageError

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class TextSpec:
    """The text a run is trained on: the name of its source and the digests of what was actually used.

    `source` names where it came from (`python-stdlib`, `standard-ebooks`, `synthetic`, or `directory`);
    `sha256` is the digest of the token bytes, so that a run never continues on different data;
    `tokens` the number of training tokens, `validation_tokens` those held out at the end.
    """

    source: str
    sha256: str
    vocab: int
    tokens: int
    validation_tokens: int


@dataclass(frozen=True)
class ScheduleSpec:
    """Learning rate over a run: linear warm-up, a stable stretch at the peak, then linear decay to `final`.

    `warmup` and `decay` are fractions of the run's own steps, so the horizon always matches the tokens trained;
    `final` is the last learning rate as a fraction of the peak.
    """

    warmup: float = 0.02
    decay: float = 0.2
    final: float = 0.0

    def __post_init__(self) -> None:
        for name in ("warmup", "decay", "final"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"schedule: {name}={value!r} must be between 0 and 1.")
        if self.warmup + self.decay > 1.0:
            raise UsageError(f"schedule: warmup={self.warmup} + decay={self.decay} must not exceed 1.")


@dataclass(frozen=True)
class OptimizerSpec:
    """AdamW and its settings; `clip` bounds the global gradient norm."""

    learning_rate: float
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0


@dataclass(frozen=True)
class RunSpec:
    """One training run: shape, text, tokens, batch, optimizer, schedule, precision, evaluation and seed.

    `tokens` counts training tokens and is a whole number of batches of `batch_tokens`;
    `evaluation_windows` contexts of held-out text are scored at the end, the same ones for every run of a study.
    """

    shape: Shape
    text: TextSpec
    tokens: int
    batch_tokens: int
    optimizer: OptimizerSpec
    schedule: ScheduleSpec
    seed: int
    evaluation_windows: int
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.batch_tokens % self.shape.context:
            raise UsageError(
                f"run: batch_tokens={self.batch_tokens} must be a multiple of the context of {self.shape.context}."
            )
        if self.tokens < self.batch_tokens or self.tokens % self.batch_tokens:
            raise UsageError(f"run: tokens={self.tokens} must be a positive multiple of {self.batch_tokens}.")
        if self.shape.vocab != self.text.vocab:
            raise UsageError(f"run: the shape has vocab={self.shape.vocab}, the text has {self.text.vocab}.")

    @property
    def steps(self) -> int:
        """Optimizer steps: tokens / batch_tokens."""
        return self.tokens // self.batch_tokens

    @property
    def identifier(self) -> str:
        """Sixteen hex digits that name this run and no other."""
        return records.digest(self.to_dict())[:16]

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object of this spec."""
        return {"schema": "isoflop.run-spec/1", **asdict(self)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> RunSpec:
        """The spec that `to_dict` wrote."""
        fields = {key: value for key, value in record.items() if key != "schema"}
        return cls(
            **{
                **fields,
                "shape": Shape(**fields["shape"]),
                "text": TextSpec(**fields["text"]),
                "optimizer": OptimizerSpec(**fields["optimizer"]),
                "schedule": ScheduleSpec(**fields["schedule"]),
            }
        )
