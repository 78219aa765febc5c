"""Site: where a study is trained and what it may cost. Nothing here decides which runs there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EngineName = Literal["local", "inline", "slurm", "ray"]
ENGINES: tuple[EngineName, ...] = ("local", "inline", "slurm", "ray")

Order = Literal["longest-first", "information-first"]


@dataclass(frozen=True)
class SlurmSite:
    """What a Slurm cluster wants to know; texts are written into the script as they are.

    `gpus`, `cpus` and `memory` are those of one run; `max_running` caps the tasks of an array that run at once; `time`
    (seconds) replaces the limit that follows from the estimate; `modules` are loaded and `setup` lines run before the
    worker, `container` goes before its command; `header` holds further `#SBATCH` options; `python` is the interpreter
    on the nodes, that of the driver unless given.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gpus: str | None = None
    cpus: int = 1
    memory: str | None = None
    time: float | None = None
    max_running: int = 64
    header: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    python: str | None = None
    poll: float = 5.0


@dataclass(frozen=True)
class RaySite:
    """What one run takes of a Ray cluster, fractions too, and where that is: `address` None starts one here."""

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    retries: int = 3


@dataclass(frozen=True)
class Site:
    """The engine a study names, and what each engine is told."""

    on: EngineName = "local"
    slurm: SlurmSite = field(default_factory=SlurmSite)
    ray: RaySite = field(default_factory=RaySite)


@dataclass(frozen=True)
class Spending:
    """What a study may cost (`limit` as people write it), the price of an hour on one slot, the order of its runs."""

    limit: str | None = None
    dollars_per_hour: float | None = None
    order: Order | None = None
