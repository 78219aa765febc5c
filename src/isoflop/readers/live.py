"""Live pulls: runs from the W&B server and from the Hugging Face Hub, complete histories, never sampled ones.

    wandb:ENTITY/PROJECT        all runs of a project
    wandb:ENTITY/PROJECT/RUN    one run
    hf:OWNER/REPOSITORY         the Trainer states and TensorBoard logs of a model repository

`run.history()` of the W&B client returns some hundred sampled points; `run.scan_history()` returns them all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from isoflop.errors import EnvironmentFailure, InputError, MissingExtraError, UsageError
from isoflop.readers.discover import discover
from isoflop.readers.formats import read_logs
from isoflop.readers.log import Recorder, RunLog, flattened, number_of
from isoflop.readers.text import Progress

WANDB, HUB = "wandb:", "hf:"
HUB_FILES = ("trainer_state.json", "**/trainer_state.json", "config.json", "**/events.out.tfevents.*", "**/metrics.csv")
"""Files of a repository that say how a model was trained; weights are never fetched."""

_ENDINGS = {"finished": "finished", "failed": "failed", "crashed": "failed", "killed": "failed", "running": "running"}


def is_address(text: str) -> bool:
    """Whether a source is an address of a server rather than a path."""
    return text.startswith((WANDB, HUB))


def read_address(address: str, progress: Progress | None = None) -> Iterator[RunLog]:
    """The runs at an address.

    Raises:
        UsageError: it is no address.
        MissingExtraError: the client of the server is not installed.
        EnvironmentFailure: the server does not answer, or refuses.
    """
    if address.startswith(WANDB):
        yield from _from_wandb(address.removeprefix(WANDB).strip("/"), progress)
    else:
        yield from _from_hub(address.removeprefix(HUB).strip("/"))


def _from_wandb(path: str, progress: Progress | None) -> Iterator[RunLog]:
    if path.count("/") not in (1, 2):
        raise UsageError(f"{WANDB}{path} is no address: write wandb:ENTITY/PROJECT or wandb:ENTITY/PROJECT/RUN.")
    try:
        import wandb
    except ImportError:
        raise MissingExtraError("wandb", "wandb", f"reading {WANDB}{path}") from None
    try:
        server = wandb.Api()
        runs = [server.run(path)] if path.count("/") == 2 else list(server.runs(path))
        for number, run in enumerate(runs, start=1):
            yield _wandb_run(run, path)
            if progress is not None:
                progress(number, len(runs))
    except (OSError, RuntimeError, ValueError, wandb.Error) as error:
        raise EnvironmentFailure(f"{WANDB}{path} cannot be read from the server: {error}") from error


def _wandb_run(run: Any, path: str) -> RunLog:
    recorder = Recorder()
    for record in run.scan_history():
        step = number_of(record.get("_step"))
        for key, value in record.items():
            number = number_of(value)
            if step is not None and number is not None and not key.startswith("_"):
                recorder.add(step, key, number)
    series, overlap = recorder.stitched()
    config = {key: value for key, value in dict(run.config).items() if not str(key).startswith("_")}
    return RunLog(
        str(run.name or run.id),
        f"{WANDB}{path.split('/')[0]}/{path.split('/')[1]}/{run.id}",
        series,
        config=flattened(config),
        ending=_ENDINGS.get(str(run.state), ""),
        overlap=overlap,
    )


def _from_hub(path: str) -> Iterator[RunLog]:
    repository, _, revision = path.partition("@")
    if repository.count("/") != 1:
        raise UsageError(f"{HUB}{path} is no address: write hf:OWNER/REPOSITORY or hf:OWNER/REPOSITORY@REVISION.")
    try:
        import huggingface_hub
    except ImportError:
        raise MissingExtraError("huggingface_hub", "hf", f"reading {HUB}{path}") from None
    with tempfile.TemporaryDirectory() as place:
        try:
            folder = huggingface_hub.snapshot_download(
                repository, revision=revision or None, allow_patterns=list(HUB_FILES), local_dir=place
            )
            params = _params_on_hub(huggingface_hub, repository, revision or None)
        except (OSError, ValueError, RuntimeError) as error:
            raise EnvironmentFailure(f"{HUB}{path} cannot be read from the Hub: {error}") from error
        sources = discover(Path(folder)).sources
        if not sources:
            raise InputError(f"{HUB}{path} holds no training logs ({', '.join(HUB_FILES)}).")
        for source in sources:
            for log in read_logs(source):
                # A source in the root of the download has no name of its own.
                name = repository if source.place == Path(folder) else f"{repository}/{log.run}"
                yield replace(log, run=name, source=f"{HUB}{path}", facts={**params, **log.facts})


def _params_on_hub(client: Any, repository: str, revision: str | None) -> dict[str, float | str]:
    """The parameters that the Hub counted from the headers of the weights, where it did."""
    weights = getattr(client.HfApi().model_info(repository, revision=revision), "safetensors", None)
    total = getattr(weights, "total", None)
    return {"params_total": float(total)} if isinstance(total, int) and total > 0 else {}
