"""From logs to rows: counters between steps, metrics by the user's word, settings that differ, names that repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoflop.readers.assemble import assemble
from isoflop.readers.cells import Said, interpret
from isoflop.readers.log import RunLog, Series
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable
from tests.readers import golden
from tests.readers.test_trackers import write_wandb

STEPS = np.array([10.0, 20.0, 30.0, 40.0])


def log(name: str = "a", metrics: dict[str, list[float]] | None = None, **fields: Any) -> RunLog:
    given = {"val/loss": [4.0, 3.0, 2.5, 2.0]} if metrics is None else metrics
    series = {key: Series(STEPS[: len(values)], np.array(values)) for key, values in given.items()}
    return RunLog(name, f"place/{name}", {**series, **fields.pop("series", {})}, **fields)


def table(*logs: RunLog, rows: Any = "finals", chosen: dict[str, str] | None = None) -> RunTable:
    return interpret(assemble(logs, "logs", rows, chosen or {}), Said(chosen or {}))[0]


def test_counters_are_interpolated_to_the_steps_of_the_loss_and_beyond() -> None:
    tokens = Series(np.array([5.0, 25.0]), np.array([500.0, 2500.0]))
    got = table(log(series={"total_tokens": tokens}), rows="checkpoints")
    assert got["tokens"].tolist() == [1000, 2000, 3000, 4000]
    assert table(log(series={"total_tokens": tokens}))["tokens"].tolist() == [4000]


def test_counts_of_one_step_are_not_taken_for_counts_so_far() -> None:
    got = table(log(metrics={"val/loss": [4.0, 3.0, 2.5, 2.0], "tokens": [512.0, 512.0, 512.0, 512.0]}))
    assert not got.has("compute")
    assert not got.has("tokens")


def test_units_of_counters_are_in_their_names() -> None:
    got = table(log(metrics={"val/loss": [4.0, 3.0], "throughput/total_gflops": [1.0, 2.0]}))
    assert got["compute"].tolist() == [2e9]


def test_the_learning_rate_is_the_peak_not_what_the_schedule_ended_with() -> None:
    got = table(log(metrics={"val/loss": [4.0, 3.0, 2.5, 2.0], "train/lr": [1e-4, 3e-4, 2e-4, 0.0]}))
    assert got["learning_rate"].tolist() == [3e-4]


def test_metrics_and_settings_become_columns_by_the_users_word() -> None:
    logs = [log(metrics={"nll": [4.0, 3.0], "val/loss": [9.0, 9.0], "words": [10.0, 20.0]}, config={"hid": 64})]
    got = table(*logs, chosen={"nll": "loss", "words": "tokens", "hid": "width"})
    assert (got["loss"].tolist(), got["tokens"].tolist(), got["width"].tolist()) == ([3.0], [20.0], [64.0])


def test_settings_that_are_equal_in_all_runs_are_no_columns_unless_understood() -> None:
    logs = [log(name, config={"n_layer": 2, "device": "cpu", "trick": name}) for name in "ab"]
    got = table(*logs)
    assert got.has("layers") and got.has("trick")
    assert not got.has("device")


def test_runs_without_the_loss_of_the_others_are_left_out_by_name() -> None:
    got = table(log("a"), log("b", metrics={"train/loss": [4.0, 3.0]}), log("c"))
    assert got["run"].tolist() == ["a", "c"]
    assert [(item.row, item.reason) for item in got.excluded] == [(3, "run b: it has no val/loss")]


def test_several_equally_plain_losses_are_asked_for_and_kept_under_their_names() -> None:
    got = table(log(metrics={"eval/a/loss": [4.0, 3.0], "eval/b_c/loss": [5.0, 4.0]}))
    assert not got.has("loss")
    assert got["eval/a/loss"].tolist() == [3.0]
    (question,) = [item for item in got.findings if item.code == "ask-loss"]
    assert "--map 'eval/a/loss=loss'" in question.message


def test_metrics_of_the_machine_are_left_out() -> None:
    got = table(log(metrics={"val/loss": [4.0, 3.0], "system/gpu.0.temp": [60.0, 61.0], "accuracy": [0.1, 0.2]}))
    assert got["accuracy"].tolist() == [0.2]
    assert not any("temp" in name for name in got.columns)


@pytest.mark.parametrize("rows", ["finals", "last"])
def test_a_peak_of_nothing_but_nan_is_no_learning_rate(rows: str) -> None:
    nan = float("nan")
    got = table(log(metrics={"val/loss": [4.0, 3.0], "lr": [nan, nan]}), rows=rows)
    assert np.isnan(got["learning_rate"]).all()


def test_two_hundred_run_folders_are_one_table(tmp_path: Path) -> None:
    history = [{"_step": 1, "val/loss": 3.0}]
    for number in range(200):
        write_wandb(
            tmp_path, f"r{number}", golden.wandb_file(history, {"n_params": (number + 1) * 1e6}, name=f"r{number}")
        )
    got = read_runs(tmp_path)
    assert len(got) == 200
    assert sorted(got["params"].tolist()) == [(number + 1) * 1e6 for number in range(200)]


def test_a_metric_without_a_name_is_nothing() -> None:
    got = table(log(metrics={"": [4.0, 3.0], " ": [1.0], "accuracy": [0.1, 0.2]}))
    assert got["accuracy"].tolist() == [0.2]
    assert "" not in got.columns
