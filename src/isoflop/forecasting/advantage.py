"""What one recipe is worth over another, as a value: the multiplier, its trend, and both losses at some computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isoflop.findings import Finding, Judged
from isoflop.fitting.fit import Fit
from isoflop.forecasting.comparability import Meeting
from isoflop.quantities import Estimate, format_flops, format_number


@dataclass(frozen=True)
class At:
    """Both recipes at one compute: the multiplier, the losses, and the second loss less the first (`gap`).

    `decades_beyond` says how far the compute lies past the largest at which both recipes have runs.
    """

    compute: float
    multiplier: Estimate
    baseline_loss: float
    loss: float
    gap: Estimate
    decades_beyond: float

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this compute."""
        return {
            "compute": self.compute,
            "multiplier": self.multiplier.to_dict(),
            "baseline_loss": self.baseline_loss,
            "loss": self.loss,
            "gap": self.gap.to_dict(),
            "decades_beyond": self.decades_beyond,
        }


@dataclass(frozen=True)
class Advantage(Judged):
    """What `family` is worth over the baseline.

    `multiplier` is the factor by which the compute of the baseline must be multiplied to reach the loss of the family
    at compute `at_compute`: above 1 the family is better. `trend_per_decade` is the factor by which it changes per
    decade of compute, None where the runs cannot tell. `twins` runs of the family have a twin in the baseline.
    `other_floor` is the multiplier under the other assumption about floors (None for a law without a floor).
    """

    family: str
    baseline: str
    runs: int
    baseline_runs: int
    twins: int
    meeting: Meeting
    at_compute: float
    multiplier: Estimate
    trend_per_decade: Estimate | None
    points: tuple[At, ...]
    other_floor: float | None
    fit: Fit
    findings: tuple[Finding, ...] = ()

    @property
    def direction(self) -> str:
        """What the multiplier does as compute grows: `grows`, `shrinks`, or `unclear` where its trend may be either."""
        trend = self.trend_per_decade
        if trend is not None and trend.low is not None and trend.low > 1.0:
            return "grows"
        return "shrinks" if trend is not None and trend.high is not None and trend.high < 1.0 else "unclear"

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this family."""
        trend = self.trend_per_decade
        return {
            "family": self.family,
            "runs": self.runs,
            "baseline_runs": self.baseline_runs,
            "twins": self.twins,
            "multiplier": self.multiplier.to_dict(),
            "at_compute": self.at_compute,
            "trend_per_decade": None if trend is None else trend.to_dict(),
            "trend": self.direction,
            "shared_compute": [self.meeting.low, self.meeting.high] if self.meeting.decades >= 0.0 else None,
            "points": [point.to_dict() for point in self.points],
            "multiplier_with_other_floor": self.other_floor,
            "status": self.fit.status.value,
            "interval_method": self.fit.ensemble.method,
            "draws": len(self.fit.ensemble),
            "refused": self.refused,
            "warnings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        """One sentence."""
        said = (
            f"{self.family}: {self.baseline} needs {times_text(self.multiplier)} the compute for the same loss, at "
            f"{format_flops(self.at_compute)}"
        )
        trend = self.trend_per_decade
        if trend is None:
            return f"{said}; how that changes with compute is not known."
        words = {"grows": "grows by", "shrinks": "shrinks, by", "unclear": "may grow or shrink, by"}
        verb = "changes by" if trend.low is None and trend.high is None else words[self.direction]
        return f"{said}; the multiplier {verb} {times_text(trend)} per decade of compute."


def times_text(value: Estimate) -> str:
    """A factor with its interval.

    Example:
        >>> times_text(Estimate(1.2, 0.9, None))
        '1.20× [0.90×, open]'
    """
    if value.low is None and value.high is None:
        return factor_text(value.value)
    bounds = ("open" if bound is None else factor_text(bound) for bound in (value.low, value.high))
    return f"{factor_text(value.value)} [{', '.join(bounds)}]"


def factor_text(factor: float) -> str:
    """A factor with two decimals, or three digits where those say more.

    Example:
        >>> factor_text(1.2), factor_text(0.00317)
        ('1.20×', '0.00317×')
    """
    return f"{factor:.2f}×" if 0.095 <= factor < 100.0 else f"{format_number(factor, 3)}×"
