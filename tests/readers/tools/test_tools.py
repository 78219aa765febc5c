"""Files that the real tools wrote: `make test-readers` runs these where the tools are; elsewhere they are skipped.

Every tool logs the same ladder, so every log must give the same table; where a tool can read its own files, its
numbers are compared with ours point by point.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable
from tests.readers.tools import makers
from tests.readers.tools.ladder import LADDER, ToyRun

# They warn of what is none of our business: each other, and Python.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tools]

MAKERS: dict[str, tuple[str, Callable[..., None]]] = {
    "wandb": ("wandb", makers.with_wandb),
    "tensorboard": ("tensorboard", makers.with_tensorboard),
    "tensorboardX": ("tensorboardX", makers.with_tensorboardx),
    "mlflow, SQLite": ("mlflow", makers.with_mlflow_sql),
    "mlflow, folders": ("mlflow", makers.with_mlflow_files),
    "trackio": ("trackio", makers.with_trackio),
    "lightning": ("lightning", makers.with_lightning),
}


@pytest.fixture(scope="module", autouse=True)
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The tools in a folder of their own, told to send nothing anywhere, their settings put back afterwards."""
    before, place = dict(os.environ), Path.cwd()
    desk = tmp_path_factory.mktemp("desk")
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    os.environ |= {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(desk / "hf")}
    os.chdir(desk)
    yield
    os.chdir(place)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder in which a tool has logged the ladder; each tool logs it once."""
    folders: dict[str, Path] = {}

    def folder(name: str) -> Path:
        module, make = MAKERS[name]
        needs(module)
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("logs") / "of the tool"
            make(folders[name])
        return folders[name]

    return folder


Made = Callable[[str], Path]


def needs(module: str) -> None:
    pytest.importorskip(module, reason=f"{module} is not installed: make test-readers installs it")


def is_single_precision(name: str) -> bool:
    return name.startswith("tensorboard")


def assert_is_the_ladder(table: RunTable, name: str) -> None:
    close = 1e-6 if is_single_precision(name) else 1e-12
    rows = {run: place for place, run in enumerate(table["run"].tolist())}
    assert set(rows) == {run.name for run in LADDER}
    for run in LADDER:
        place = rows[run.name]
        assert table["loss"][place] == pytest.approx(run.held_out_loss(run.steps), rel=close)
        assert table["train_loss"][place] == pytest.approx(run.train_loss(run.steps), rel=close)
        assert table["tokens"][place] == run.tokens
        assert table["step"][place] == run.steps
        if name != "tensorboardX":  # it was given no settings
            assert table["params"][place] == run.params
            assert table["learning_rate"][place] == run.learning_rate
            assert table["compute"][place] == 6.0 * run.params * run.tokens
            assert table["state"][place] == "finished"


@pytest.mark.parametrize("name", MAKERS)
def test_every_tool_gives_the_same_ladder(name: str, made: Made) -> None:
    assert_is_the_ladder(read_runs(made(name)), name)


@pytest.mark.parametrize("name", MAKERS)
def test_every_checkpoint_of_every_tool_is_there(name: str, made: Made) -> None:
    table = read_runs(made(name), rows="checkpoints")
    assert len(table) == sum(len(run.eval_steps()) for run in LADDER)
    for run in LADDER:
        mine = table.select(table["run"] == run.name)
        assert mine["step"].tolist() == list(run.eval_steps())
        assert mine["tokens"].tolist() == [step * run.batch_tokens for step in run.eval_steps()]
        losses = [run.held_out_loss(step) for step in run.eval_steps()]
        assert mine["loss"].tolist() == pytest.approx(losses, rel=1e-6)


def test_tensorboards_own_reader_has_the_same_points(made: Made) -> None:
    table = read_runs(made("tensorboard"), rows="checkpoints")
    accumulator = importlib.import_module("tensorboard.backend.event_processing.event_accumulator")
    for run in LADDER:
        theirs = accumulator.EventAccumulator(str(made("tensorboard") / run.name), {"scalars": 0, "tensors": 0})
        theirs.Reload()
        mine = table.select(table["run"] == run.name)
        points = [(event.step, event.tensor_proto.float_val[0]) for event in theirs.Tensors("val/loss")]
        assert list(zip(mine["step"], mine["loss"], strict=True)) == points


def test_mlflows_own_client_has_the_same_points(made: Made) -> None:
    place = made("mlflow, SQLite")
    client = importlib.import_module("mlflow").MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    table = read_runs(place, rows="checkpoints")
    for run in client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]):
        mine = table.select(table["run"] == run.info.run_name)
        points = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "val/loss")]
        assert list(zip(mine["step"], mine["loss"], strict=True)) == points
        assert mine["params"].tolist() == [float(run.data.params["n_params"])] * len(mine)


def test_a_wandb_run_that_was_resumed_is_stitched(tmp_path: Path) -> None:
    needs("wandb")
    wandb = importlib.import_module("wandb")
    run = ToyRun("small", 100_000, steps=50)
    settings = {"project": "toy", "id": "abc", "name": run.name, "dir": str(tmp_path), "config": run.config}
    for first, last, wrong in ((1, 40, 5.0), (25, 50, 0.0)):
        with wandb.init(**settings) as logged:
            for step, record in run.records():
                if first <= step <= last:
                    logged.log({key: value + wrong for key, value in record.items()}, step=step)
    table = read_runs(tmp_path)
    assert table["run"].tolist() == ["small"]
    assert table["loss"].tolist() == [run.held_out_loss(50)]
    assert "overlapping-restarts" in {finding.code for finding in table.findings}


def test_a_tensorboard_run_that_was_restarted_is_stitched(tmp_path: Path) -> None:
    needs("tensorboard")
    writers = importlib.import_module("torch.utils.tensorboard")
    run = ToyRun("small", 100_000, steps=50)
    for number, (first, last, wrong) in enumerate(((1, 40, 5.0), (25, 50, 0.0))):
        with writers.SummaryWriter(str(tmp_path / "small"), filename_suffix=f".{number}") as writer:
            for step, record in run.records():
                if first <= step <= last:
                    writer.add_scalar("val/loss", record.get("val/loss", 9.0) + wrong, step)
                    writer.add_scalar("train/loss", record.get("train/loss", 9.0) + wrong, step)
    table = read_runs(tmp_path)
    assert table["loss"].tolist() == pytest.approx([run.held_out_loss(50)], rel=1e-6)
    assert "overlapping-restarts" in {finding.code for finding in table.findings}


def test_the_trainer_is_read_once_and_to_the_last_parameter(tmp_path: Path) -> None:
    for module in ("transformers", "accelerate", "tensorboard"):
        needs(module)
    models = makers.with_trainer(tmp_path / "out", report_to="tensorboard")
    table = read_runs(tmp_path / "out")
    assert table["run"].tolist() == sorted(models)
    assert "covered-logs" in {finding.code for finding in table.findings}
    for place, name in enumerate(table["run"]):
        model = models[name]
        assert table["params_total"][place] == model.total
        assert table["params_non_embedding"][place] == model.non_embedding
        assert table["tokens"][place] == 20 * 4 * 32
        six_nd = 6 * model.non_embedding * table["tokens"][place]
        assert table["compute"][place] == six_nd, "total_flos leaves embeddings out"
        assert table["loss"][place] == model.last_eval_loss
        assert table["state"][place] == "finished"
    checkpoints = read_runs(tmp_path / "out", rows="checkpoints")
    assert checkpoints["step"].tolist() == [10, 20] * len(models)
    assert len(read_runs(tmp_path / "out", format="tensorboard")) == len(models)
