"""From loss to accuracy on OLMo's ladder, and zero-shot error of compute in OpenCLIP."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit, predict
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable
from tests.published.published_case import Published, rows_of

SIZES = {"190M": 190354176, "370M": 371262464, "760M": 758220288, "1B": 1279395840, "3B": 3169537280}
LENGTHS = ("1xC", "2xC", "5xC", "10xC")
SPLITS = ("stem", "humanities", "social_sciences", "other")
TASKS = {
    "MMLU": tuple(f"mmlu_{subject}_{part}" for part in ("val", "test") for subject in SPLITS),
    "HellaSwag": ("hellaswag_val",), "PIQA": ("piqa_val",), "Social IQa": ("socialiqa_val",),
}  # fmt: skip
TARGET = "3B-10xC"


def task_table(rows: list[dict[str, str]], task: str) -> RunTable:
    """Model size, tokens, bits per byte of the correct answer and accuracy, averaged over the parts of a task."""
    parts = TASKS[task]
    bits, correct = (
        np.array([[float(row[before + part + after] or "nan") for part in parts] for row in rows]).mean(axis=1)
        for before, after in (
            ("eval/downstream_bpb/", "_rc_5shot_bpb"), ("eval/downstream/", "_rc_5shot_len_norm"),
        )
    )  # fmt: skip
    columns = {
        "params": np.array([float(SIZES[row["run"].partition("-")[0]]) for row in rows]),
        "tokens": np.array([float(row["throughput/total_tokens"] or "nan") for row in rows]),
        "task_loss": bits,
        "accuracy": correct,
    }
    whole = np.all([np.isfinite(values) for values in columns.values()], axis=0)
    return RunTable.from_columns({name: values[whole] for name, values in columns.items()})


def in_ladder(row: dict[str, str]) -> bool:
    size, _, length = row["run"].partition("-")
    return size != "3B" and length in LENGTHS


@cache
def checkpoints(data: Path) -> list[dict[str, str]]:
    """Those of the ladder of 190M to 1.3B parameters, without the first tenth of each run."""
    rows = [row for row in rows_of(data / "olmo-ladder/all_checkpoints.csv.gz") if in_ladder(row)]
    last: dict[str, float] = {}
    for row in rows:
        last[row["run"]] = max(last.get(row["run"], 0.0), float(row["_step"]))
    return [row for row in rows if float(row["_step"]) > 0.1 * last[row["run"]]]


@cache
def two_steps(data: Path, task: str) -> tuple[Fit, Fit]:
    finals = [row for row in rows_of(data / "olmo-ladder/final_checkpoints.csv") if in_ladder(row)]
    loss = fit("chinchilla", task_table(finals, task), y="task_loss", draws=0)
    link = fit("link-two-step", task_table(checkpoints(data), task), objective="huber:1e-3@value", starts="projected",
               draws=0)  # fmt: skip
    return loss, link


def forecast_accuracy(task: str) -> Callable[[Path], float]:
    def ours(data: Path) -> float:
        loss, link = two_steps(data, task)
        target = task_table(rows_of(data / "olmo-ladder/final_checkpoints.csv", run=TARGET), task)
        bits = predict(loss.law, loss.theta, {name: target[name] for name in ("params", "tokens")})[0]
        return float(predict(link.law, link.theta, {"task_loss": bits})[0, 0])

    return ours


def zero_shot(data: Path) -> Path:
    return data / "openclip/zeroshot_results.csv"


@cache
def error_runs(data: Path, source: str) -> RunTable:
    """Zero-shot error on ImageNet and total multiply-adds of the models whose training data begin with `source`."""
    rows = [
        row for row in rows_of(zero_shot(data), downstream_dataset="imagenet1k")
        if row["upstream_dataset"].startswith(source)
    ]  # fmt: skip
    error = np.array([1.0 - float(row["acc1"]) for row in rows])
    return RunTable.from_columns({"gmacs_total": np.array([float(row["gmacs_total"]) for row in rows]), "error": error})


def pareto(source: str) -> Callable[[Path], float]:
    """The power of compute through the models that none beats with less compute."""

    def ours(data: Path) -> float:
        runs = error_runs(data, source)
        order = np.argsort(runs["gmacs_total"], kind="stable")
        error = np.asarray(runs["error"])[order]
        best = order[error < np.concatenate([[np.inf], np.minimum.accumulate(error)[:-1]])]
        frontier = RunTable.from_columns({name: np.asarray(runs[name])[best] for name in ("gmacs_total", "error")})
        return float(fit("power", frontier, x=["gmacs_total"], y="error", objective="ls", draws=0).theta[1])

    return ours


def accuracy_of_compute(data: Path) -> Fit:
    """The power law of the error, as a formula of the accuracy that the published file holds."""
    condition = "downstream_dataset == 'imagenet1k' and upstream_dataset == 'LAION-2B'"
    runs = read_runs(zero_shot(data), where=condition)
    return fit("1 - K*gmacs_total^a", runs, x=["gmacs_total"], y="acc1", objective="ls@value", draws=0)


MEASURED = {"MMLU": "0.4096", "HellaSwag": "0.7311", "PIQA": "0.7894", "Social IQa": "0.5614"}
FORECAST = (
    "a forecast: the paper promises 2 points on these four tasks, for 7B and 13B models; here only the ladder of "
    "190M to 1.3B is seen"
)
CASES = [
    *(
        Published(f"Bhagia, accuracy of {TARGET} measured, {task}", measured, forecast_accuracy(task), 0.02, FORECAST)
        for task, measured in MEASURED.items()
    ),
    Published("OpenCLIP, power of compute in ImageNet error, by linear regression", "-0.1110", pareto("LAION")),
    Published("OpenAI's CLIP, power of compute in ImageNet error, by linear regression", "-0.1638", pareto("CLIP-WIT")),
]
