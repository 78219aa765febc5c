"""Run: one training run as it came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from isoflop.runs.spec import RunSpec

State = Literal["done", "diverged", "failed"]


@dataclass(frozen=True)
class Curve:
    """A training run seen through its log: training loss (nats/token) after `step` steps and `tokens` tokens."""

    step: tuple[int, ...]
    tokens: tuple[int, ...]
    loss: tuple[float, ...]


@dataclass(frozen=True)
class Evaluation:
    """Held-out loss at one moment of a run: mean and standard error over windows, in nats/token.

    `part` names the part of the text that was scored (empty: all of it), `cooled` says whether the learning rate had
    decayed by then, at the end of the run or of a branch. `positions` holds the loss at every position in the context
    and `measures` whatever else was measured, where the run was asked to.
    """

    step: int
    tokens: int
    loss: float
    standard_error: float
    part: str = ""
    cooled: bool = True
    positions: tuple[float, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Evaluation:
        """The evaluation that its JSON object says."""
        return cls(**{**record, "positions": tuple(record["positions"])})


@dataclass(frozen=True)
class Run:
    """A finished run: its spec, its state, and what was measured.

    `loss` is the held-out loss in nats/token and `loss_standard_error` its standard error over windows (None
    unless done); `params_total` and `params_non_embedding` count parameters with and without embeddings;
    `compute` is the exact training FLOP of the shape, branches included; `seconds` wall and `cpu_seconds` process CPU
    time; `environment` what ran it (package and library versions, machine, threads); `evaluations` every held-out loss
    that was taken, branches and parts included.
    """

    spec: RunSpec
    state: State
    params_total: int
    params_non_embedding: int
    compute: float
    loss: float | None
    loss_standard_error: float | None
    seconds: float
    cpu_seconds: float
    finished: str
    message: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    curve: Curve = Curve((), (), ())
    evaluations: tuple[Evaluation, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object of this run (its curve stays in the metrics log)."""
        record = {"schema": "isoflop.run/1", **asdict(self), "spec": self.spec.to_dict()}
        del record["curve"]
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any], curve: Curve = Curve((), (), ())) -> Run:
        """The run that `to_dict` wrote, with the curve read from its metrics log."""
        fields = {key: value for key, value in record.items() if key != "schema"}
        evaluations = tuple(Evaluation.from_dict(item) for item in fields.get("evaluations", ()))
        return cls(**{**fields, "spec": RunSpec.from_dict(fields["spec"]), "curve": curve, "evaluations": evaluations})
