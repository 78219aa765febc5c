"""Plan: what to train, what it costs, how sure that is, what binds, and what lies around it. A value with its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isoflop.accounting.breakdown import PlacedLayout
from isoflop.accounting.cost import Cost
from isoflop.findings import Finding, Judged
from isoflop.planning.data_limit import DataUse
from isoflop.planning.hyperparameters import Recipe
from isoflop.planning.shape import ShapeChoice
from isoflop.planning.trends import Outlook
from isoflop.quantities import Estimate, format_count, format_dollars, format_flops, format_number
from isoflop.records import Saved
from isoflop.tabular import Table, Tabular, estimate_cells

SCHEMA = "isoflop.plan/1"


@dataclass(frozen=True)
class Alternative:
    """Another run beside the plan, and `why` it is shown.

    `loss_change` is its loss less that of the plan, draw by draw; `extra_compute` the share of training FLOP that a
    model of its size needs beyond the plan's to reach the plan's loss, None where it never does or it is not asked.
    """

    why: str
    params: float
    tokens: float
    compute: float
    loss: Estimate
    loss_change: Estimate
    extra_compute: float | None
    gpu_hours: float
    cost_usd: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "why": self.why,
            "params": self.params,
            "tokens": self.tokens,
            "compute": self.compute,
            "loss": self.loss.to_dict(),
            "loss_change": self.loss_change.to_dict(),
            "extra_compute": self.extra_compute,
            "gpu_hours": self.gpu_hours,
            "cost_usd": self.cost_usd,
        }


@dataclass(frozen=True)
class ServingCost:
    """What serving takes over the life of the model, and what training and serving take together.

    `saved` is the share of the lifetime's FLOP, at the price of training, that is saved against the compute-optimal
    plan of the same loss; None where it is not known.
    """

    tokens: float
    compute: float
    gpu_hours: float
    cost_usd: float | None
    mfu: float
    lifetime_compute: float
    saved: float | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "tokens": self.tokens,
            "compute": self.compute,
            "gpu_hours": self.gpu_hours,
            "cost_usd": self.cost_usd,
            "mfu": self.mfu,
            "lifetime_compute_at_training_price": self.lifetime_compute,
            "saved": self.saved,
        }


@dataclass(frozen=True)
class Regret:
    """What the plan loses if a draw of the fit is the truth: the share of its spend that the best plan would not need.

    `middle` is the median over draws, `high` the quantile at the level.
    """

    middle: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"median": self.middle, "high": self.high}


@dataclass(frozen=True)
class Plan(Judged, Saved, Tabular):
    """What to train.

    `params`, `tokens`, `loss` and `compute` carry intervals at `level`: of the optimum over draws of the fit, and for
    the loss of the outcome of a run of that size. `scaled` holds device hours, days, dollars and MWh with the interval
    of `compute`. `cost` is the accounting of the run on its machine, `layout` how it fits it, `binding` what keeps the
    plan from being better, `others` the further inputs of the law that were chosen.
    """

    law: str
    source: str
    level: float
    params: Estimate
    tokens: Estimate
    tokens_per_param: Estimate
    loss: Estimate
    compute: Estimate
    scaled: Mapping[str, Estimate]
    cost: Cost
    binding: tuple[str, ...]
    recipes: tuple[Recipe, ...] = ()
    shape: ShapeChoice | None = None
    layout: PlacedLayout | None = None
    data: DataUse | None = None
    serving: ServingCost | None = None
    regret: Regret | None = None
    alternatives: tuple[Alternative, ...] = ()
    others: Mapping[str, float] = field(default_factory=dict)
    outlook: Outlook | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def recipe(self) -> Recipe | None:
        """The batch size and learning rate that the plan takes."""
        return self.recipes[0] if self.recipes else None

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        layout = None if self.layout is None else self.layout.to_dict()
        chosen = self.recipe
        return {
            "schema": SCHEMA,
            "law": self.law,
            "source": self.source,
            "level": self.level,
            "params": self.params.to_dict(),
            "tokens": self.tokens.to_dict(),
            "tokens_per_param": self.tokens_per_param.to_dict(),
            "loss": self.loss.to_dict(),
            "compute": self.compute.value,
            **{name: self.scaled[name].to_dict()["value"] for name in ("gpu_hours", "days", "cost_usd", "energy_mwh")},
            "co2_tonnes": self.cost.co2_tonnes,
            "intervals": {
                "compute": self.compute.to_dict(),
                **{name: estimate.to_dict() for name, estimate in self.scaled.items()},
            },
            "cost_usd_range": None if self.cost.cost_range is None else list(self.cost.cost_range),
            "gpus": {"count": self.cost.devices, "name": self.cost.device.name, "mfu": self.cost.mfu},
            "binding": list(self.binding),
            "memory": {**self.cost.memory, "layout": layout},
            "shape": None if self.shape is None else self.shape.to_dict(),
            "batch_tokens": None if chosen is None else chosen.batch_tokens,
            "learning_rate": None if chosen is None else chosen.learning_rate,
            "recipes": [recipe.to_dict() for recipe in self.recipes],
            "at": dict(self.others),
            "data": None if self.data is None else self.data.to_dict(),
            "serving": None if self.serving is None else self.serving.to_dict(),
            "regret": None if self.regret is None else self.regret.to_dict(),
            "alternatives": [alternative.to_dict() for alternative in self.alternatives],
            **({} if self.outlook is None else {"outlook": self.outlook.to_dict()}),
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def table(self) -> Table:
        """The plan and its alternatives, one a row."""
        header = ("plan", "params", "tokens", "compute", "loss", "low", "high", "gpu_hours", "cost_usd")
        hours, dollars = self.scaled["gpu_hours"].value, self.scaled["cost_usd"].value
        own = ("this plan", self.params.value, self.tokens.value, self.compute.value, *estimate_cells(self.loss))
        rows = [(*own, hours, None if dollars != dollars else dollars)]
        rows += [
            (
                item.why,
                item.params,
                item.tokens,
                item.compute,
                *estimate_cells(item.loss),
                item.gpu_hours,
                item.cost_usd,
            )
            for item in self.alternatives
        ]
        return Table(f"Plan by {self.law}, {self.level:.0%} intervals", header, tuple(rows))

    def __str__(self) -> str:
        """Two lines: what to train, and what it takes."""
        dollars = "" if self.cost.cost_usd is None else f", {format_dollars(self.cost.cost_usd)}"
        what = f"{format_count(self.params.value)} parameters on {format_count(self.tokens.value)} tokens"
        return (
            f"{what}: loss {self.loss}\n"
            f"{format_flops(self.compute.value)}, {format_count(self.cost.gpu_hours)} hours of "
            f"{self.cost.device.name}, {format_number(self.cost.days)} days on {self.cost.devices}{dollars}; "
            f"{'; '.join(self.binding)}"
        )
