"""`python -m benchmarks.peer_intervals PYTHON`: intervals of simple-scaling-laws beside ours, on the same studies.

PYTHON is an interpreter (3.12 or later) that has simple-scaling-laws 0.2.0. Writes benchmarks/peer_intervals.csv, from
which `benchmarks.coverage` makes its table: for every design and size of errors the peer's coverage, and its mean
interval score divided by ours.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is loaded

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coverage_measures import LEVEL, SETTINGS, Cell, bounds, score, simulate
from benchmarks.coverage_studies import DESIGNS, FADING, LAW, NOISES, TARGETS, Array, Design, targets
from isoflop.fitting.single import fit_law

PAGE = Path(__file__).with_name("peer_intervals.csv")
PEER = Path(__file__).with_name("interval_peer.py")
COUNT = 40


def main(interpreter: str) -> None:
    cells = [Cell(design, "besiroglu", noise) for design in DESIGNS if design != FADING for noise in NOISES]
    with PAGE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [f"{kind} {name}" for kind in ("coverage", "score") for name in TARGETS]
        writer.writerow(["design", "noise", "studies", *names])
        for cell in cells:
            coverage, ratio = compare(cell, interpreter)
            figures = [f"{value:.3f}" for value in (*coverage, *ratio)]
            writer.writerow([cell.design, cell.noise, COUNT, *figures])
            file.flush()
            print(cell.key, *figures, file=sys.stderr)


def compare(cell: Cell, interpreter: str) -> tuple[Array, Array]:
    """Coverage (6,) of the peer, and its mean interval score over ours (6,)."""
    studies = [simulate(cell, number) for number in range(COUNT)]
    asked = "\n".join(json.dumps(_study(design, loss)) for design, _, loss in studies)
    process = [interpreter, str(PEER), str(LEVEL)]
    answers = subprocess.run(process, input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    inside, theirs, ours = [], [], []
    for number, ((design, truth, loss), answer) in enumerate(zip(studies, answers, strict=True)):
        wanted = targets(truth, design)[0]
        low, high = np.array(json.loads(answer)).T
        inside.append((low <= wanted) & (wanted <= high))
        theirs.append(score(low, high, wanted))
        own_low, own_high, _ = bounds(fit_law(LAW, design.table(loss), replace(SETTINGS, seed=number)), design)
        ours.append(score(own_low, own_high, wanted))
    return np.mean(inside, axis=0), np.mean(theirs, axis=0) / np.mean(ours, axis=0)


def _study(design: Design, loss: Array) -> dict[str, Any]:
    return {
        "params": design.params.tolist(),
        "tokens": design.tokens.tolist(),
        "loss": loss.tolist(),
        "far_params": design.far["params"].tolist(),
        "far_tokens": design.far["tokens"].tolist(),
    }


if __name__ == "__main__":
    main(sys.argv[1])
