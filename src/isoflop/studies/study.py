"""Study: a ladder of small runs, the rule by which they are fitted, and the runs held out to be forecast.

Everything that decides an outcome is fixed in this value before the first run starts, the fit rule too. Planning
is a function of the study and of the text that is really there; the same two give the same runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from isoflop.accounting.flops import training_flops
from isoflop.accounting.shape import Activation, Family, NormKind, Positions
from isoflop.lab.schedule import tokens_trained
from isoflop.lab.source import TextSource
from isoflop.quantities import ParamCount
from isoflop.runs.spec import Launch, OptimizerName, Precision, Probe, RunSpec, ScheduleSpec, TrainerSpec
from isoflop.studies.site import Site, Spending

Role = Literal["ladder", "held-out"]

REFERENCE_BATCH = 512
FORECAST = "forecast"
"""The analysis that fits the ladder, forecasts the held-out runs, and compares."""


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
class Form:
    """A model of a ladder that is told apart by more than its width; what is 0 is as the ladder has it."""

    width: int
    layers: int = 0
    heads: int = 0
    feedforward: int = 0


@dataclass(frozen=True)
class Ladder:
    """Every form trained on every budget; `repeats` gives widths that are trained with several seeds, `seeds` for all.

    The forms are `widths` of `layers`, or spelt out in `forms`. A budget is a number of `tokens`, of
    `tokens_per_param` (all parameters counted), or a `compute` in FLOP, from which each model's tokens follow.
    """

    widths: tuple[int, ...]
    layers: int
    heads: HeadRule
    tokens: tuple[int, ...] = ()
    repeats: Mapping[int, int] = field(default_factory=dict)
    seeds: int = 1
    tokens_per_param: tuple[float, ...] = ()
    compute: tuple[float, ...] = ()
    forms: tuple[Form, ...] = ()


@dataclass(frozen=True)
class ModelRule:
    """What all models of an arm are made of (see `accounting.shape`); `mup_width` switches muP on, tuned there."""

    positions: Positions = "rotary"
    tied: bool = False
    norm: NormKind = "layer"
    activation: Activation = "gelu"
    heads_per_kv: int = 1
    reuse: int = 1
    family: Family = "transformer"
    feedforward_per_width: float = 4.0
    mup_width: int | None = None


@dataclass(frozen=True)
class LearningRateRule:
    """Peak learning rate = coefficient * width^width_power * (batch tokens / 512)^batch_power.

    Example:
        >>> LearningRateRule(0.125, -1.0).at(64)
        0.001953125
    """

    coefficient: float
    width_power: float = -1.0
    batch_power: float = 0.0

    def at(self, width: int, batch_tokens: int = REFERENCE_BATCH) -> float:
        """The peak learning rate of a model of `width` at a batch of `batch_tokens`."""
        batch_factor = math.pow(batch_tokens / REFERENCE_BATCH, self.batch_power)
        return self.coefficient * math.pow(width, self.width_power) * batch_factor


@dataclass(frozen=True)
class Training:
    """How every run is trained; `context` and `batch_tokens` in tokens, the rest as in RunSpec.

    With `branch`, the budgets of one model are branches of one run instead of runs of their own.
    """

    context: int
    batch_tokens: int
    learning_rate: LearningRateRule
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    weight_decay: float = 0.1
    clip: float = 1.0
    precision: Precision = "float32"
    optimizer: OptimizerName = "adamw"
    beta2: float = 0.95
    branch: bool = False
    micro_batches: int = 1
    compile: bool = False


@dataclass(frozen=True)
class Sweep:
    """What else is varied, each value with each: empty is as `training` and the text have it.

    `learning_rate_factors` multiply the rule's rate; `unique_tokens` bound the distinct tokens, `mixtures` weigh the
    parts of the text.
    """

    batch_tokens: tuple[int, ...] = ()
    learning_rate_factors: tuple[float, ...] = ()
    unique_tokens: tuple[int, ...] = ()
    contexts: tuple[int, ...] = ()
    horizons: tuple[float, ...] = ()
    mixtures: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Arm:
    """One side of a comparison: its own ladder, models and training; the only one of a study has no name."""

    name: str
    ladder: Ladder
    model: ModelRule
    training: Training
    sweep: Sweep = Sweep()


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
    """One study as its file says it; `recipe` names the recipe it was made from.

    `analysis` says what is made of its runs: a fit and a forecast of the held-out runs, or what one of
    `studies.analyses` does. Held-out loss is taken at `evaluation_points` moments of every run, with `probes`;
    `mirrors` show the metrics of the runs elsewhere as they come; up to `stack` small models of one shape are trained
    side by side on this machine. `trainer` is None for the lab's; `launch`, `site` and
    `spending` say how, where and for how much it is trained: no run depends on them.
    """

    name: str
    recipe: str
    seed: int
    text: TextSource
    ladder: Ladder
    training: Training
    evaluation_windows: int
    fit: FitRule
    held_out: tuple[HeldOut, ...]
    analysis: str = FORECAST
    model: ModelRule = ModelRule()
    sweep: Sweep = Sweep()
    arms: tuple[Arm, ...] = ()
    evaluation_points: int = 1
    probes: tuple[Probe, ...] = ()
    mirrors: tuple[str, ...] = ()
    stack: int = 1
    trainer: TrainerSpec | None = None
    launch: Launch = field(default_factory=Launch)
    site: Site = field(default_factory=Site)
    spending: Spending = field(default_factory=Spending)

    @property
    def base(self) -> Arm:
        """What the study's own sections say; arms differ from it."""
        return Arm("", self.ladder, self.model, self.training, self.sweep)

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object of this study."""
        return {"schema": "isoflop.study-plan/1", **asdict(self)}


@dataclass(frozen=True)
class PlannedRun:
    """A run of a study, what it is for, and the arms it belongs to."""

    role: Role
    spec: RunSpec
    arms: tuple[str, ...] = ("",)

    @property
    def compute(self) -> float:
        """Training FLOP, exactly from the shape, its branches included."""
        spec = self.spec
        return training_flops(spec.shape, tokens_trained(spec, spec.steps, len(spec.branches)))
