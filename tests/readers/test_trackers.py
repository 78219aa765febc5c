"""Trackers on disk, from golden bytes: W&B, TensorBoard, MLflow, trackio, the Trainer, CSV loggers."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from isoflop.errors import InputError
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable
from tests.readers import golden

CONFIG = {"n_params": 1e6, "batch_size": 8, "seq_len": 64, "max_steps": 40}
POINTS = [(10, "train/loss", 3.5), (20, "val/loss", 3.25), (30, "train/loss", 3.0), (40, "val/loss", 2.75)]
HISTORY = [{"_step": step, "_runtime": 1.5, name: value} for step, name, value in POINTS]


def codes(table: RunTable) -> list[str]:
    return [finding.code for finding in table.findings]


def write_wandb(folder: Path, identifier: str, content: bytes, time: str = "20260101_000000") -> Path:
    place = folder / "wandb" / f"offline-run-{time}-{identifier}"
    place.mkdir(parents=True)
    (place / f"run-{identifier}.wandb").write_bytes(content)
    return place


def assert_is_the_run(table: RunTable, name: str = "small") -> None:
    assert table["run"].tolist() == [name]
    assert table["loss"].tolist() == [2.75]
    assert table["params"].tolist() == [1e6]
    assert table["step"].tolist() == [40]
    assert table["train_loss"].tolist() == [3.0]


@pytest.mark.parametrize("nested", [False, True])
def test_wandb_offline(tmp_path: Path, nested: bool) -> None:
    write_wandb(tmp_path, "abc", golden.wandb_file(HISTORY, CONFIG, name="small", nested=nested))
    table = read_runs(tmp_path)
    assert_is_the_run(table)
    assert table["state"].tolist() == ["finished"]


def test_wandb_records_longer_than_a_block_and_torn_ends(tmp_path: Path) -> None:
    history = [*HISTORY[:3], {"_step": 35, "note": "x" * 100_000}, HISTORY[3]]
    whole = golden.wandb_file(history, CONFIG, name="small", exit_code=None)
    write_wandb(tmp_path / "whole", "abc", whole)
    assert_is_the_run(read_runs(tmp_path / "whole"))
    torn = golden.wandb_file([*history, {"_step": 50, "val/loss": 2.5}], CONFIG, name="small", exit_code=None)
    write_wandb(tmp_path / "torn", "abc", torn[:-5])
    table = read_runs(tmp_path / "torn")
    assert_is_the_run(table)
    assert any("torn or damaged" in finding.message for finding in table.findings)


def test_wandb_a_flipped_byte_costs_a_record_and_not_the_run(tmp_path: Path) -> None:
    whole = golden.wandb_file([*HISTORY, {"_step": 50, "val/loss": 9.0}], CONFIG, name="small")
    damaged = bytearray(whole)
    damaged[whole.rindex(b"9.0")] ^= 1
    write_wandb(tmp_path, "abc", bytes(damaged))
    assert_is_the_run(read_runs(tmp_path))


def test_wandb_a_run_that_was_resumed_is_one_run(tmp_path: Path) -> None:
    dead = [*HISTORY, {"_step": 50, "val/loss": 9.0, "train/loss": 9.0}]
    write_wandb(tmp_path, "abc", golden.wandb_file(dead, CONFIG, name="small", exit_code=None), "20260101_000000")
    resumed = [{"_step": 30, "train/loss": 3.0}, {"_step": 40, "val/loss": 2.75}]
    write_wandb(tmp_path, "abc", golden.wandb_file(resumed, CONFIG, name="small"), "20260102_000000")
    table = read_runs(tmp_path)
    assert_is_the_run(table)
    assert "overlapping-restarts" in codes(table)


def test_wandb_synced_folder_without_a_log_gives_settings_and_summary(tmp_path: Path) -> None:
    files = tmp_path / "wandb/run-20260101_000000-abc/files"
    files.mkdir(parents=True)
    (files / "wandb-summary.json").write_text(json.dumps({"val/loss": 2.75, "_step": 40, "train/loss": 3.0}))
    (files / "config.yaml").write_text("n_params:\n  desc: null\n  value: 1e6\nwandb_version: 1\n")
    (files / "wandb-metadata.json").write_text('{"gpu_count": 8}')
    table = read_runs(tmp_path)
    assert table["loss"].tolist() == [2.75]
    assert table["params"].tolist() == [1e6]
    assert table["gpus"].tolist() == [8]


def test_wandb_failed_and_diverged_runs_are_left_out_with_the_reason(tmp_path: Path) -> None:
    write_wandb(tmp_path, "a", golden.wandb_file(HISTORY, CONFIG, name="good"))
    write_wandb(tmp_path, "b", golden.wandb_file(HISTORY, {"n_params": 2e6}, name="crashed", exit_code=1))
    burst = [*HISTORY, {"_step": 50, "val/loss": "NaN"}]
    write_wandb(tmp_path, "c", golden.wandb_file(burst, {"n_params": 2e6}, name="burst"))
    table = read_runs(tmp_path)
    assert table["run"].tolist() == ["good"]
    reasons = sorted(item.reason for item in table.excluded)
    assert reasons[0].startswith("run burst: diverged: val/loss is unknown from step 50 on")
    assert reasons[1].startswith("run crashed: failed")
    assert "excluded-rows" in codes(table)


@pytest.mark.parametrize("style", ["simple", "tensor", "content"])
def test_tensorboard_in_every_style(tmp_path: Path, style: str) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small/events.out.tfevents.1.vm").write_bytes(golden.events_file(POINTS, style=style))
    table = read_runs(tmp_path, constants={"params": "1M"})
    assert_is_the_run(table)


def test_tensorboard_restarts_several_writers_and_torn_files(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    dead = [*POINTS, (50, "val/loss", 9.0)]
    (tmp_path / "small/events.out.tfevents.1.vm").write_bytes(golden.events_file(dead))
    later = golden.events_file([(40, "val/loss", 2.75), (60, "val/loss", 1.0)])
    (tmp_path / "small/events.out.tfevents.2.vm").write_bytes(later[:-3])
    table = read_runs(tmp_path, constants={"params": 1e6})
    assert_is_the_run(table)
    assert {"overlapping-restarts", "log-note"} <= set(codes(table))


def test_tensorboard_a_changed_record_is_left_out(tmp_path: Path) -> None:
    whole = bytearray(golden.events_file([*POINTS, (50, "val/loss", 9.0)]))
    whole[-8] ^= 1
    (tmp_path / "events.out.tfevents.1.vm").write_bytes(bytes(whole))
    assert read_runs(tmp_path)["loss"].tolist() == [2.75]


def test_tensorboard_twins_over_samples_are_not_taken_for_curves(tmp_path: Path) -> None:
    points = [*POINTS, (4000, "val/loss vs samples", 2.75)]
    (tmp_path / "events.out.tfevents.1.vm").write_bytes(golden.events_file(points))
    assert read_runs(tmp_path)["step"].tolist() == [40]


def test_mlflow_database(tmp_path: Path) -> None:
    points: Sequence[tuple[int, str, float]] = [*POINTS]
    golden.mlflow_database(tmp_path / "mlflow.db", {"small": points}, n_params="1000000.0", max_steps="40")
    table = read_runs(tmp_path / "mlflow.db")
    assert_is_the_run(table)
    assert table["state"].tolist() == ["finished"]


def test_mlflow_nan_and_deleted_runs(tmp_path: Path) -> None:
    import sqlite3

    burst = [*POINTS, (50, "val/loss", math.nan)]
    golden.mlflow_database(tmp_path / "mlflow.db", {"small": POINTS, "burst": burst, "gone": POINTS}, n_params="1e6")
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        store.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'gone'")
    table = read_runs(tmp_path / "mlflow.db")
    assert_is_the_run(table)
    assert [item.reason[:20] for item in table.excluded] == ["run burst: diverged:"]


def test_mlflow_metrics_all_at_step_0_are_said(tmp_path: Path) -> None:
    golden.mlflow_database(tmp_path / "mlflow.db", {"small": [(0, "val/loss", 3.0), (0, "val/loss", 2.75)]})
    table = read_runs(tmp_path / "mlflow.db")
    assert table["loss"].tolist() == [2.75]
    assert any("at step 0 only" in finding.message for finding in table.findings)


def test_mlflow_folders(tmp_path: Path) -> None:
    run = tmp_path / "mlruns/0/abc"
    (run / "metrics/val").mkdir(parents=True)
    (run / "metrics/train").mkdir()
    (run / "params").mkdir()
    (tmp_path / "mlruns/0/meta.yaml").write_text("experiment_id: '0'\n")
    (run / "meta.yaml").write_text("run_name: small\nstatus: 3\nlifecycle_stage: active\n")
    (run / "metrics/val/loss").write_text("1 3.25 20\n3 2.75 40\ntorn")
    (run / "metrics/train/loss").write_text("0 3.5 10\n2 3.0 30\n")
    (run / "params/n_params").write_text("1e6")
    table = read_runs(tmp_path)
    assert_is_the_run(table)
    assert any("torn or damaged" in finding.message for finding in table.findings)


def test_trackio_with_json_as_bytes(tmp_path: Path) -> None:
    steps = [(step, {name: value}) for step, name, value in POINTS]
    golden.trackio_database(tmp_path / "toy.db", {"small": steps}, n_params=1e6)
    assert_is_the_run(read_runs(tmp_path / "toy.db"))


def test_another_database_is_refused(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "x.db") as store:
        store.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(InputError, match="neither MLflow nor trackio"):
        read_runs(tmp_path / "x.db")


def write_state(folder: Path, state: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps(state))


def test_trainer_state_of_root_and_checkpoints_is_one_run(tmp_path: Path) -> None:
    halfway = {**golden.TRAINER_STATE, "global_step": 10, "log_history": golden.TRAINER_STATE["log_history"][:2]}
    write_state(tmp_path / "a/checkpoint-10", halfway)
    write_state(tmp_path / "a/checkpoint-20", golden.TRAINER_STATE)
    write_state(tmp_path / "a", golden.TRAINER_STATE)
    (tmp_path / "a/config.json").write_text('{"n_layer": 2, "n_embd": 16, "vocab_size": 64}')
    table = read_runs(tmp_path)
    assert table["run"].tolist() == ["a"]
    assert table["loss"].tolist() == [4.0], "the train_loss of the last row is a mean, not the last loss"
    assert table["tokens"].tolist() == [2560]
    assert table["params_non_embedding"].tolist() == [101253120.0 / (6 * 2560)]
    assert table["learning_rate"].tolist() == [4e-5]
    assert (table["layers"].tolist(), table["width"].tolist()) == ([2], [16])
    assert table["state"].tolist() == ["finished"]


def test_trainer_state_counts_parameters_from_the_headers_of_weights(tmp_path: Path) -> None:
    write_state(tmp_path / "a", golden.TRAINER_STATE)
    shapes = {"transformer.wte.weight": [64, 16], "transformer.h.0.attn.weight": [16, 48], "lm_head.weight": [64, 16]}
    header = json.dumps(
        {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    )
    content = struct.pack("<Q", len(header)) + header.encode()
    (tmp_path / "a/model.safetensors").write_bytes(content)
    table = read_runs(tmp_path)
    assert table["params_total"].tolist() == [64 * 16 * 2 + 16 * 48]
    assert table["params_non_embedding"].tolist() == [16 * 48]


def test_a_run_logged_by_two_tools_is_read_once(tmp_path: Path) -> None:
    write_state(tmp_path / "a", golden.TRAINER_STATE)
    (tmp_path / "a/runs/Jan01").mkdir(parents=True)
    (tmp_path / "a/runs/Jan01/events.out.tfevents.1.vm").write_bytes(golden.events_file(POINTS))
    write_wandb(tmp_path / "a", "abc", golden.wandb_file(HISTORY, CONFIG))
    table = read_runs(tmp_path)
    assert len(table) == 1
    messages = [finding.message for finding in table.findings if finding.code == "covered-logs"]
    assert sorted(message.split(": ")[1].split(";")[0] for message in messages) == ["1 tensorboard log", "1 wandb log"]
    assert read_runs(tmp_path, format="wandb")["run"].tolist() == ["run"]


CURVE = "epoch,step,train/loss,val/loss\n0,10,3.5,\n0,20,,3.25\n1,30,3.0,\n1,40,,2.75\n"


def test_lightning_csv_logger(tmp_path: Path) -> None:
    place = tmp_path / "small/version_0"
    place.mkdir(parents=True)
    (place / "metrics.csv").write_text(CURVE)
    (place / "hparams.yaml").write_text("n_params: 1e6\n")
    assert_is_the_run(read_runs(tmp_path))


def test_litgpt_takes_the_tokens_of_all_devices(tmp_path: Path) -> None:
    place = tmp_path / "out/logs/csv/version_0"
    place.mkdir(parents=True)
    (place / "metrics.csv").write_text(
        "epoch,iter,loss,step,tokens,total_tokens,val_loss\n0,10,3.5,10,100,800,\n0,20,3.0,20,200,1600,\n0,20,,20,,,2.75\n"
    )
    (tmp_path / "out/model_config.yaml").write_text(
        "n_layer: 6\nn_embd: 288\npadded_vocab_size: 32000\nblock_size: 256\n"
    )
    table = read_runs(tmp_path)
    assert table["run"].tolist() == ["out"]
    assert table["tokens"].tolist() == [1600]
    assert table["loss"].tolist() == [2.75]
    assert (table["layers"].tolist(), table["vocab"].tolist(), table["context"].tolist()) == ([6], [32000], [256])


def test_a_nan_in_a_csv_log_is_a_divergence_and_an_empty_cell_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/good.csv").write_text(CURVE)
    (tmp_path / "logs/burst.csv").write_text(CURVE.replace("2.75", "nan"))
    table = read_runs(tmp_path / "logs")
    assert table["run"].tolist() == ["good"]
    assert "run burst: diverged" in table.excluded[0].reason


def test_a_wandb_page_export_is_one_run_a_column_and_said_to_be_a_sample(tmp_path: Path) -> None:
    names = [f'"{run} - val/loss{end}"' for run in "ab" for end in ("", "__MIN", "__MAX")]
    text = ",".join(['"Step"', *names]) + "\n"
    (tmp_path / "export.csv").write_text(text + '"1","3.5","3.5","3.5","","",""\n"2","3","3","3","2.5","2.5","2.5"\n')
    table = read_runs(tmp_path / "export.csv")
    assert dict(zip(table["run"], table["loss"], strict=True)) == {"a": 3.0, "b": 2.5}
    assert any("sample" in finding.message for finding in table.findings)


def test_one_broken_run_does_not_hide_the_others(tmp_path: Path) -> None:
    write_wandb(tmp_path, "a", golden.wandb_file(HISTORY, CONFIG, name="small"))
    write_wandb(tmp_path, "b", b":W&B\xe1\xbe\x00" + b"\xff" * 100)
    table = read_runs(tmp_path)
    assert_is_the_run(table)
    (finding,) = [finding for finding in table.findings if finding.code == "unreadable-runs"]
    assert "run-b.wandb holds no W&B record" in finding.message


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for identifier in ("a", "b"):
        write_wandb(tmp_path, identifier, golden.wandb_file(HISTORY, CONFIG, name="same"))
    names = read_runs(tmp_path)["run"].tolist()
    assert len(set(names)) == 2
    assert all(name.startswith("same (") for name in names)
