"""A CSV file that is the log of one run: a step on every line, metrics in columns, empty where nothing was logged.

That is how Lightning's CSVLogger and litgpt write `metrics.csv`; settings stand beside it in `hparams.yaml`, or in
litgpt's `model_config.yaml` and `hyperparameters.yaml`. litgpt counts `tokens` per device and `total_tokens` over all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.errors import InputError
from isoflop.readers.csv import CsvOptions, read_csv
from isoflop.readers.headers import assign
from isoflop.readers.log import Recorder, RunLog, flattened
from isoflop.readers.metrics import metric_of
from isoflop.readers.numbers import Decimal, plain_number, with_point
from isoflop.readers.parquet import read_parquet
from isoflop.readers.sidecars import read_json_object, read_yaml_object
from isoflop.readers.source import LogSource

SIDECARS = ("hparams.yaml", "model_config.yaml", "hyperparameters.yaml", "config.yaml", "config.json", "hparams.json")
"""Files of settings that are looked for beside the log, and beside the folders `logs/csv/version_N` it may lie in."""

STEPS = ("step", "global_step", "iter", "iteration", "_step", "steps")
_OF_A_TABLE = frozenset(
    {"run", "params", "params_total", "params_non_embedding", "params_active", "compute", "family", "layers", "width"}
)


def is_curve(header: Sequence[str]) -> bool:
    """Whether a table with these columns is the log of one run: steps and losses, and nothing that tells runs apart."""
    named = {reading.column.name for reading in assign(header, {}).values() if reading is not None}
    measured = {metric_of(name).meaning for name in header}
    has_loss = bool({"loss", "train_loss"} & named) or bool(
        {"held-out loss", "training loss", "bits per byte"} & measured
    )
    return _step_of(header) is not None and has_loss and not named & _OF_A_TABLE


def read_curve_csv(source: LogSource) -> Iterator[RunLog]:
    """The run whose log is the CSV files of `source`.

    Raises:
        InputError: a file is no CSV, or has no steps.
    """
    recorder = Recorder()
    for path in source.files:
        recorder.begin_piece()
        _take(recorder, path)
    series, overlap = recorder.stitched()
    config, notes = _settings(source.files[-1].parent, source.place)
    if "total_tokens" in series:
        series.pop("tokens", None)
    yield RunLog(source.name, str(source.place), series, config=config, overlap=overlap, notes=notes)


def read_curve_parquet(source: LogSource) -> Iterator[RunLog]:
    """The run whose history is a Parquet file, as the W&B server keeps it; what is null was not logged.

    Raises:
        InputError: the file is damaged, or its steps are no numbers.
    """
    recorder = Recorder()
    for path in source.files:
        table = read_parquet(path)
        step_name = _step_of(table.header)
        columns = dict(zip(table.header, table.columns, strict=True))
        steps = columns.pop(step_name) if step_name else None
        if not isinstance(steps, np.ndarray):
            raise InputError(f"{path}: its column {step_name!r} of steps holds something that is no number.")
        for name, cells in columns.items():
            if isinstance(cells, np.ndarray) and not name.startswith("_"):
                for step, value in zip(steps.tolist(), cells.tolist(), strict=True):
                    if step == step and value == value:
                        recorder.add_unordered(step, name, value)
    series, overlap = recorder.stitched()
    yield RunLog(source.name, str(source.place), series, overlap=overlap)


def _step_of(header: Sequence[str]) -> str | None:
    return next((name for name in STEPS if name in header), None)


def _take(recorder: Recorder, path: Path) -> None:
    # As text, since an empty cell says that nothing was logged, and a NaN that the run has diverged.
    table = read_csv(path, CsvOptions(as_text=True))
    step_name = _step_of(table.header)
    columns = {name: list(cells) for name, cells in zip(table.header, table.columns, strict=True)}
    if step_name is None:
        raise InputError(f"{path} has no column of steps ({', '.join(STEPS)}).")
    for place, written in enumerate(columns.pop(step_name)):
        step = _number_in(written, table.decimal)
        if step is None and written.strip():
            line = int(table.lines[place])
            raise InputError(f"{path}, row {line}, column {step_name!r}: {written[:40]!r} is no step.")
        if step is None:
            continue
        for name, cells in columns.items():
            value = _number_in(cells[place], table.decimal)
            if value is not None:
                recorder.add(step, name, value)


def _number_in(cell: str, decimal: Decimal) -> float | None:
    """The number in a cell; None where it is empty or holds something else."""
    return plain_number(with_point(cell) if decimal == "comma" else cell) if cell.strip() else None


def _settings(folder: Path, place: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    config: dict[str, Any] = {}
    notes: list[str] = []
    folders = [folder, place, *(parent for parent in folder.parents if folder.name.startswith("version_"))][:5]
    for directory in dict.fromkeys(folders):
        for name in SIDECARS:
            path = directory / name
            if path.is_file():
                try:
                    read = read_json_object(path) if name.endswith(".json") else read_yaml_object(path)
                except InputError as error:
                    notes.append(f"Settings are left out: {error}")
                    continue
                config = {**flattened(read), **config}
        if config:
            break
    return config, tuple(notes)
