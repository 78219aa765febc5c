"""Analysis: what a study of the laboratory comes to, with the published number beside ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import Finding, by_weight
from isoflop.fitting.diagnostics.intervals import moved_parameters
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit, estimate
from isoflop.lab.corpus import KnownEntropy
from isoflop.laws.law import Law
from isoflop.quantities import Estimate, format_number
from isoflop.runs.table import RunTable
from isoflop.studies.study import Study

SCHEMA = "isoflop.analysis/1"
_OF_A_RUN = ("run", "arm", "seed", "loss", "loss_se")
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One number: ours with its interval, and what was published; `note` says why there is none, or what to mind."""

    name: str
    ours: Estimate | None
    published: float | None = None
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """A small table that shows what the numbers rest on."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Analysis:
    """What a study comes to: the law, our numbers beside the published ones, and in one sentence what it shows.

    `fits` are kept beside it, each under its name, so that they can be verified, forecast and planned with.
    """

    name: str
    law: str
    measured: tuple[Measured, ...]
    panels: tuple[Panel, ...]
    verdict: str
    fits: Mapping[str, Fit | FrontierFit] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What the fits warn of, each said once, under the names of those that do; their notes are in their files."""
        names: dict[Finding, list[str]] = {}
        for name, found in self.fits.items():
            for finding in found.findings:
                if finding.severity != "note":
                    names.setdefault(replace(finding, rows=()), []).append(name)
        return by_weight(
            replace(finding, message=f"{', '.join(places)}: {finding.message}") for finding, places in names.items()
        )

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object; the fits are files of their own."""
        return {
            "schema": SCHEMA,
            "analysis": self.name,
            "law": self.law,
            "measured": [
                {**asdict(item), "ours": item.ours.to_dict() if item.ours else None} for item in self.measured
            ],
            "panels": [asdict(panel) for panel in self.panels],
            "verdict": self.verdict,
            "fits": sorted(self.fits),
        }


@dataclass(frozen=True, eq=False)
class Evidence:
    """What an analysis has before it: the study, every evaluation of its runs, and the entropy of its text if known."""

    study: Study
    table: RunTable
    known: KnownEntropy | None = None

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms in the order of the study."""
        return tuple(arm.name for arm in self.study.arms or (self.study.base,))

    def rows(self, arm: str | None = None, *, part: str = "", cooled: bool | None = True) -> RunTable:
        """The evaluations of an arm (all unless given) on a part of the text; `cooled=None` takes those in between too.

        Raises:
            Refusal: there are none.
        """
        table = self.table
        kept = table["part"] == part
        if arm is not None:
            kept &= table["arm"] == arm
        if cooled is not None:
            kept &= table["cooled"] == float(cooled)
        if not np.any(kept):
            raise Refusal(f"no finished run of arm {arm or 'all'!r} gave a loss: see isoflop status.")
        return table.select(kept)

    def fit(self, law: Law | str, table: RunTable, **settings: Any) -> Fit | str:
        """A fit by the rule of the study, or why these runs do not carry it."""
        rule = self.study.fit
        told = {"objective": rule.objective, "draws": rule.draws, "level": rule.level, "seed": self.study.seed}
        try:
            return fit(law, table, **{**told, **settings})
        except (Refusal, InputError, UsageError) as error:
            return str(error)


def parameter(name: str, found: Fit | str, key: str, published: float | None = None, source: str = "") -> Measured:
    """A parameter of a fit beside its published value; without a fit, the reason."""
    if isinstance(found, str):
        return Measured(name, None, published, source, found)
    ours = found.params[key]
    moved = any(key in moved_parameters(part, found.level) for part in found.parts)
    return Measured(name, ours, published, source, refusal(found) or (_end_of_interval(ours) if moved else ""))


def derived(
    name: str,
    found: Fit | str,
    of: Callable[[Mapping[str, Array]], Array],
    published: float | None = None,
    source: str = "",
) -> Measured:
    """A function of the parameters of a fit, with the interval of its draws."""
    if isinstance(found, str):
        return Measured(name, None, published, source, found)
    names = found.law.parameter_names
    # A draw may lie where the function has no value; it then says nothing about it.
    with np.errstate(all="ignore"):
        value = float(of({key: np.array(found.theta[place]) for place, key in enumerate(names)}))
        draws = of({key: found.ensemble.draws[:, place] for place, key in enumerate(names)})
    if not math.isfinite(value):
        return Measured(name, None, published, source, "the fit gives no such number.")
    return _of_fit(name, estimate(value, np.asarray(draws), found.level), found, published, source)


def frontier_exponent(name: str, found: Fit | FrontierFit | str, published: float, source: str) -> Measured:
    """How the best model size grows with compute, N ∝ C^a."""
    if isinstance(found, str):
        return Measured(name, None, published, source, found)
    told = found.frontier
    if "params_exponent" not in told:
        return Measured(name, None, published, source, "the fit has no frontier.")
    return _of_fit(name, told["params_exponent"], found, published, source)


def _of_fit(name: str, ours: Estimate, found: Fit | FrontierFit, published: float | None, source: str) -> Measured:
    """A number made of a fit; the note says whether it is refused or does not lie within its interval."""
    return Measured(name, ours, published, source, refusal(found) or _end_of_interval(ours))


def refusal(found: Fit | FrontierFit) -> str:
    """The codes for which a fit is refused, empty where it is not."""
    codes = [finding.code for finding in found.findings if finding.severity == "refuse"]
    return f"refused: {', '.join(codes)}" if codes else ""


def _end_of_interval(ours: Estimate) -> str:
    low = -math.inf if ours.low is None else ours.low
    high = math.inf if ours.high is None else ours.high
    if low == high or low < ours.value < high:
        return ""
    place = "where its interval ends" if ours.value in (low, high) else "outside its interval"
    return f"{place}: the fit that the draws surround gives another value"


def resting_on(item: Measured, *fits: tuple[str, Fit | str]) -> Measured:
    """A number that rests on other fits, each with what it is of: where one is refused, the note says so."""
    refused = [(name, refusal(found)) for name, found in fits if not isinstance(found, str)]
    notes = (item.note, *(f"rests on {name}, {told}" for name, told in refused if told))
    return replace(item, note="; ".join(filter(None, notes)))


def plain(value: float) -> Estimate | None:
    """A number without an interval; None for what is no number."""
    return Estimate(value, None, None) if math.isfinite(value) else None


def fits_of(**found: Fit | FrontierFit | str) -> dict[str, Fit | FrontierFit]:
    """Those that are fits, under names with hyphens."""
    return {name.replace("_", "-"): item for name, item in found.items() if not isinstance(item, str)}


def cells(*values: float | str) -> tuple[str, ...]:
    """Cells of a panel."""
    return tuple(value if isinstance(value, str) else format_number(float(value), 4) for value in values)


def along(table: RunTable, run: str) -> RunTable:
    """The evaluations of one run in the order of its steps."""
    chosen = table.select(table["run"] == run)
    return chosen.select(np.argsort(chosen.numbers("step"), kind="stable"))


def run_names(table: RunTable) -> list[str]:
    """The runs of a table in its order."""
    return list(dict.fromkeys(str(name) for name in table["run"]))


def best_of_each_run(table: RunTable) -> RunTable:
    """For every run the evaluation with the least loss: training stopped where held-out loss was best."""
    loss, names = table.numbers("loss"), np.array([str(name) for name in table["run"]])
    places = [np.flatnonzero(names == name) for name in run_names(table)]
    return table.select(np.array([place[np.argmin(loss[place])] for place in places]))


def spread_over_seeds(rows: RunTable) -> tuple[Measured, ...]:
    """Relative standard deviation of loss over seeds, pooled over what was trained more than once; () for nothing."""
    once = rows.select(np.unique([str(name) for name in rows["run"]], return_index=True)[1])
    told = [name for name in once.columns if name not in _OF_A_RUN and not name.startswith(("measure:", "position:"))]
    groups: dict[tuple[str, ...], list[float]] = {}
    for loss, *key in zip(once.numbers("loss"), *(once[name] for name in told), strict=True):
        groups.setdefault(tuple(str(value) for value in key), []).append(loss)
    repeated = [np.array(losses) for losses in groups.values() if len(losses) > 1]
    if not repeated:
        return ()
    squares = sum(float(np.sum((losses / losses.mean() - 1.0) ** 2)) for losses in repeated)
    spread = math.sqrt(squares / sum(len(losses) - 1 for losses in repeated))
    note = f"standard deviation, pooled over {len(repeated)} configurations trained more than once"
    return (Measured("spread of loss over seeds", plain(spread), note=note),)


def crossing(table: RunTable, target: float, column: str) -> float:
    """Where along `column` the loss of one run first falls to `target`, log-log between points; NaN where never."""
    value, loss = table.numbers(column), table.numbers("loss")
    below = np.flatnonzero(loss <= target)
    if not len(below) or below[0] == 0:
        return math.nan
    after, before = below[0], below[0] - 1
    share = (math.log(loss[before]) - math.log(target)) / (math.log(loss[before]) - math.log(loss[after]))
    return math.exp(math.log(value[before]) + share * (math.log(value[after]) - math.log(value[before])))


def lower_frontier(table: RunTable) -> RunTable:
    """The evaluations that no other reaches with less compute: the lower frontier of all learning curves."""
    order = np.argsort(table.numbers("compute"), kind="stable")
    loss = table.numbers("loss")[order]
    best = np.minimum.accumulate(loss)
    return table.select(order[loss <= best])
