"""The public ladders that forecasts are scored on, read from `$ISOFLOP_DATA` by one rule each, the same for every law.

Every ladder is finished runs: model size, tokens, loss. What is left out is left out by a rule of the source (flagged
outliers, repeated data, re-runs), never by how well it fits.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isoflop.runs.compute import compute_of
from isoflop.runs.table import RunTable

Row = Mapping[str, str]

_OLMO_SIZES = {"190M": 190354176, "370M": 371262464, "760M": 758220288, "1B": 1279395840, "3B": 3169537280}
_MINI_STUDY = {
    "stdlib": ("runs_pystdlib_rope", "runs_pystdlib_rope_held"),
    "anarchism": ("runs_anarchism_rope", "runs_anarchism_rope_held"),
    "ebooks": ("runs_seb_rope",),
    "afaq, batch 8": ("runs_afaq_b8",),
    "afaq, batch 32": ("runs_afaq_wsd",),
    "afaq, quick": ("runs_afaq_quick2",),
    "kjv": ("runs_kjv_quick2",),
}


@dataclass(frozen=True)
class Ladder:
    """Finished runs of one source; `hidden` (n,) marks those that are forecast from the others."""

    name: str
    runs: RunTable
    hidden: NDArray[np.bool_]
    told: str = ""

    @property
    def fitted(self) -> RunTable:
        """The runs that a law may see."""
        return self.runs.select(~self.hidden)

    @property
    def outcomes(self) -> RunTable:
        """The runs that it must forecast."""
        return self.runs.select(self.hidden)


def ladders(data: Path) -> tuple[Ladder, ...]:
    """All ladders, in the order of the table."""
    return (
        _ladder("chinchilla-epoch", _epoch(data), "the five highest losses left out, as published"),
        *_collection(data),
        *_porian(data),
        _ladder("datablations", _datablations(data), "one epoch"),
        _ladder("gemstones", _gemstones(data), "losses after cooldown, each a finished run"),
        _ladder("misfitting", _misfitting(data), "finals at every learning rate tried"),
        _ladder("moe-routing, dense", _dense(data), "all at 130B tokens: a law of size alone"),
        _ladder("olmo-ladder, C4", _olmo(data), "without re-runs"),
        *(_ladder(f"mini-study, {name}", _mini(data, files)) for name, files in _MINI_STUDY.items()),
    )


def hide_largest(runs: RunTable) -> NDArray[np.bool_]:
    """The top decade of compute; the largest third of the budgets where less than two decades exist."""
    compute = compute_of(runs)
    if compute.max() >= 100.0 * compute.min():
        return np.asarray(compute > compute.max() / 10.0 * (1.0 + 1e-9))
    level = np.round(np.log(compute), 2)
    budgets = np.unique(level)
    return np.asarray(level >= budgets[-int(np.ceil(len(budgets) / 3))])


def _ladder(name: str, rows: Iterable[tuple[float, float, float]], told: str = "") -> Ladder:
    params, tokens, loss = np.array(list(rows)).T
    runs = RunTable.from_columns({"params": params, "tokens": tokens, "loss": loss}, source=(name,))
    return Ladder(name, runs, hide_largest(runs), told)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _numbers(rows: Iterable[Row], *columns: str | Callable[[Row], float]) -> list[tuple[float, ...]]:
    return [tuple(float(row[c]) if isinstance(c, str) else c(row) for c in columns) for row in rows]


def _epoch(data: Path) -> list[tuple[float, ...]]:
    rows = _read(data / "chinchilla-epoch" / "svg_extracted_data.csv")
    limit = sorted(float(row["loss"]) for row in rows)[-5]
    kept = [row for row in rows if float(row["loss"]) < limit]
    return _numbers(kept, "N", lambda row: float(row["C"]) / (6.0 * float(row["N"])), "loss")


def _collection(data: Path) -> list[Ladder]:
    rows = [row for row in _read(data / "isoflop-collection" / "isoflops.csv") if row["outlier"] != "True"]
    names = {row["experiment"]: f"{row['source'].split('_')[0]}, {row['dataset']}" for row in rows}
    return [
        _ladder(
            f"isoflops {name}",
            _numbers([row for row in rows if row["experiment"] == experiment], "params", "tokens", "loss"),
            "flagged outliers left out",
        )
        for experiment, name in names.items()
    ]


def _porian(data: Path) -> list[Ladder]:
    wanted = {"hparams": "tuned", "warmup": "short", "param_count": "standard"}
    rows = [
        row
        for row in _read(data / "porian" / "isoflop_points.csv")
        if all(row[name] == value for name, value in wanted.items())
    ]
    return [
        _ladder(f"porian, {name}", _numbers([row for row in rows if row["dataset"] == name], "N", "D", "loss"), "tuned")
        for name in ("rw", "owt2")
    ]


def _datablations(data: Path) -> list[tuple[float, ...]]:
    rows = _read(data / "datablations" / "c4_repeat_runs.csv")
    return _numbers([row for row in rows if abs(float(row["epochs"]) - 1.0) < 1e-6], "N", "D", "loss")


def _gemstones(data: Path) -> list[tuple[float, ...]]:
    return _numbers(_read(data / "gemstones" / "cool_end.csv"), "params_active_precise", "tokens", "final_loss")


def _misfitting(data: Path) -> list[tuple[float, ...]]:
    return _numbers(_read(data / "misfitting" / "scaling_results_last_ckpt_only.csv"), "N", "D", "loss")


def _dense(data: Path) -> list[tuple[float, ...]]:
    rows = [row for row in _read(data / "moe-routing" / "final_losses.csv") if row["router_type"] == "Dense"]
    return _numbers(rows, "total_parameter_count", lambda row: 130e9, "loss_validation")


def _olmo(data: Path) -> list[tuple[float, ...]]:
    rows = [row for row in _read(data / "olmo-ladder" / "final_checkpoints.csv") if "rerun" not in row["run"]]
    return _numbers(
        rows,
        lambda row: float(_OLMO_SIZES[row["run"].split("-")[0]]),
        "throughput/total_tokens",
        "eval/c4_en-validation/CrossEntropyLoss",
    )


def _mini(data: Path, files: Iterable[str]) -> list[tuple[float, ...]]:
    rows = [row for name in files for row in _read(data / "mini-study" / f"{name}.csv")]
    return _numbers(rows, "N_total", "tokens", "loss")
