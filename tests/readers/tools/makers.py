"""The ladder, logged by the real tools into a directory; each maker imports its tool when it is called."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.readers.tools.ladder import LADDER, ToyRun


def with_wandb(place: Path, ladder: tuple[ToyRun, ...] = LADDER) -> None:
    """Offline runs, as `wandb.init(mode="offline")` leaves them."""
    import wandb

    for run in ladder:
        with wandb.init(project="toy", name=run.name, dir=str(place), mode="offline", config=run.config) as logged:
            for step, record in run.records():
                logged.log(record, step=step)


def with_tensorboard(place: Path, ladder: tuple[ToyRun, ...] = LADDER) -> None:
    """Scalars and hyper-parameters through `torch.utils.tensorboard`, one folder a run."""
    from torch.utils.tensorboard import SummaryWriter

    for run in ladder:
        with SummaryWriter(str(place / run.name)) as writer:
            writer.add_hparams(dict(run.config), {"hparam/done": 1.0}, run_name=".")
            for step, record in run.records():
                for tag, value in record.items():
                    writer.add_scalar(tag, value, step, new_style=tag == "val/loss")


def with_tensorboardx(place: Path, ladder: tuple[ToyRun, ...] = LADDER) -> None:
    from tensorboardX import SummaryWriter

    for run in ladder:
        writer = SummaryWriter(str(place / run.name))
        for step, record in run.records():
            for tag, value in record.items():
                writer.add_scalar(tag, value, step)
        writer.close()


def _with_mlflow(uri: str, ladder: tuple[ToyRun, ...]) -> None:
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("toy")
    for run in ladder:
        with mlflow.start_run(run_name=run.name):
            mlflow.log_params(run.config)
            for step, record in run.records():
                mlflow.log_metrics(record, step=step)


def with_mlflow_sql(place: Path, ladder: tuple[ToyRun, ...] = LADDER) -> None:
    place.mkdir(parents=True, exist_ok=True)
    _with_mlflow(f"sqlite:///{place / 'mlflow.db'}", ladder)


def with_mlflow_files(place: Path, ladder: tuple[ToyRun, ...] = LADDER) -> None:
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    _with_mlflow((place / "mlruns").as_uri(), ladder)


def with_trackio(place: Path) -> None:
    """In a process of its own: trackio decides where it writes when it is imported."""
    command = "from tests.readers.tools.makers import log_with_trackio; log_with_trackio()"
    repository = Path(__file__).parent.parent.parent.parent
    environment = {**os.environ, "TRACKIO_DIR": str(place), "PYTHONPATH": f"{repository / 'src'}:{repository}"}
    subprocess.run([sys.executable, "-c", command], env=environment, check=True, capture_output=True)


def log_with_trackio(ladder: tuple[ToyRun, ...] = LADDER) -> None:
    import trackio

    for run in ladder:
        trackio.init(project="toy", name=run.name, config=run.config)
        for step, record in run.records():
            trackio.log(record, step=step)
        trackio.finish()


@dataclass(frozen=True)
class Trained:
    """What a model of the Trainer was: its parameters, and the last loss that it measured."""

    total: int
    non_embedding: int
    last_eval_loss: float


def with_trainer(place: Path, report_to: str = "none") -> dict[str, Trained]:
    """Two small models trained by the transformers Trainer, with evaluations and checkpoints."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    trained = {}
    for width in (16, 32):
        name = f"width-{width}"
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(place / name / "runs")
        torch.manual_seed(0)
        ends = {"bos_token_id": 0, "eos_token_id": 0}
        config = GPT2Config(vocab_size=64, n_positions=32, n_embd=width, n_layer=2, n_head=2, **ends)
        model = GPT2LMHeadModel(config)
        rows: Any = [{"input_ids": row, "labels": row} for row in torch.randint(0, 64, (64, 32))]
        arguments = TrainingArguments(
            output_dir=str(place / name), max_steps=20, per_device_train_batch_size=4, logging_steps=5,
            eval_strategy="steps", eval_steps=10, save_steps=10, report_to=report_to, use_cpu=True, disable_tqdm=True,
            include_num_input_tokens_seen=True, seed=0,
        )  # fmt: skip
        trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:8])
        trainer.train()
        trainer.save_model()
        trainer.save_state()
        evaluated = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
        total = sum(weight.numel() for weight in model.parameters())
        trained[name] = Trained(total, total - (64 + 32) * width, evaluated[-1])
    return trained


def with_lightning(place: Path, ladder: tuple[ToyRun, ...] = LADDER) -> None:
    from lightning.pytorch.loggers import CSVLogger

    for run in ladder:
        logger = CSVLogger(str(place), name=run.name)
        logger.log_hyperparams(run.config)
        for step, record in run.records():
            for name, value in record.items():
                logger.log_metrics({name: value, "epoch": 0}, step=step)
        logger.save()
