"""The sections of a study file that say who trains, where, and for how much: checked here, values inside."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from isoflop.errors import UsageError
from isoflop.runs.spec import Devices, Launch, StrategyName, TrainerSpec
from isoflop.studies.placeholders import check_placeholders
from isoflop.studies.section import Dollars, Seconds, Section
from isoflop.studies.site import Order, RaySite, SlurmSite, Spending

# What is written into a script must stay one word of one line.
Word = Annotated[str, Field(pattern=r"^[^\s'\"`$;&|<>\\]+$")]
Line = Annotated[str, Field(pattern=r"^[^\n\r]+$")]


class TrainerSection(Section):
    """`[trainer]`: a program of the user's."""

    command: Annotated[list[str], Field(min_length=1)]
    metrics: str = "metrics.jsonl"
    environment: dict[str, str] = {}
    timeout: Seconds | None = None
    grace: Seconds = 3.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_placeholders(self.command, "trainer.command")
        check_placeholders([self.metrics], "trainer.metrics")
        if not self.command[0] or "{resume}" in self.command[0] or "{resume}" in self.metrics:
            raise UsageError("trainer.command must begin with a program, and {resume} stand in a later argument only.")
        return self

    def spec(self) -> TrainerSpec:
        """What decides which run it is."""
        return TrainerSpec(tuple(self.command), self.metrics)

    def launch(self) -> Launch:
        """What does not."""
        return Launch(dict(self.environment), self.timeout, self.grace)


class DevicesSection(Section):
    """`[devices]`."""

    processes: Annotated[int, Field(ge=1)]
    strategy: StrategyName = "ddp"

    def devices(self) -> Devices:
        """The value."""
        return Devices(self.strategy, self.processes)


class SlurmSection(Section):
    """`[slurm]`."""

    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    gpus: Word | None = None
    cpus: Annotated[int, Field(ge=1)] | None = None
    memory: Word | None = None
    time: Seconds | None = None
    max_running: Annotated[int, Field(ge=1)] = 64
    header: list[Line] = []
    modules: list[Word] = []
    setup: list[Line] = []
    container: list[Line] = []
    python: Line | None = None
    poll: Seconds = 5.0

    def site(self, processes: int) -> SlurmSite:
        """The value, with a core for each of the `processes` of a run unless the file says how many."""
        told: dict[str, Any] = {**self.model_dump(), "cpus": self.cpus or processes}
        for key in ("header", "modules", "setup", "container"):
            told[key] = tuple(told[key])
        return SlurmSite(**told)


class RaySection(Section):
    """`[ray]`."""

    address: str | None = None
    cpus: Annotated[float, Field(gt=0)] | None = None
    gpus: Annotated[float, Field(ge=0)] = 0.0
    resources: dict[str, Annotated[float, Field(gt=0)]] = {}
    retries: Annotated[int, Field(ge=0)] = 3

    def site(self, processes: int) -> RaySite:
        """The value, with a core for each of the `processes` of a run unless the file says how many."""
        return RaySite(**{**self.model_dump(), "cpus": self.cpus or float(processes)})


class CostSection(Section):
    """`[cost]`."""

    max: str | None = None
    price_per_hour: Dollars | None = None
    order: Order | None = None

    def spending(self) -> Spending:
        """The value."""
        return Spending(self.max, self.price_per_hour, self.order)
