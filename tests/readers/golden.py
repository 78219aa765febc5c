"""Files of trackers and training programs, written byte by byte from the descriptions of their formats."""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from isoflop.readers.tensorboard import masked_crc

BLOCK = 32768


def varint(number: int) -> bytes:
    found = bytearray()
    number &= (1 << 64) - 1
    while True:
        found.append((number & 0x7F) | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(found)


def field(number: int, value: int | float | str | bytes) -> bytes:
    """One field of a message: an integer, a double, or anything with a length."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def single(number: int, value: float) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<f", value)


# --- Weights & Biases -----------------------------------------------------------------------------------------------


def wandb_items(values: Mapping[str, Any], *, nested: bool = False) -> bytes:
    """The items of a history or summary record; `nested` writes keys as the newer client does."""
    items = b""
    for key, value in values.items():
        named = b"".join(field(2, part) for part in key.split(".")) if nested else field(1, key)
        items += field(1, named + field(16, json.dumps(value)))
    return items


def wandb_file(
    history: Iterable[Mapping[str, Any]],
    config: Mapping[str, Any] | None = None,
    *,
    name: str = "run",
    exit_code: int | None = 0,
    summary: Mapping[str, Any] | None = None,
    nested: bool = False,
) -> bytes:
    settings = wandb_items(config or {})
    records = [field(17, field(1, "id") + field(4, settings) + field(8, name))]
    records += [field(2, wandb_items(row, nested=nested)) for row in history]
    if summary:
        records.append(field(3, wandb_items(summary)))
    if exit_code is not None:
        records.append(field(18, field(1, exit_code)))
    return leveldb_log(records)


def leveldb_log(records: Sequence[bytes], start: bytes = b":W&B\xe1\xbe\x00") -> bytes:
    """Records in blocks of 32768 bytes, split where they do not fit."""
    log = bytearray(start)
    for record in records:
        first = True
        while True:
            room = BLOCK - len(log) % BLOCK
            if room < 7:
                log += bytes(room)
                room = BLOCK
            piece, record = record[: room - 7], record[room - 7 :]
            kind = (1 if not record else 2) if first else (4 if not record else 3)
            checksum = zlib.crc32(bytes([kind]) + piece)
            log += struct.pack("<IHB", checksum, len(piece), kind) + piece
            first = False
            if not record:
                break
    return bytes(log)


# --- TensorBoard ----------------------------------------------------------------------------------------------------


def tfrecord(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)) + data + struct.pack("<I", masked_crc(data))


def scalar(step: int, tag: str, value: float, *, style: str = "simple") -> bytes:
    """One event; `style` is simple, tensor (packed floats) or content (raw bytes of a tensor)."""
    if style == "simple":
        said = single(2, value)
    elif style == "tensor":
        said = field(8, field(1, 1) + field(5, struct.pack("<f", value)))
    else:
        said = field(8, field(1, 1) + field(4, struct.pack("<f", value)))
    return tfrecord(field(1, 1.0) + field(2, step) + field(5, field(1, field(1, tag) + said)))


def events_file(scalars: Iterable[tuple[int, str, float]], *, style: str = "simple") -> bytes:
    start = tfrecord(field(1, 1.0) + field(3, "brain.Event:2"))
    return start + b"".join(scalar(step, tag, value, style=style) for step, tag, value in scalars)


# --- databases ------------------------------------------------------------------------------------------------------


def mlflow_database(path: Path, runs: Mapping[str, Sequence[tuple[int, str, float]]], **settings: str) -> None:
    store = sqlite3.connect(path)
    store.executescript(
        "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, lifecycle_stage TEXT);"
        "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
        "CREATE TABLE metrics (key TEXT, value REAL, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan INTEGER);"
    )
    for number, (name, points) in enumerate(runs.items()):
        store.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', 'active')", (f"id{number}", name))
        for key, value in settings.items():
            store.execute("INSERT INTO params VALUES (?, ?, ?)", (key, value, f"id{number}"))
        for time, (step, key, value) in enumerate(points):
            is_nan = value != value
            store.execute(
                "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)",
                (key, 0.0 if is_nan else value, time, f"id{number}", step, is_nan),
            )
    store.commit()
    store.close()


def trackio_database(path: Path, runs: Mapping[str, Sequence[tuple[int, dict[str, float]]]], **settings: float) -> None:
    store = sqlite3.connect(path)
    store.executescript(
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT, run_name TEXT, step INTEGER, "
        "metrics TEXT); CREATE TABLE configs (id INTEGER PRIMARY KEY, run_id TEXT, run_name TEXT, config TEXT);"
    )
    for name, points in runs.items():
        store.execute("INSERT INTO configs VALUES (NULL, ?, ?, ?)", (f"id-{name}", name, json.dumps(settings).encode()))
        for step, values in points:
            row = (f"id-{name}", "2026-01-01T00:00:00", name, step, json.dumps(values).encode())
            store.execute("INSERT INTO metrics VALUES (NULL, ?, ?, ?, ?, ?)", row)
    store.commit()
    store.close()


# --- printed logs and JSON lines, as files ----------------------------------------------------------------------------

LOGS = Path(__file__).parent / "logs"
PRINTED = {path.stem: path.read_text(encoding="utf-8") for path in sorted(LOGS.glob("*.log"))}
RECORDED = {path.stem: path.read_text(encoding="utf-8") for path in sorted(LOGS.glob("*.jsonl"))}

TRAINER_STATE: dict[str, Any] = {
    "epoch": 1.25,
    "global_step": 20,
    "max_steps": 20,
    "num_input_tokens_seen": 2560,
    "total_flos": 101253120.0,
    "train_batch_size": 4,
    "log_history": [
        {"epoch": 0.6, "loss": 4.02, "learning_rate": 4e-05, "step": 10, "num_input_tokens_seen": 1280},
        {"epoch": 0.6, "eval_loss": 4.1, "eval_runtime": 0.1, "step": 10},
        {"epoch": 1.25, "loss": 3.9, "learning_rate": 2e-06, "step": 20, "num_input_tokens_seen": 2560},
        {"epoch": 1.25, "eval_loss": 4.0, "eval_runtime": 0.1, "step": 20},
        {"epoch": 1.25, "step": 20, "total_flos": 101253120.0, "train_loss": 77.0, "train_runtime": 5.0},
    ],
}
LM_EVAL: dict[str, Any] = {
    "results": {
        "arc_easy": {"alias": "arc_easy", "acc,none": 0.61, "acc_stderr,none": 0.01, "acc_norm,none": 0.55},
        "wikitext": {"alias": "wikitext", "word_perplexity,none": 30.5, "word_perplexity_stderr,none": "N/A"},
    },
    "versions": {"arc_easy": 1},
    "n-shot": {"arc_easy": 0},
    "config": {"model": "hf", "model_args": "pretrained=/models/small,dtype=float32", "model_num_parameters": 100000},
}
