"""Runs made from a known law, as `evaluation_table` gives them, and what an analysis says of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from isoflop.lab.corpus import KnownEntropy
from isoflop.runs.table import RunTable
from isoflop.studies.analyses.analysis import Analysis, Evidence
from isoflop.studies.analyses.catalogue import find_analysis
from isoflop.studies.study_file import parse_study

STUDY = """
name = "made"
analysis = "{analysis}"
[text]
source = "synthetic"
[ladder]
widths = [8]
head_width = 8
tokens = [1024]
[training]
context = 32
batch_tokens = 512
[training.learning_rate]
coefficient = 0.1
[evaluation]
windows = 16
[fit]
draws = 40
"""
SIZES = np.geomspace(1e4, 3e6, 7)
Row = dict[str, float | str]


def row(size: float, tokens: float, loss: float, **told: float | str) -> Row:
    """One evaluation at the end of a run, as `evaluation_table` has it."""
    return {
        "run": f"{size:.0f}-{told.get('run_tokens', tokens):.0f}-{told.get('unique_tokens', 1e12):.0f}"
        f"-{told.get('arm', '')}-{told.get('batch_tokens', 512)}-{told.get('learning_rate', 0)}",
        "arm": "", "part": "", "cooled": 1.0, "step": tokens / 512, "tokens": tokens, "loss": loss, "loss_se": 0.001,
        "compute": 6 * size * tokens, "params": size, "params_total": size, "params_non_embedding": size,
        "layers": 2.0, "width": 16.0, "heads": 2.0, "feedforward": 64.0, "context": 32.0, "batch_tokens": 512.0,
        "run_tokens": tokens, "unique_tokens": 1e12, "learning_rate": 0.01, "horizon": 1.0, "reuse": 1.0,
        "optimizer": "adamw",
        **told,
    }  # fmt: skip


def answer(
    name: str, rows: Sequence[Row], arms: Sequence[str] = (), known: KnownEntropy | None = None, last_arm: str = ""
) -> Analysis:
    """What the analysis `name` makes of rows; `last_arm` is what the study file says further of the last arm."""
    told = STUDY.format(analysis=name) + "".join(f'[[arms]]\nname = "{arm}"\n' for arm in arms) + last_arm
    columns = list(dict.fromkeys(key for item in rows for key in item))
    table = RunTable.from_columns(
        {key: [item.get(key, math.nan) for item in rows] for key in columns}, param_count="total", source=("made",)
    )
    return find_analysis(name)(Evidence(parse_study(told, "made"), table, known))


def number(analysis: Analysis, name: str) -> float:
    item = next(item for item in analysis.measured if item.name.startswith(name))
    assert item.ours is not None, item.note
    return item.ours.value


def panel(analysis: Analysis, *columns: str) -> list[tuple[float, ...]]:
    """Numbers of the first panel, in the columns whose names begin so."""
    shown = analysis.panels[0]
    places = [next(i for i, name in enumerate(shown.columns) if name.startswith(column)) for column in columns]
    return [tuple(float(line[place].replace(",", "")) for place in places) for line in shown.rows]


def chinchilla(size: float, tokens: float) -> float:
    return float(1.7 + 40 / size**0.34 + 150 / tokens**0.28)


def without_floor(size: float, tokens: float) -> float:
    return float(40 / size**0.34 + 150 / tokens**0.28)


def curve(size: float, end: float, loss: Callable[[float, float], float], **told: float | str) -> list[Row]:
    """A learning curve of twelve evaluations, the last of them cooled."""
    tokens = np.geomspace(end / 64, end, 12)
    return [row(size, t, loss(size, t), run_tokens=end, cooled=float(t == end), **told) for t in tokens]
