"""Checkpoints: a training state on disk, whole or not at all, and checked when it is read.

A checkpoint is a directory with `state.safetensors` (weights and optimizer moments) and `manifest.json`, which
carries the digest of the tensors and of its own other fields and is written last: without it, or with another
digest, there is no checkpoint. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from isoflop import records
from isoflop.errors import EnvironmentFailure, InputError

STATE_FILE, MANIFEST_FILE = "state.safetensors", "manifest.json"
SCHEMA = "isoflop.checkpoint/1"


@dataclass(frozen=True)
class Checkpoint:
    """A readable checkpoint: how many updates were done, the tensors by name, and the loop's own memory."""

    path: Path
    step: int
    tensors: dict[str, Tensor]
    memory: dict[str, Any]


def checkpoint_path(attempt: Path, step: int) -> Path:
    """Directory of the checkpoint after `step` updates in the directory of an attempt."""
    return attempt / f"checkpoint-{step:08d}"


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], *, step: int, run: str, memory: dict[str, Any]) -> None:
    """Write `tensors`, the state after `step` updates of the run with identifier `run`; `memory` must be JSON.

    Raises EnvironmentFailure when the disk refuses; the checkpoint before stays valid.
    """
    payload = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / MANIFEST_FILE).unlink(missing_ok=True)
        staged = path / f".{STATE_FILE}.part"
        with staged.open("wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(path / STATE_FILE)
    except OSError as error:
        raise EnvironmentFailure(
            f"{path} cannot be written ({error.strerror}): free space; the checkpoint before it is still good."
        ) from error
    manifest = {"schema": SCHEMA, "run": run, "step": step, "memory": memory}
    records.write_record(path / MANIFEST_FILE, {**manifest, "sha256": _digest(payload, manifest)})


def load_checkpoint(path: Path, *, run: str) -> Checkpoint:
    """The checkpoint at `path`; InputError when it is incomplete, altered, or of another run."""
    manifest = records.read_record(path / MANIFEST_FILE, SCHEMA)
    if manifest.get("run") != run:
        raise InputError(f"{path} belongs to run {manifest.get('run')!r}, not {run!r}: give that run's own checkpoint.")
    try:
        payload = (path / STATE_FILE).read_bytes()
    except OSError as error:
        raise InputError(f"{path / STATE_FILE} cannot be read ({error.strerror}): delete {path}.") from error
    if manifest.pop("sha256", None) != _digest(payload, manifest):
        raise InputError(f"{path} is damaged (its tensors or its manifest are not what was written): delete {path}.")
    try:
        tensors = load(payload)
    except SafetensorError as error:
        raise InputError(f"{path / STATE_FILE} is not a safetensors file ({error}): delete {path}.") from error
    return Checkpoint(path, int(manifest["step"]), tensors, manifest["memory"])


def _digest(payload: bytes, manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(payload + records.canonical_json(manifest).encode()).hexdigest()


def newest_readable(paths: Iterable[Path], *, run: str) -> Checkpoint | None:
    """The first of `paths` (newest first) that can be read, or None: damage costs one interval, not a run."""
    for path in paths:
        try:
            return load_checkpoint(path, run=run)
        except InputError:
            continue
    return None


def keep_newest(paths: Sequence[Path], count: int = 2) -> tuple[Path, ...]:
    """Delete all but the last `count` of `paths` (oldest first) and return those that remain."""
    for path in paths[:-count]:
        shutil.rmtree(path, ignore_errors=True)
    return tuple(paths[-count:])
