"""trackio: one SQLite file a project, with the metrics of a step as JSON and the settings of a run as JSON.

The JSON columns come back as text or as bytes. Known from files that trackio 0.43 wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from isoflop.readers.log import Recorder, RunLog, flattened, number_of
from isoflop.readers.source import LogSource
from isoflop.readers.sqlite import open_sqlite

TABLES = {"metrics": {"run_name", "step", "metrics"}}
"""Tables and columns by which a database is known as trackio's."""


def read_trackio(source: LogSource) -> Iterator[RunLog]:
    """The runs of a trackio project; runs of one name with different ids are told apart by the id.

    Raises:
        InputError: the database is damaged.
    """
    (path,) = source.files
    with open_sqlite(path) as store:
        columns = {str(row[1]) for row in store.execute("PRAGMA table_info(metrics)")}
        key = "run_id" if "run_id" in columns else "run_name"
        runs = store.execute(
            f"SELECT {key}, min(run_name), min(rowid) FROM metrics GROUP BY {key} ORDER BY 3"
        ).fetchall()
        names = [str(name) for _, name, _ in runs]
        settings = _settings(store, key)
        for identifier, name, _ in runs:
            recorder = Recorder()
            torn = False
            for step, record in store.execute(
                f"SELECT step, metrics FROM metrics WHERE {key} IS ? ORDER BY rowid", (identifier,)
            ):
                values = _object(record)
                torn = torn or values is None
                for metric, value in flattened(values or {}).items():
                    number = number_of(value)
                    if number is not None and isinstance(step, (int, float)):
                        recorder.add(float(step), metric, number)
            series, overlap = recorder.stitched()
            called = str(name) if names.count(str(name)) == 1 else f"{name} ({identifier})"
            config = flattened(settings.get(identifier, {}))
            yield RunLog(
                called,
                f"{path}#{identifier}",
                series,
                config={key: value for key, value in config.items() if not key.startswith("_")},
                overlap=overlap,
                notes=("Steps of trackio that were damaged are left out.",) if torn else (),
            )


def _settings(store: Any, key: str) -> dict[Any, dict[str, Any]]:
    columns = {str(row[1]) for row in store.execute("PRAGMA table_info(configs)")}
    if not {key, "config"} <= columns:
        return {}
    rows = store.execute(f"SELECT {key}, config FROM configs").fetchall()
    return {identifier: _object(config) or {} for identifier, config in rows}


def _object(value: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(value)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
