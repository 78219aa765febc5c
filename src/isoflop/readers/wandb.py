"""Weights & Biases on disk: the `.wandb` file of every run, offline or synced, and the folder `files/` beside it.

    header   ":W&B", u16 0xBEE1, version 0
    blocks   of 32768 bytes: crc32 u32, length u16, type u8 (1 whole, 2 first, 3 middle, 4 last), payload
    payload  protobuf Record: 2 history, 3 summary, 5 config, 17 run, 18 exit

Each record holds items whose value is JSON. The format is known from the source of the tool (wandb 0.31) and from
files it wrote; nothing of the tool is needed to read them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isoflop.errors import InputError
from isoflop.readers.log import Recorder, RunLog, flattened, number_of
from isoflop.readers.sidecars import read_json_object, read_yaml_object
from isoflop.readers.source import LogSource
from isoflop.readers.text import open_bytes
from isoflop.readers.wire import fields, text

MAGIC = b":W&B"
HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32768
_RECORD_HEADER = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_HISTORY, _SUMMARY, _CONFIG, _RUN, _EXIT = 2, 3, 5, 17, 18
_MOST_RECORD = 64 << 20


class _Run:
    """What the records of a run have said so far."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.config: dict[str, Any] = {}
        self.summary: dict[str, Any] = {}
        self.name = ""
        self.exit_code: int | None = None
        self.step = 0.0

    def take(self, payload: bytes) -> None:
        """One record; ValueError when it is none."""
        for number, _, value in fields(payload):
            if not isinstance(value, bytes):
                continue
            if number == _HISTORY:
                self._history(_items(value, 1))
            elif number == _SUMMARY:
                self.summary.update(_items(value, 1))
            elif number == _CONFIG:
                self.config.update(_items(value, 1))
            elif number == _RUN:
                self._described(value)
            elif number == _EXIT:
                codes = [item for field, _, item in fields(value) if field == 1]
                self.exit_code = codes[0] if codes and isinstance(codes[0], int) else 0

    def _history(self, items: dict[str, Any]) -> None:
        step = number_of(items.get("_step"))
        self.step = self.step + 1 if step is None else step
        for key, value in items.items():
            number = number_of(value)
            if number is not None and not key.startswith("_"):
                self.recorder.add(self.step, key, number)

    def _described(self, message: bytes) -> None:
        for number, _, value in fields(message):
            if number == 4 and isinstance(value, bytes):
                self.config.update(_items(value, 1))
            elif number == 8:
                self.name = text(value)


def read_wandb(source: LogSource) -> Iterator[RunLog]:
    """The run whose pieces are the files of `source`.

    Raises:
        InputError: a file is not what it says, or holds no record that can be read.
    """
    run, notes = _Run(), []
    for path in source.files:
        run.recorder.begin_piece()
        run.exit_code = None
        if path.suffix == ".json":
            _take_files(run, path)
        elif torn := _take_log(run, path):
            notes.append(torn)
    series, overlap = run.recorder.stitched()
    config = flattened({key: value for key, value in run.config.items() if not key.startswith("_")})
    summary = {key: number for key, value in run.summary.items() if (number := number_of(value)) is not None}
    ending = {None: "", 0: "finished"}.get(run.exit_code, "failed")
    yield RunLog(
        run.name or source.name,
        str(source.place),
        series,
        config=config,
        summary={key: value for key, value in summary.items() if key not in series and not key.startswith("_")},
        ending=ending,
        overlap=overlap,
        notes=tuple(dict.fromkeys(notes)),
    )


def _take_log(run: _Run, path: Path) -> str:
    """Read a `.wandb` file; the sentence to be said when its end is torn."""
    bad = read = 0
    with open_bytes(path) as stream:
        if stream.read(len(HEADER)) != HEADER:
            raise InputError(f"{path} is no W&B file of a version that is known (version 0).")
        for payload in _records(stream):
            try:
                if payload is None:
                    raise ValueError
                run.take(payload)
                read += 1
            except ValueError:
                bad += 1
    if not read:
        raise InputError(f"{path} holds no W&B record that can be read: the file is empty or damaged.")
    return "Records of W&B files that were torn or damaged are left out." if bad else ""


def _records(stream: Any) -> Iterator[bytes | None]:
    """The payloads of a log in the format of LevelDB; None for one that is damaged."""
    pieces: list[bytes] = []
    # The header of the file is part of the first block.
    block = stream.read(BLOCK - len(HEADER))
    while block:
        place = 0
        while place + _RECORD_HEADER <= len(block):
            checksum, size = (
                int.from_bytes(block[place : place + 4], "little"),
                int.from_bytes(block[place + 4 : place + 6], "little"),
            )
            kind, body = block[place + 6], block[place + _RECORD_HEADER : place + _RECORD_HEADER + size]
            if kind == 0 and size == 0:
                break
            place += _RECORD_HEADER + size
            if len(body) < size or zlib.crc32(block[place - size - 1 : place - size] + body) != checksum:
                yield None
                pieces = []
                break
            if kind == _WHOLE:
                yield body
            elif kind == _FIRST:
                pieces = [body]
            elif kind in (_MIDDLE, _LAST) and pieces:
                pieces.append(body)
                if sum(map(len, pieces)) > _MOST_RECORD:
                    pieces = []
                elif kind == _LAST:
                    yield b"".join(pieces)
                    pieces = []
        block = stream.read(BLOCK)
    if pieces:
        yield None


def _items(message: bytes, number: int) -> dict[str, Any]:
    """The key and JSON value of each item; a nested key is joined with dots."""
    found: dict[str, Any] = {}
    for field, _, value in fields(message):
        if field != number or not isinstance(value, bytes):
            continue
        key, nested, written = "", [], ""
        for part, _, content in fields(value):
            if part == 1:
                key = text(content)
            elif part == 2:
                nested.append(text(content))
            elif part == 16:
                written = text(content)
        try:
            found[".".join(nested) or key] = json.loads(written)
        except (ValueError, RecursionError):
            continue
    return found


def _take_files(run: _Run, summary: Path) -> None:
    """The folder `files/` of a synced run: settings and final values, no series."""
    run.summary.update(read_json_object(summary))
    config = summary.with_name("config.yaml")
    if config.is_file():
        # Each setting is written as {value: …}, beside the description that W&B once had.
        for key, entry in read_yaml_object(config).items():
            run.config[key] = entry["value"] if isinstance(entry, dict) and "value" in entry else entry
    details = summary.with_name("wandb-metadata.json")
    if details.is_file():
        gpus = number_of(read_json_object(details).get("gpu_count"))
        if gpus is not None:
            run.config.setdefault("gpus", gpus)
