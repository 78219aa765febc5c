"""The common ground of the benchmarks: Epoch's 240 digitised runs, the objective, and how time is taken."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.laws.graph import Array
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable

OPTIMUM = 0.001018274017800603  # Σ Huber at the certified optimum
DELTA = 1e-3


@dataclass(frozen=True)
class Timed:
    """CPU seconds of this process, and what the work returned."""

    seconds: float
    result: Any


def timed(work: Callable[[], Any], repeats: int = 1) -> Timed:
    """The median CPU time of `repeats` runs: other processes on the machine do not count."""
    seconds, result = [], None
    for _ in range(repeats):
        begin = time.process_time()
        result = work()
        seconds.append(time.process_time() - begin)
    return Timed(statistics.median(seconds), result)


def data_file() -> Path:
    """Where $ISOFLOP_DATA keeps the digitised points."""
    if "ISOFLOP_DATA" not in os.environ:
        raise SystemExit("Set ISOFLOP_DATA to the directory that holds chinchilla-epoch/svg_extracted_data.csv.")
    return Path(os.environ["ISOFLOP_DATA"]) / "chinchilla-epoch" / "svg_extracted_data.csv"


def epoch_runs() -> RunTable:
    """The 240 runs that are left when the five highest losses are dropped, as Besiroglu et al. do."""
    table = read_runs(data_file())
    return table.select(np.asarray(table["loss"]) < np.sort(table["loss"])[-5])


def excess(objective: float) -> float:
    """How far an objective lies above the optimum, relatively."""
    return objective / OPTIMUM - 1.0


def logs(runs: RunTable) -> tuple[Array, Array, Array]:
    """log N, log D, log L."""
    return np.log(runs["params"]), np.log(runs.tokens()), np.log(np.asarray(runs["loss"], dtype=float))
