"""RunSpec: everything that decides one training run, and nothing else.

Two specs that differ in any field are two runs; the same spec is the same run. The identifier of a run is the
digest of its resolved spec, so planning a study again finds the runs that are already there.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any, Literal, cast, get_args

from isoflop import records
from isoflop.accounting.shape import Shape
from isoflop.errors import UsageError

Precision = Literal["float32", "bfloat16"]
OptimizerName = Literal["adamw", "muon"]
ScheduleKind = Literal["wsd", "cosine", "constant"]
StrategyName = Literal["ddp", "fsdp", "deepspeed-zero1", "deepspeed-zero2", "deepspeed-zero3"]
Probe = Literal["positions", "noise-scale"]
"""What is measured beside the loss: the loss at every position in the context, the gradient noise scale."""


@dataclass(frozen=True)
class TextPart:
    """One source inside a text made of several: its training and held-out tokens stand together, in this order."""

    name: str
    tokens: int
    validation_tokens: int


@dataclass(frozen=True)
class TextSpec:
    """The text a run is trained on: the name of its source and the digests of what was actually used.

    `source` names where it came from (`python-stdlib`, `standard-ebooks`, `synthetic`, `directory` ...);
    `sha256` is the digest of the token bytes, so that a run never continues on different data;
    `tokens` the number of training tokens, `validation_tokens` those held out at the end. A text of several sources
    lists them as `parts`; `tokenizer` is `bytes`, or names how the text became tokens.
    """

    source: str
    sha256: str
    vocab: int
    tokens: int
    validation_tokens: int
    parts: tuple[TextPart, ...] = ()
    tokenizer: str = "bytes"

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TextSpec:
        """The spec that its JSON object says."""
        return cls(**{**record, "parts": tuple(TextPart(**part) for part in record.get("parts", ()))})


@dataclass(frozen=True)
class ScheduleSpec:
    """Learning rate over a run: linear warm-up to the peak, then what `kind` says, down to `final` of the peak.

    `wsd` stays at the peak and decays linearly over the last share `decay`; `cosine` decays along half a cosine;
    `constant` does not decay. `warmup` and `decay` are shares of the steps the schedule is made for, which are
    `horizon` times the run's own: at 1 the schedule ends with the run, at 2 the run ends half-way through it. Warm-up
    takes `warmup_steps` where that is longer.
    """

    warmup: float = 0.02
    decay: float = 0.2
    final: float = 0.0
    kind: ScheduleKind = "wsd"
    horizon: float = 1.0
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("warmup", "decay", "final"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"schedule: {name}={value!r} must be between 0 and 1.")
        if self.warmup + self.decay > 1.0:
            raise UsageError(f"schedule: warmup={self.warmup} + decay={self.decay} must not exceed 1.")
        if self.kind not in get_args(ScheduleKind):
            raise UsageError(f"schedule: kind={self.kind!r} must be one of {', '.join(get_args(ScheduleKind))}.")
        if not self.horizon >= 1.0 or self.warmup_steps < 0:
            raise UsageError(
                f"schedule: horizon={self.horizon!r} must be at least 1, warmup_steps={self.warmup_steps!r} at least 0."
            )


@dataclass(frozen=True)
class OptimizerSpec:
    """AdamW or Muon and its settings; `clip` bounds the global gradient norm.

    Muon moves the matrices inside the blocks, at `learning_rate` scaled so that one rate suits both optimizers; AdamW
    moves all else, and everything under `adamw`.
    """

    learning_rate: float
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    name: OptimizerName = "adamw"


@dataclass(frozen=True)
class MaximalUpdate:
    """muP of [yang2022]: what is tuned at `base_width` holds at every width.

    Relative to that width m = width / base_width: blocks learn at 1/m of the rate, logits are divided by m, and
    attention scores by the head width relative to `base_head_width` instead of its root.
    """

    base_width: int
    base_head_width: int


@dataclass(frozen=True)
class TrainerSpec:
    """Someone's own training program: `command` its argument list with placeholders, `metrics` where it logs.

    Both as they are written in the study file: what fills the placeholders follows from the run and from where it is
    trained, and only the first of these may decide which run it is.
    """

    command: tuple[str, ...]
    metrics: str


@dataclass(frozen=True)
class Devices:
    """How many processes, one a device, the lab trains a run with, and how they share it.

    They change the rounding of the numbers, nothing else: the batch, its order and the checkpoints are those of one
    process. Under `ddp` each holds the whole model, under `fsdp` a share of it; `deepspeed-zero1` shares out the
    optimizer's state, `-zero2` gradients too, `-zero3` all.
    """

    strategy: StrategyName = "ddp"
    processes: int = 1


ONE_DEVICE = Devices()


@dataclass(frozen=True)
class Launch:
    """How a run's training is started and ended: none of it decides which run it is.

    Of a program of the user's: `environment` adds to that of the worker; one that takes longer than `timeout` seconds
    is ended and failed; one that is asked to stop is ended after `grace` seconds. `devices` are for the lab's trainer.
    """

    environment: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None
    grace: float = 3.0
    devices: Devices = ONE_DEVICE


@dataclass(frozen=True)
class RunSpec:
    """One training run: shape, text, tokens, batch, optimizer, schedule, precision, evaluation and seed.

    `tokens` counts training tokens and is a whole number of batches of `batch_tokens`;
    `evaluation_windows` contexts of held-out text are scored at the end, the same ones for every run of a study.

    `evaluation_points` says how often, evenly on a logarithmic axis of steps, held-out loss is taken (1: at the end);
    `probes` what is measured with it. `branches` are token counts at which a branch ends that leaves the run earlier,
    decays its learning rate as a run of that length would, and is scored: many budgets for the price of one run.
    `unique_tokens` bounds the distinct training tokens (None: all of them), `mixture` weighs the parts of the text
    (empty: each by its length), `micro_batches` splits a batch that does not fit in memory, and `compile` compiles the
    model. `trainer` is None for the lab's own trainer.
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
    evaluation_points: int = 1
    probes: tuple[Probe, ...] = ()
    branches: tuple[int, ...] = ()
    unique_tokens: int | None = None
    mixture: tuple[float, ...] = ()
    maximal_update: MaximalUpdate | None = None
    micro_batches: int = 1
    compile: bool = False
    trainer: TrainerSpec | None = None

    def __post_init__(self) -> None:
        if self.batch_tokens % (self.shape.context * self.micro_batches):
            parts = f" in {self.micro_batches} micro-batches" if self.micro_batches > 1 else ""
            raise UsageError(
                f"run: batch_tokens={self.batch_tokens} must be a multiple of the context {self.shape.context}{parts}."
            )
        if self.tokens < self.batch_tokens or self.tokens % self.batch_tokens:
            raise UsageError(f"run: tokens={self.tokens} must be a positive multiple of {self.batch_tokens}.")
        if self.shape.vocab != self.text.vocab:
            raise UsageError(f"run: the shape has vocab={self.shape.vocab}, the text has {self.text.vocab}.")
        for branch in self.branches:
            if branch % self.batch_tokens or not 0 < branch < self.tokens:
                raise UsageError(
                    f"run: a branch of {branch} tokens must be a multiple of {self.batch_tokens} below {self.tokens}."
                )
        if self.mixture and (len(self.mixture) != len(self.text.parts) or not _are_weights(self.mixture)):
            raise UsageError(
                f"run: mixture={list(self.mixture)} must give each of the {len(self.text.parts)} parts of the text a "
                "weight of 0 or more, and one of them more than 0."
            )

    @property
    def steps(self) -> int:
        """Optimizer steps: tokens / batch_tokens."""
        return self.tokens // self.batch_tokens

    @cached_property
    def identifier(self) -> str:
        """Sixteen hex digits that name this run and no other."""
        return records.plain_digest(self.to_dict())[:16]

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object of this spec."""
        record: dict[str, Any] = {"schema": "isoflop.run-spec/1", **_plain(self)}
        # Left out where it is the lab's, so that a run keeps the identifier it had before there were others.
        if self.trainer is None:
            del record["trainer"]
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> RunSpec:
        """The spec that `to_dict` wrote."""
        told = {key: value for key, value in record.items() if key != "schema"}
        maximal_update, trainer = told.get("maximal_update"), told.get("trainer")
        return cls(
            **{
                **told,
                "shape": Shape(**told["shape"]),
                "text": TextSpec.from_dict(told["text"]),
                "optimizer": OptimizerSpec(**told["optimizer"]),
                "schedule": ScheduleSpec(**told["schedule"]),
                "probes": tuple(told.get("probes", ())),
                "branches": tuple(told.get("branches", ())),
                "mixture": tuple(told.get("mixture", ())),
                "maximal_update": MaximalUpdate(**maximal_update) if maximal_update else None,
                "trainer": TrainerSpec(tuple(trainer["command"]), trainer["metrics"]) if trainer else None,
            }
        )


def check_devices(spec: RunSpec, devices: Devices) -> None:
    """See that a run can be trained with `devices`.

    Raises:
        UsageError: its batch cannot be shared out evenly, or the strategy cannot do what the run asks for.
    """
    processes, strategy = devices.processes, devices.strategy
    if processes == 1:
        return
    rows = spec.shape.context * spec.micro_batches
    if spec.batch_tokens % (rows * processes):
        parts = f" x micro_batches={spec.micro_batches}" if spec.micro_batches > 1 else ""
        raise UsageError(
            f"devices.processes={processes} cannot share a batch evenly: batch_tokens={spec.batch_tokens} must be a "
            f"multiple of {processes} x context={spec.shape.context}{parts}."
        )
    if strategy.startswith("deepspeed") and spec.optimizer.name == "muon":
        raise UsageError(f"devices.strategy={strategy!r} knows AdamW only: use ddp or fsdp with optimizer muon.")


def _are_weights(mixture: tuple[float, ...]) -> bool:
    return all(weight >= 0.0 for weight in mixture) and sum(mixture) > 0.0


_SCALARS = (int, float, str, type(None))


def _plain(value: Any) -> Any:
    # By hand, since `asdict` copies so thoroughly that planning ten thousand runs would take seconds.
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    told = ((name, getattr(value, name)) for name in _names(cast(Hashable, type(value))))
    return {name: item if isinstance(item, _SCALARS) else _plain(item) for name, item in told}


@cache
def _names(kind: Hashable) -> tuple[str, ...]:
    return tuple(item.name for item in fields(cast(Any, kind)))
