"""Parquet tables, through pyarrow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from isoflop.errors import InputError, MissingExtraError
from isoflop.readers.cells import RawTable
from isoflop.readers.frames import read_frame


def read_parquet(path: Path) -> RawTable:
    """The cells of the Parquet file at `path`.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InputError: the file is damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", f"reading {path}") from None
    try:
        # One file, by name: the dataset machinery would also read neighbours.
        table = pyarrow.parquet.ParquetFile(path).read()
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path} is a damaged Parquet file ({error}).") from None
    return replace(read_frame(table), source=str(path))
