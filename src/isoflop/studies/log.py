"""What attempts printed: the end of it, and a line more."""

from __future__ import annotations

from pathlib import Path

from isoflop.errors import EnvironmentFailure
from isoflop.runs.directory import Attempt, RunDirectory

_TAIL_BYTES = 32_768


def log_tail(study_directory: Path, identifier: str, lines: int) -> str:
    """The last `lines` lines that the latest attempt at a run printed, empty if it printed nothing."""
    latest = RunDirectory(study_directory / "runs" / identifier).attempts()[-1:]
    if not latest:
        return ""
    try:
        with latest[0].log_path.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def append_to_log(attempt: Attempt, text: str) -> None:
    """Add `text` to the log of an attempt."""
    try:
        with attempt.log_path.open("a", encoding="utf-8") as stream:
            stream.write(text.rstrip() + "\n")
    except OSError as error:
        raise EnvironmentFailure(f"{attempt.log_path} cannot be written ({error.strerror}): free space.") from error
