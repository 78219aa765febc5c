"""LogSource: a run, or several, as it lies on disk in one format; what discovery finds and readers read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from isoflop.readers.log import RunLog


@dataclass(frozen=True)
class LogSource:
    """Files of one `format` that belong together: the pieces of a run in the order they were written, or a database.

    `name` is what the run is called where the files do not say; `place` is the directory that is the run's own, or
    the file itself where several runs share a directory.
    """

    format: str
    files: tuple[Path, ...]
    name: str
    place: Path


class LogReader(Protocol):
    """Reads a source: yields its runs, raises InputError naming the file where it cannot."""

    def __call__(self, source: LogSource) -> Iterator[RunLog]:
        """The runs of `source`."""
