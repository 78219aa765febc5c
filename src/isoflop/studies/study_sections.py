"""The sections of a study file: which keys each may have, and what may stand there."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from isoflop.accounting.shape import Activation, Family, NormKind, Positions
from isoflop.lab.mirrors import MirrorName
from isoflop.quantities import ParamCount
from isoflop.runs.spec import OptimizerName, Precision, Probe, ScheduleKind
from isoflop.studies.section import LARGEST, Compute, Count, Fraction, NonNegative, Positive, Section
from isoflop.studies.site import EngineName
from isoflop.studies.site_sections import CostSection, DevicesSection, RaySection, SlurmSection, TrainerSection


class TextPartSection(Section):
    """One source of a mixture."""

    name: str
    source: str
    directory: str | None = None
    dataset: str | None = None
    subset: str | None = None
    split: str = "train"
    field: str = "text"
    limit: Count | None = None


class TextSection(Section):
    """Where the text comes from."""

    source: str
    directory: str | None = None
    tokenizer: str = "bytes"
    limit: Count | None = None
    file: str | None = None
    validation: str | None = None
    dtype: str = "uint16"
    vocab: Count | None = None
    tokens: Count | None = None
    dataset: str | None = None
    subset: str | None = None
    split: str = "train"
    field: str = "text"
    parts: list[TextPartSection] = []


class FormSection(Section):
    """A model told apart by more than its width."""

    width: Count
    layers: Count | None = None
    heads: Count | None = None
    feedforward: Count | None = None


class LadderSection(Section):
    """Forms and budgets."""

    widths: list[Count] = []
    layers: Count = 1
    heads: Count | None = None
    head_width: Count | None = None
    tokens: list[Count] = []
    tokens_per_param: list[Positive] = []
    compute: list[Compute] = []
    forms: list[FormSection] = []
    seeds: Count = 1
    repeats: dict[str, Count] = {}


class ModelSection(Section):
    """What models are made of."""

    positions: Positions = "rotary"
    tied: bool = False
    norm: NormKind = "layer"
    activation: Activation = "gelu"
    heads_per_kv: Count = 1
    reuse: Count = 1
    family: Family = "transformer"
    feedforward_per_width: Positive = 4.0
    mup_width: Count | None = None


class LearningRateSection(Section):
    """The rule of the peak learning rate."""

    coefficient: Positive
    width_power: float = -1.0
    batch_power: float = 0.0


class ScheduleSection(Section):
    """The learning rate over a run."""

    kind: ScheduleKind = "wsd"
    warmup: Fraction = 0.02
    warmup_steps: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    decay: Fraction = 0.2
    final: Fraction = 0.0
    horizon: Annotated[float, Field(ge=1)] = 1.0


class TrainingSection(Section):
    """How runs are trained."""

    context: Count
    batch_tokens: Count
    learning_rate: LearningRateSection
    schedule: ScheduleSection = ScheduleSection()
    weight_decay: NonNegative = 0.1
    clip: Positive = 1.0
    precision: Precision = "float32"
    optimizer: OptimizerName = "adamw"
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.95
    branch: bool = False
    micro_batches: Count = 1
    compile: bool = False


class SweepSection(Section):
    """What else is varied, each value with each."""

    batch_tokens: list[Count] = []
    learning_rate_factors: list[Positive] = []
    unique_tokens: list[Count] = []
    contexts: list[Count] = []
    horizons: list[Annotated[float, Field(ge=1)]] = []
    mixtures: list[list[NonNegative]] = []


class EvaluationSection(Section):
    """How held-out loss is taken."""

    windows: Count
    points: Count = 1
    probes: list[Probe] = []


class FitSection(Section):
    """How runs are fitted."""

    law: str = "chinchilla"
    param_count: ParamCount = "total"
    rows: str = "all"
    objective: str = "huber:1e-3"
    draws: Count = 1000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9


class HeldOutSection(Section):
    """A run that is forecast first."""

    width: Count
    layers: Count | None = None
    tokens: Count


class ArmSection(Section):
    """What one side of a comparison has of its own; its tables are laid over those of the study."""

    name: Annotated[str, Field(pattern=r"^[^\s,][^,\n]{0,60}$")]
    ladder: dict[str, Any] = {}
    model: dict[str, Any] = {}
    training: dict[str, Any] = {}
    sweep: dict[str, Any] = {}


class StudySection(Section):
    """A whole study file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    recipe: str = "own"
    analysis: str = "forecast"
    seed: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    text: TextSection
    ladder: LadderSection
    model: ModelSection = ModelSection()
    training: TrainingSection
    sweep: SweepSection = SweepSection()
    evaluation: EvaluationSection | None = None
    fit: FitSection
    mirrors: list[MirrorName] = []
    stack: Count = 1
    held_out: list[HeldOutSection] = []
    arms: list[ArmSection] = []
    on: EngineName = "local"
    devices: DevicesSection | None = None
    trainer: TrainerSection | None = None
    slurm: SlurmSection = SlurmSection()
    ray: RaySection = RaySection()
    cost: CostSection = CostSection()


SECTIONS: dict[str, type[Section]] = {
    "text": TextSection,
    "parts": TextPartSection,
    "ladder": LadderSection,
    "forms": FormSection,
    "model": ModelSection,
    "training": TrainingSection,
    "learning_rate": LearningRateSection,
    "schedule": ScheduleSection,
    "sweep": SweepSection,
    "evaluation": EvaluationSection,
    "fit": FitSection,
    "held_out": HeldOutSection,
    "arms": ArmSection,
    "devices": DevicesSection,
    "trainer": TrainerSection,
    "slurm": SlurmSection,
    "ray": RaySection,
    "cost": CostSection,
}
"""The section of every table, by the last word of its path."""
