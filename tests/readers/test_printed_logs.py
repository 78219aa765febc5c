"""The logs that training programs print and the JSON lines they write: what a run was, and its last held-out loss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoflop.readers.read import read_runs
from isoflop.readers.sniff import sniff
from isoflop.runs.table import RunTable
from tests.readers.golden import PRINTED, RECORDED

MEGATRON, NANOGPT, TORCHTITAN = (PRINTED[name] for name in ("megatron", "nanogpt", "torchtitan"))

EXPECTED: dict[str, dict[str, float | str]] = {
    "nanogpt": {"params": 10.65e6, "tokens": 2000 * 16384, "loss": 1.4697, "train_loss": 1.2, "state": "finished"},
    "nanochat": {
        "params_total": 286261730, "params_non_embedding": 84934656, "params_unembedding": 50331648, "layers": 12,
        "tokens": 1048576000, "loss": 0.85321, "loss_unit": "bits per byte", "core_metric": 0.1821, "state": "finished",
    },
    "megatron": {"params_total": 354871296, "tokens": 256000 * 2048, "loss": 2.934567, "train_loss": 2.912345,
                 "batch_tokens": 256 * 2048, "layers": 24, "state": "finished"},
    "neox": {"params_total": 162322944, "tokens": 1000 * 64 * 2048, "loss": 3.098765, "train_loss": 3.012345},
    "torchtitan": {"params_total": 6139136, "tokens": 100 * 64 * 2048, "loss": 4.1104, "train_loss": 4.0322,
                   "warmup_steps": 2, "state": "finished"},
    "modded-nanogpt": {"loss": 3.2791, "step": 1770, "total_steps": 1770, "state": "finished"},
    "maxtext": {"params": 1.104e9, "tokens": 3 * 65536, "loss": 8.125, "train_loss": 8.021},
    "lingua": {"loss": 2 + 100 / 300, "tokens": 300 * 524288, "step": 300},
    "olmo-core": {"loss": 2.1 + 100 / 300, "train_loss": 2 + 100 / 300, "tokens": 300 * 4194304},
    "levanter": {"run": "sweep-7", "params": 81e6, "width": 512, "loss": 2.6, "eval/c4/loss": 2.7, "tokens": 200e6},
    "maxtext-json": {"run": "tiny", "loss": 6.0, "tokens": 3 * 65536, "step": 2},
}  # fmt: skip


def read(folder: Path, text: str, **options: str) -> RunTable:
    path = folder / "train.log"
    path.write_text(text, encoding="utf-8")
    return read_runs(path, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_log_is_told_by_content_and_read(name: str, tmp_path: Path) -> None:
    text = {**PRINTED, **RECORDED}[name]
    table = read(tmp_path, text)
    assert sniff(tmp_path / "train.log") == name
    assert len(table) == 1
    for column, value in EXPECTED[name].items():
        found = table[column].tolist()[0]
        assert found == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9)), column


@pytest.mark.parametrize("name", ["lingua", "maxtext-json"])
def test_a_training_loss_is_only_taken_with_a_warning(name: str, tmp_path: Path) -> None:
    table = read(tmp_path, RECORDED[name])
    assert [finding.severity for finding in table.findings if finding.code == "training-loss"] == ["warn"]


def test_checkpoints_have_one_row_for_every_held_out_loss(tmp_path: Path) -> None:
    table = read(tmp_path, NANOGPT, rows="checkpoints")
    assert table["step"].tolist() == [1000, 2000]
    assert table["loss"].tolist() == [2.0, 1.4697]
    assert table["tokens"].tolist() == [1000 * 16384, 2000 * 16384]
    assert set(table["run"]) == {"train"}
    assert [item.reason for item in table.excluded] == ["tokens is 0: it must be at least 1"], "nothing was trained yet"


def test_what_nanogpt_counts_is_known_and_said(tmp_path: Path) -> None:
    table = read(tmp_path, NANOGPT)
    assert table.param_count == "total"
    assert any("all parameters but those of positions" in finding.message for finding in table.findings)


def test_a_restart_in_one_file_replaces_what_came_after_it(tmp_path: Path) -> None:
    again = MEGATRON.replace("1000/    1000", " 600/    1000").replace(
        "at iteration 1000", "at iteration  600".replace("  ", " ")
    )
    again = again.replace("6.512345E+00", "7.512345E+00").replace("2.934567E+00", "3.333333E+00")
    table = read(tmp_path, MEGATRON + again, rows="last")
    assert table["step"].tolist() == [600]
    assert table["loss"].tolist() == [3.333333]
    (finding,) = [finding for finding in table.findings if finding.code == "overlapping-restarts"]
    assert "between steps 100 and 1000" in finding.message


def test_a_run_that_stopped_early_is_left_out_with_the_reason_and_kept_on_demand(tmp_path: Path) -> None:
    cut = "".join(line for line in TORCHTITAN.splitlines(keepends=True) if "step: 100" not in line)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.log").write_text(TORCHTITAN)
    (tmp_path / "logs/b.log").write_text(cut)
    table = read_runs(tmp_path / "logs")
    assert table["run"].tolist() == ["a"]
    (left_out,) = table.excluded
    assert left_out.reason == "run b: unfinished: it stopped at step 50 of 100; --rows last keeps it"
    assert read_runs(tmp_path / "logs", rows="last")["run"].tolist() == ["a", "b"]


def test_a_log_that_diverged_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.log").write_text(TORCHTITAN)
    (tmp_path / "logs/b.log").write_text(TORCHTITAN.replace(" 4.0322", "    nan").replace(" 4.1104", "    nan"))
    table = read_runs(tmp_path / "logs")
    assert table["run"].tolist() == ["a"]
    assert "run b: diverged: validation_metrics/loss is unknown from step 100 on" in table.excluded[0].reason


def test_olmo_core_writes_a_file_a_step_and_a_final_one(tmp_path: Path) -> None:
    folder = tmp_path / "olmo-190M"
    folder.mkdir()
    for step in (1000, 200):
        loss = {
            "train/CE loss": 2 + 100 / step,
            "throughput/total tokens": step * 1e6,
            "eval/c4/CE loss": 2.5 + 100 / step,
        }
        (folder / f"metrics_step{step}.json").write_text(json.dumps(loss, indent=2))
    (folder / "metrics.json").write_text(json.dumps({"train/CE loss": 2.1, "throughput/total tokens": 1e9, "extra": 7}))
    table = read_runs(tmp_path, rows="checkpoints")
    assert table["run"].tolist() == ["olmo-190M"] * 2
    assert table["step"].tolist() == [200, 1000]
    assert table["loss"].tolist() == [3.0, 2.6]
    assert table["tokens"].tolist() == [2e8, 1e9]
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "metrics.json").write_text((folder / "metrics.json").read_text())
    assert read_runs(alone)["loss"].tolist() == [2.1]


def test_a_history_from_the_wandb_server_is_a_log(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {
        "_step": [1, 2, 3],
        "train/loss": [3.5, 3.0, None],
        "val/loss": [None, None, 3.1],
        "_runtime": [1.0, 2.0, 3.0],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "0000.parquet")
    table = read_runs(tmp_path / "0000.parquet")
    assert table["loss"].tolist() == [3.1]
    assert table["train_loss"].tolist() == [3.0]
    assert table["step"].tolist() == [3]


def test_notes_in_a_folder_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\nand bread\n")
    (tmp_path / "runs.csv").write_text("params,tokens,loss\n1e6,1e9,3\n")
    table = read_runs(tmp_path)
    assert list(table.columns) == ["params", "tokens", "loss", "compute"]
    assert any("notes.txt has no column of a run" in finding.message for finding in table.findings)
