"""The way back: a run table as a file that every reader here, and other people's, can read."""

from __future__ import annotations

import os
from pathlib import Path

from isoflop import records
from isoflop.errors import EnvironmentFailure, MissingExtraError, UsageError
from isoflop.runs.table import RunTable

FORMATS = (".csv", ".jsonl", ".parquet")


def write_runs(table: RunTable, path: str | os.PathLike[str]) -> None:
    """Write the columns of `table` to `path`, whole or not at all, in the format its ending names.

    Raises:
        UsageError: the ending is none of .csv, .jsonl and .parquet.
        EnvironmentFailure: the file cannot be written.
    """
    place = Path(path)
    match place.suffix.lower():
        case ".csv":
            table.to_csv(place)
        case ".jsonl":
            records.write_text(place, _json_lines(table))
        case ".parquet":
            _write_parquet(table, place)
        case ending:
            raise UsageError(f"{place} ends in {ending!r}: a run table is written as one of {', '.join(FORMATS)}.")


def _json_lines(table: RunTable) -> str:
    cells = zip(*(values.tolist() for values in table.columns.values()), strict=True)
    return "".join(records.to_json(dict(zip(table.columns, row, strict=True))) + "\n" for row in cells)


def _write_parquet(table: RunTable, place: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet", "writing Parquet") from None
    staged = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(dict(table.columns)), staged)
        os.replace(staged, place)
    except OSError as error:
        raise EnvironmentFailure(f"{place} cannot be written ({error}): choose another place.") from error
    finally:
        staged.unlink(missing_ok=True)
