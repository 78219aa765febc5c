"""TensorBoard event files: scalars, in both styles, and the hyper-parameters that `add_hparams` leaves.

    record   length u64, masked crc32c u32, data, masked crc32c u32
    Event    1 wall time (double), 2 step, 3 file version, 5 Summary
    Value    1 tag, 2 simple value (float), 8 tensor, 9 metadata (1 plugin: 1 name, 2 content)

Several files in one directory are one run, in the order of their names, which begin with the time. The format is
known from files that tensorboardX and torch.utils.tensorboard wrote.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from isoflop.errors import InputError
from isoflop.readers.log import Recorder, RunLog
from isoflop.readers.source import LogSource
from isoflop.readers.text import open_bytes
from isoflop.readers.wire import FIXED64, double, fields, signed, single, text

VERSION = b"brain.Event:"
_LONGEST_RECORD = 256 << 20
_LONGEST_SCALAR = 1 << 16
"""Bytes; longer records are images, histograms or graphs."""

_HPARAMS = "_hparams_/session_start_info"


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def masked_crc(data: bytes) -> int:
    """CRC-32C of `data`, rotated and shifted as TFRecord stores it."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= 0xFFFFFFFF
    return (((value >> 15) | (value << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def is_tensorboard(start: bytes) -> bool:
    """Whether a file that begins with `start` is a file of events."""
    if len(start) < 12 or int.from_bytes(start[8:12], "little") != masked_crc(start[:8]):
        return False
    return VERSION in start[12:80]


class _Run:
    """What the events of a run have said so far."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.settings: dict[str, float | str] = {}

    def take(self, event: bytes) -> None:
        """One event; ValueError when it is none."""
        step, summaries = 0, []
        for number, _, value in fields(event):
            if number == 2:
                step = signed(value)
            elif number == 5 and isinstance(value, bytes):
                summaries.append(value)
        for summary in summaries:
            for number, _, value in fields(summary):
                if number == 1 and isinstance(value, bytes):
                    self._value(float(step), value)

    def _value(self, step: float, message: bytes) -> None:
        tag, scalar, plugin = "", None, b""
        for number, kind, value in fields(message):
            if number == 1:
                tag = text(value)
            elif number == 2:
                scalar = single(value)
            elif number == 8 and isinstance(value, bytes):
                scalar = _tensor(value)
            elif number == 9 and kind == 2 and isinstance(value, bytes):
                plugin = value
        if tag == _HPARAMS:
            self.settings.update(_hparams(plugin))
        elif scalar is not None and tag and not tag.startswith("_hparams_/"):
            # The summary of hyper-parameters is a point at step 0 that belongs to no curve.
            self.recorder.add(step, tag, scalar)


def read_tensorboard(source: LogSource) -> Iterator[RunLog]:
    """The run whose event files are those of `source`.

    Raises:
        InputError: a file is not what it says.
    """
    run, notes = _Run(), []
    for path in source.files:
        run.recorder.begin_piece()
        with open_bytes(path) as stream:
            bad = 0
            for record in _records(stream, path):
                try:
                    if record is None:
                        raise ValueError
                    run.take(record)
                except ValueError:
                    bad += 1
        if bad:
            notes.append("Records of event files that were torn or damaged are left out.")
    series, overlap = run.recorder.stitched()
    if not series and not run.settings:
        raise InputError(f"{source.place}: its event files hold no scalars.")
    if any(name.endswith(" vs samples") for name in series):
        # Megatron writes every curve twice, once over samples.
        series = {name: item for name, item in series.items() if not name.endswith(" vs samples")}
    yield RunLog(
        source.name, str(source.place), series, config=run.settings, overlap=overlap, notes=tuple(dict.fromkeys(notes))
    )


def _records(stream: IO[bytes], path: Path) -> Iterator[bytes | None]:
    """The data of the records of a file; None for one that is damaged, after which nothing can be found."""
    first = True
    while head := stream.read(12):
        size, checksum = int.from_bytes(head[:8], "little"), int.from_bytes(head[8:12], "little")
        if len(head) < 12 or masked_crc(head[:8]) != checksum or size > _LONGEST_RECORD:
            if first:
                raise InputError(f"{path} is not a file of TensorBoard events.")
            yield None
            return
        first = False
        data, tail = stream.read(size), stream.read(4)
        if len(data) < size or len(tail) < 4:
            yield None
            return
        if size <= _LONGEST_SCALAR:
            yield data if masked_crc(data) == int.from_bytes(tail, "little") else None


def _tensor(message: bytes) -> float | None:
    """A tensor of one number, as newer writers store scalars."""
    kind, content, packed = 0, b"", []
    for number, wire, value in fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number == 5 and isinstance(value, bytes):
            packed += [single(value[place : place + 4]) for place in range(0, len(value), 4)]
        elif number == 6 and isinstance(value, bytes):
            pieces = [value] if wire == FIXED64 else [value[place : place + 8] for place in range(0, len(value), 8)]
            packed += [double(piece) for piece in pieces]
    if packed:
        return packed[0] if len(packed) == 1 else None
    if kind == 1 and len(content) == 4:
        return float(struct.unpack("<f", content)[0])
    return float(struct.unpack("<d", content)[0]) if kind == 2 and len(content) == 8 else None


def _hparams(metadata: bytes) -> dict[str, float | str]:
    """The settings in the plugin bytes of `add_hparams`: HParamsPluginData 3 → SessionStartInfo 1 → (name, Value)."""
    found: dict[str, float | str] = {}
    for plugin in _all(metadata, 1):
        for content in _all(plugin, 2):
            for session in _all(content, 3):
                for entry in _all(session, 1):
                    name = next(iter(_all(entry, 1)), b"").decode("utf-8", "replace")
                    for value in _all(entry, 2):
                        for number, _, item in fields(value):
                            if number == 2:
                                found[name] = double(item)
                            elif number == 3:
                                found[name] = text(item)
                            elif number == 4 and isinstance(item, int):
                                found[name] = float(item)
    return found


def _all(message: bytes, number: int) -> list[bytes]:
    return [value for field, _, value in fields(message) if field == number and isinstance(value, bytes)]
