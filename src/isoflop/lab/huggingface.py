"""Text from a Hugging Face dataset, read as a stream: from the hub, or from a local folder that holds one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isoflop.errors import EnvironmentFailure, InputError, MissingExtraError
from isoflop.lab.source import Dataset


def huggingface_text(dataset: Dataset, limit: int | None) -> tuple[bytes, str]:
    """The texts of a dataset in its order, one after another, until `limit` bytes are there, and a note saying which.

    Raises:
        MissingExtraError: the datasets library is not installed.
        InputError: the dataset has no such field, or no text in it.
        EnvironmentFailure: it cannot be opened.
    """
    rows = _open(dataset)
    parts: list[bytes] = []
    length = 0
    for row in rows:
        if dataset.field not in row:
            raise InputError(
                f"dataset {dataset.path} has no field {dataset.field!r} but {', '.join(row)}: name one as text.field."
            )
        parts.append(str(row[dataset.field]).encode())
        length += len(parts[-1]) + 1
        if limit is not None and length >= limit:
            break
    if not length:
        raise InputError(f"dataset {dataset.path}, split {dataset.split!r}, holds no text.")
    subset = f", {dataset.subset}" if dataset.subset else ""
    return b"\n".join(parts)[:limit], f"Hugging Face dataset {dataset.path}{subset}, {len(parts):,} texts"


def _open(dataset: Dataset) -> Iterable[Mapping[str, Any]]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", "hf", "Hugging Face datasets") from None
    folder = Path(dataset.path).expanduser()
    try:
        if (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists():
            saved = datasets.load_from_disk(str(folder))
            found: Iterable[Mapping[str, Any]] = saved[dataset.split] if isinstance(saved, dict) else saved
            return found
        opened: Iterable[Mapping[str, Any]] = datasets.load_dataset(
            dataset.path, dataset.subset, split=dataset.split, streaming=True
        )
        return opened
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EnvironmentFailure(
            f"dataset {dataset.path} cannot be opened ({first}): check its name and split."
        ) from error
