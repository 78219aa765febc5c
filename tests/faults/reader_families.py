"""Families of inputs that readers must survive: seeds that are read, and a driver that says how an input ended."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isoflop.errors import IsoflopError
from isoflop.readers.read import read_runs
from tests.readers import golden

SLOW_SECONDS = 2.0
CSV = b'run,params,tokens,loss\na,1000000,2e9,3.25\nb,7B,1.4T,2.5\nc,"10,000,000",3e9,3.1\n'
CURVE = b"epoch,step,train/loss,val/loss\n0,10,3.5,\n0,20,,3.25\n1,30,2.9,\n1,30,,3.0\n"


@dataclass(frozen=True)
class Seed:
    """Files by their place under a folder, and the place that is read: a file, or the folder (empty)."""

    files: dict[str, bytes]
    target: str = ""


@dataclass(frozen=True)
class Ending:
    """How reading an input ended: `accepted`, `refused`, or anything else, which is a fault."""

    outcome: str
    seconds: float
    message: str = ""


def _database(write: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.db")
        write(path)
        return path.read_bytes()


def _parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    held = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"params": [1e6, 2e6], "tokens": [1e9, 1e9], "loss": [3.0, 2.9]}), held)
    return held.getvalue()


def _zipped(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("runs.csv", content)
    return held.getvalue()


POINTS = [(10, "train/loss", 3.5), (20, "val/loss", 3.25), (30, "train/loss", 3.0), (40, "val/loss", 2.75)]
_HISTORY = [{"_step": step, name: value, "nested": {"a": 1}} for step, name, value in POINTS]
MLFLOW_META = b"run_id: a\nrun_name: small\nstatus: 3\nlifecycle_stage: active\n"
HPARAMS = b"n_params: 1e6\nmodel:\n  width: 64\n  tags: &t [1, 2]\n  more: *t\n"


def one(name: str, content: bytes, target: str | None = None) -> Seed:
    """A single file, which is read itself unless another target is given."""
    return Seed({name: content}, name if target is None else target)


GERMAN = CSV.replace(b",", b";").replace(b"3.25", b"3,25").replace(b"2.5", b"2,5").replace(b"1.4T", b"1400B")
DOCUMENT = json.dumps([{"params": 1e6, "tokens": "2B", "loss": 3, "eval": {"arc": 0.2}}]).encode()
RECORDS = b'{"params": 1e6, "loss": 3}\n{"params": 2e6, "loss": 2.9, "tags": ["x"]}\n'
LOGGED = golden.wandb_file(_HISTORY, {"n_params": {"value": 1e6}}, name="small")
SYNCED = {"files/wandb-summary.json": b'{"val/loss": 3.0}', "files/config.yaml": b"n_params:\n  value: 1e6\n"}
MLFLOW_RUN = {"meta.yaml": MLFLOW_META, "metrics/val/loss": b"1 3.5 10\n2 3.0 20\n", "params/n_params": b"1e6"}
TRAINED = {"a/trainer_state.json": json.dumps(golden.TRAINER_STATE).encode(), "a/config.json": b'{"n_layer": 2}'}


def seeds() -> dict[str, tuple[Seed, ...]]:
    """The seeds of each family, by its name."""
    mlflow = _database(lambda path: golden.mlflow_database(path, {"a": POINTS}, n_params="1e6"))
    trackio = _database(lambda path: golden.trackio_database(path, {"a": [(10, {"val/loss": 3.0})]}, n_params=1e6))
    return {
        "csv": (
            one("runs.csv", CSV),
            one("runs.csv", GERMAN.replace(b"3.1", b"3,1")),
            one("runs.csv", CSV.decode().encode("utf-16")),
            one("runs.csv", b"sep=;\nN;D;loss\n1e6;1e9;3,5\n"),
        ),
        "json": (
            one("runs.json", DOCUMENT),
            one("runs.jsonl", RECORDS),
            one("runs.json", b'{"params": [1, 2], "loss": [3, 2]}'),
        ),
        "parquet": (one("runs.parquet", _parquet()),),
        "packed": (one("runs.csv.gz", gzip.compress(CSV)), one("runs.csv.zip", _zipped(CSV))),
        "wandb": (one("run-a.wandb", LOGGED), Seed(SYNCED)),
        "tensorboard": (
            one("events.out.tfevents.1.vm", golden.events_file(POINTS)),
            one("a/events.out.tfevents.1.vm", golden.events_file(POINTS, style="tensor"), ""),
        ),
        "mlflow": (one("mlflow.db", mlflow),),
        "mlflow-files": (Seed({f"0/a/{name}": content for name, content in MLFLOW_RUN.items()}),),
        "trackio": (one("toy.db", trackio),),
        "trainer-state": (Seed(TRAINED),),
        "csv-log": (Seed({"a/version_0/metrics.csv": CURVE, "a/version_0/hparams.yaml": HPARAMS}),),
        "printed": tuple(one("train.log", text.encode()) for text in golden.PRINTED.values()),
        "json-log": tuple(one("metrics.jsonl", text.encode()) for text in golden.RECORDED.values()),
        "lm-eval": (one("results_1.json", json.dumps(golden.LM_EVAL).encode()),),
    }


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder in memory where there is one, so that a fuzzer is not bound by the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def read_input(files: dict[str, bytes], target: str, folder: Path) -> Ending:
    """Write an input under `folder`, read it, and say how that ended; only errors meant for users are refusals."""
    for place in folder.iterdir():
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # CPU time, since other work on the machine is no hang of ours; a wait is caught by the timeout of the test.
    started = time.process_time()
    try:
        read_runs(folder / target if target else folder)
    except IsoflopError as error:
        message = str(error)
        assert message and "\n" not in message.strip(), message
        return Ending("refused", time.process_time() - started, message)
    return Ending("accepted", time.process_time() - started)
