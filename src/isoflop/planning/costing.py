"""What a draft takes on its machine, serving included: hours, days, dollars and energy with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from isoflop.accounting.cost import Cost, training_cost
from isoflop.accounting.hardware import Device
from isoflop.accounting.price import find_price
from isoflop.accounting.utilization import SECONDS_PER_HOUR
from isoflop.findings import Finding
from isoflop.planning.budget import Machine, cluster_for
from isoflop.planning.draft import Draft
from isoflop.planning.plan import Alternative, ServingCost
from isoflop.planning.request import Request
from isoflop.quantities import Devices, Estimate


@dataclass(frozen=True)
class Costed:
    """A draft on a machine; where nobody said how many devices, on the cluster that finishes within 90 days."""

    draft: Draft
    machine: Machine

    @cached_property
    def gpus(self) -> Devices:
        """The devices that train."""
        name = self.machine.device.name
        if self.machine.count is not None:
            return Devices(self.machine.count, name)
        return cluster_for(
            self.machine, self.draft.compute.value, self.machine.accounting.states.total * self.draft.params.value
        )

    @cached_property
    def cost(self) -> Cost:
        """The accounting of the run."""
        draft, accounting = self.draft, self.machine.accounting
        return training_cost(
            draft.params.value,
            draft.tokens.value,
            self.gpus,
            active_params=draft.active * draft.params.value,
            compute=draft.compute.value,
            mfu=accounting.mfu,
            tariff=accounting.tariff,
            states=accounting.states,
            devices=accounting.devices,
            prices=accounting.prices,
        )

    @cached_property
    def scaled(self) -> Mapping[str, Estimate]:
        """Device hours, days, dollars and MWh; what is not known is NaN."""
        cost = self.cost
        values = {
            "gpu_hours": cost.gpu_hours,
            "days": cost.days,
            "cost_usd": cost.cost_usd,
            "energy_mwh": cost.energy_mwh,
        }
        return {name: _in_proportion(value, self.draft.compute) for name, value in values.items()}

    @property
    def findings(self) -> list[Finding]:
        """What the accounting assumed, and the machine where nobody named one."""
        found = list(self.cost.findings)
        count, name = self.gpus.count, self.machine.device.name
        if not self.machine.named:
            found.append(
                Finding("device-assumed", "note", f"Hours are those of {name}: --gpu or --gpus names another.")
            )
        if self.machine.count is None:
            message = (
                f"Days are those of {count} × {name}, a number that finishes within 90 days: --gpus gives another."
            )
            found.append(Finding("devices-assumed", "note", message))
        return found

    def alternatives(self) -> tuple[Alternative, ...]:
        """The candidates of the draft with their hours and dollars."""
        price = self.cost.price_per_hour
        made = []
        for item in self.draft.candidates:
            hours = self.machine.hours(item.compute)
            made.append(
                Alternative(
                    why=item.why,
                    params=item.params,
                    tokens=item.tokens,
                    compute=item.compute,
                    loss=item.loss,
                    loss_change=item.change,
                    extra_compute=item.extra_compute,
                    gpu_hours=hours,
                    cost_usd=None if price is None else hours * price,
                )
            )
        return tuple(made)

    def serving(self, request: Request) -> ServingCost | None:
        """What serving takes on its own devices, or on those of training where none are named."""
        serving, draft = request.serving, self.draft
        if not serving.tokens:
            return None
        device = serving.device or self.machine.device
        mfu = serving.mfu or self.machine.mfu
        flops = serving.flops(draft.params.value, draft.active)
        hours = flops / (SECONDS_PER_HOUR * device.peak_flops * mfu)
        lifetime = draft.compute.value + flops * serving.price_ratio
        price = self._price(device)
        saved = None if draft.unserved_lifetime is None else 1.0 - lifetime / draft.unserved_lifetime
        return ServingCost(
            tokens=serving.tokens,
            compute=flops,
            gpu_hours=hours,
            cost_usd=None if price is None else hours * price,
            mfu=mfu,
            lifetime_compute=lifetime,
            saved=saved,
        )

    def _price(self, device: Device) -> float | None:
        if device.name == self.machine.device.name:
            return self.cost.price_per_hour
        found = find_price(device.name, self.machine.accounting.prices)
        return None if found is None else found.middle


def _in_proportion(value: float | None, compute: Estimate) -> Estimate:
    """A quantity that grows as compute does, with its interval."""
    if value is None:
        return Estimate(math.nan)
    bounds = (None if bound is None else value * bound / compute.value for bound in (compute.low, compute.high))
    return Estimate(value, *bounds)
