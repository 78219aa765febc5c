"""MLflow: the SQLite store and, for older data, the folders `mlruns/<experiment>/<run>/`.

SQLite: tables runs, params (texts), metrics (timestamp, step, is_nan), latest_metrics. Folders: `meta.yaml`,
`params/KEY` with a text, `metrics/KEY` with lines "timestamp value step"; a `/` in a name is a subfolder. Both are
known from files that MLflow 3 wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.log import Recorder, RunLog
from isoflop.readers.sidecars import read_yaml_object
from isoflop.readers.source import LogSource
from isoflop.readers.sqlite import open_sqlite
from isoflop.readers.text import open_lines, read_text

TABLES = {"runs": {"run_uuid", "name", "status"}, "metrics": {"key", "value", "run_uuid", "step", "timestamp"}}
"""Tables and columns by which a database is known as MLflow's."""

_ENDINGS = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "failed",
    "RUNNING": "running",
    "SCHEDULED": "running",
}
_STATUS_NUMBERS = {1: "running", 2: "running", 3: "finished", 4: "failed", 5: "failed"}


def read_mlflow_sql(source: LogSource) -> Iterator[RunLog]:
    """The runs of an MLflow database that are not deleted.

    Raises:
        InputError: the database is damaged.
    """
    (path,) = source.files
    with open_sqlite(path) as store:
        columns = {str(row[1]) for row in store.execute("PRAGMA table_info(runs)")}
        stage = "WHERE lifecycle_stage IS NOT 'deleted'" if "lifecycle_stage" in columns else ""
        runs = store.execute(f"SELECT run_uuid, name, status FROM runs {stage}").fetchall()
        for identifier, name, status in runs:
            recorder = Recorder()
            values = store.execute(
                "SELECT step, key, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY timestamp, rowid",
                (identifier,),
            )
            for step, key, value, is_nan in values:
                _record(recorder, step, key, float("nan") if is_nan else value)
            settings = store.execute("SELECT key, value FROM params WHERE run_uuid = ?", (identifier,)).fetchall()
            series, overlap = recorder.stitched()
            yield RunLog(
                str(name or identifier),
                f"{path}#{identifier}",
                series,
                config={str(key): value for key, value in settings},
                ending=_ENDINGS.get(str(status), ""),
                overlap=overlap,
                notes=_notes(series),
            )


def _record(recorder: Recorder, step: Any, key: Any, value: Any) -> None:
    try:
        recorder.add(float(step or 0), str(key), float(value))
    except (TypeError, ValueError, OverflowError):
        return


def _notes(series: Any) -> tuple[str, ...]:
    if series and all(len(item) == 1 and item.last_step == 0 for item in series.values()):
        return ("MLflow has every metric at step 0 only, as when no step is given: the value logged last counts.",)
    return ()


def read_mlflow_files(source: LogSource) -> Iterator[RunLog]:
    """The run in the folder whose `meta.yaml` is the file of `source`.

    Raises:
        InputError: `meta.yaml` or a metric is damaged.
    """
    (meta,) = source.files
    told = read_yaml_object(meta)
    if told.get("lifecycle_stage") == "deleted":
        return
    recorder = Recorder()
    lines: list[tuple[float, float, str, float]] = []
    notes: set[str] = set()
    for path in _files_under(meta.parent / "metrics"):
        name = path.relative_to(meta.parent / "metrics").as_posix()
        with open_lines(path) as texts:
            for line in texts:
                if (point := _point(line)) is not None:
                    lines.append((point[0], point[2], name, point[1]))
                elif line.strip():
                    notes.add("Lines of MLflow metrics that were torn or damaged are left out.")
    for _, step, name, value in sorted(lines, key=lambda item: item[0]):
        recorder.add(step, name, value)
    config = {
        path.relative_to(meta.parent / "params").as_posix(): read_text(path).strip()
        for path in _files_under(meta.parent / "params")
    }
    series, overlap = recorder.stitched()
    if not series and not config:
        raise InputError(f"{meta.parent} is an MLflow run without metrics or parameters.")
    status = told.get("status")
    yield RunLog(
        str(told.get("run_name") or meta.parent.name),
        str(meta.parent),
        series,
        config=config,
        ending=_STATUS_NUMBERS.get(status, "") if isinstance(status, int) else _ENDINGS.get(str(status), ""),
        overlap=overlap,
        notes=(*notes, *_notes(series)),
    )


def _files_under(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _point(line: str) -> tuple[float, float, float] | None:
    """Time, value and step of a line; the step is missing in the oldest stores."""
    parts = line.split()
    try:
        time, value = float(parts[0]), float(parts[1])
        return time, value, float(parts[2]) if len(parts) > 2 else 0.0
    except (IndexError, ValueError):
        return None
