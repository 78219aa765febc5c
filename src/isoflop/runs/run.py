"""Run: one training run as it came out."""

from __future__ import annotations

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
class Run:
    """A finished run: its spec, its state, and what was measured.

    `loss` is the held-out loss in nats/token and `loss_standard_error` its standard error over windows (None
    unless done); `params_total` and `params_non_embedding` count parameters with and without embeddings;
    `compute` is the exact training FLOP of the shape; `seconds` wall and `cpu_seconds` process CPU time;
    `environment` what ran it (package and library versions, machine, threads).
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

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object of this run (its curve stays in the metrics log)."""
        record = {"schema": "isoflop.run/1", **asdict(self), "spec": self.spec.to_dict()}
        del record["curve"]
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any], curve: Curve = Curve((), (), ())) -> Run:
        """The run that `to_dict` wrote, with the curve read from its metrics log."""
        fields = {key: value for key, value in record.items() if key != "schema"}
        return cls(**{**fields, "spec": RunSpec.from_dict(fields["spec"]), "curve": curve})
