"""The table of a study: every held-out loss that its runs logged, one row each, re-derived from the logs alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.accounting.flops import training_flops
from isoflop.accounting.parameters import count_parameters
from isoflop.errors import InputError
from isoflop.quantities import ParamCount
from isoflop.runs.directory import RunDirectory
from isoflop.runs.run import Evaluation, Run
from isoflop.runs.spec import RunSpec
from isoflop.runs.table import RunTable
from isoflop.studies.study import PlannedRun

Row = dict[str, float | str]


def evaluation_table(study_directory: Path, planned: Sequence[PlannedRun], param_count: ParamCount) -> RunTable:
    """Every evaluation of the planned runs that are done; `params` as `param_count` counts them.

    Columns: run, arm, part, cooled (1 at the end of a run or branch), step, tokens, params (and both counts), compute,
    loss, loss_se, what the run was trained with, `mix:PART`, `position:N` and `measure:NAME`; NaN was not taken.

    Raises:
        InputError: no run is done.
    """
    rows = [row for run in planned for row in _rows_of_run(study_directory, run, param_count)]
    if not rows:
        raise InputError(f"{study_directory} has no finished run: isoflop run it first.")
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns: dict[str, Any] = {}
    for name in names:
        is_text = any(isinstance(row.get(name), str) for row in rows)
        columns[name] = [row.get(name, "" if is_text else np.nan) for row in rows]
    return RunTable.from_columns(columns, param_count=param_count, source=("runs",))


def logged_evaluations(directory: RunDirectory) -> tuple[Evaluation, ...]:
    """The evaluations in the logs of all attempts at a run; of one taken twice, the later one."""
    found: dict[tuple[int, str, bool], Evaluation] = {}
    for record in directory.metrics().records:
        told = record.get("evaluation")
        if isinstance(told, dict):
            evaluation = Evaluation.from_dict(told)
            found[evaluation.step, evaluation.part, evaluation.cooled] = evaluation
    return tuple(sorted(found.values(), key=lambda item: (item.step, item.cooled, item.part)))


def _rows_of_run(study_directory: Path, planned: PlannedRun, param_count: ParamCount) -> Iterator[Row]:
    directory = RunDirectory(study_directory / "runs" / planned.spec.identifier)
    result = directory.result()
    if result is None or result.state != "done":
        return
    told = _told(planned.spec, param_count)
    for arm in planned.arms:
        for item in logged_evaluations(directory) or _from_result(result):
            yield {
                "run": planned.spec.identifier,
                "arm": arm,
                "part": item.part,
                "cooled": float(item.cooled),
                "step": float(item.step),
                "tokens": float(item.tokens),
                "loss": item.loss,
                "loss_se": item.standard_error,
                "compute": training_flops(planned.spec.shape, item.tokens),
                **told,
                **{f"measure:{name}": value for name, value in item.measures.items()},
                **{f"position:{place}": value for place, value in enumerate(item.positions, start=1)},
            }


def _from_result(result: Run) -> tuple[Evaluation, ...]:
    """The one loss of a run whose trainer logs no evaluations."""
    if result.loss is None:
        return ()
    error = math.nan if result.loss_standard_error is None else result.loss_standard_error
    return (Evaluation(result.spec.steps, result.spec.tokens, result.loss, error),)


def _told(spec: RunSpec, param_count: ParamCount) -> Row:
    shape, count = spec.shape, count_parameters(spec.shape)
    return {
        "params": float(count.non_embedding if param_count == "non-embedding" else count.total),
        "params_total": float(count.total),
        "params_non_embedding": float(count.non_embedding),
        "family": shape.family,
        "width": float(shape.width),
        "layers": float(shape.layers),
        "heads": float(shape.heads),
        "feedforward": float(shape.feedforward),
        "reuse": float(shape.reuse),
        "context": float(shape.context),
        "vocab": float(shape.vocab),
        "seed": float(spec.seed),
        "batch_tokens": float(spec.batch_tokens),
        "run_tokens": float(spec.tokens),
        "unique_tokens": float(min(spec.text.tokens, spec.unique_tokens or spec.text.tokens)),
        "optimizer": spec.optimizer.name,
        "learning_rate": spec.optimizer.learning_rate,
        "schedule": spec.schedule.kind,
        "horizon": spec.schedule.horizon,
        **{f"mix:{part.name}": weight for part, weight in zip(spec.text.parts, _weights(spec), strict=True)},
    }


def _weights(spec: RunSpec) -> list[float]:
    """The share of every part of the text in training."""
    weights = list(spec.mixture) or [float(part.tokens) for part in spec.text.parts]
    return [weight / sum(weights) for weight in weights]
