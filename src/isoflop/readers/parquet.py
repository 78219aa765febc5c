"""Parquet tables, through pyarrow."""

from __future__ import annotations

from pathlib import Path

from isoflop.errors import InputError, MissingExtraError
from isoflop.readers.frames import read_frame
from isoflop.readers.raw import MOST_CELLS, RawTable
from isoflop.readers.text import one_line


def names_in_parquet(path: Path) -> tuple[str, ...]:
    """The names of the columns of a Parquet file; none where pyarrow is missing or the file is damaged."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return ()
    try:
        return tuple(pyarrow.parquet.ParquetFile(path).schema_arrow.names)
    except (OSError, ValueError, MemoryError, pyarrow.ArrowException):
        return ()


def read_parquet(path: Path) -> RawTable:
    """The cells of the Parquet file at `path`.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InputError: the file is damaged, or larger than a table of runs is.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", f"reading {path}") from None
    try:
        # One file, by name: the dataset machinery would also read neighbours.
        file = pyarrow.parquet.ParquetFile(path)
        cells = file.metadata.num_rows * max(1, file.metadata.num_columns)
        if cells > MOST_CELLS:
            raise InputError(f"{path} has {cells:,} cells: keep one row per run, or fewer columns.")
        table = file.read()
    except (OSError, ValueError, MemoryError, pyarrow.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is a damaged Parquet file ({one_line(error)}).") from None
    return read_frame(table, str(path))
