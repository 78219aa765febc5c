"""Protocol Buffers on the wire: the fields of a message, without a schema and without the protobuf library."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """The fields of `message` in order: number, wire type, and the integer or the bytes.

    Raises:
        ValueError: it is no message, or is cut off.
    """
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, kind, value
            continue
        if kind == BYTES:
            size, place = _varint(message, place)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if place + size > end or number == 0:
            raise ValueError("a field that is cut off")
        yield number, kind, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("a number that is cut off")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def double(value: int | bytes) -> float:
    """The 64-bit float of a field.

    Raises:
        ValueError: the field is of another type.
    """
    if not isinstance(value, bytes) or len(value) != 8:
        raise ValueError("not a 64-bit number")
    return float(struct.unpack("<d", value)[0])


def single(value: int | bytes) -> float:
    """The 32-bit float of a field.

    Raises:
        ValueError: the field is of another type.
    """
    if not isinstance(value, bytes) or len(value) != 4:
        raise ValueError("not a 32-bit number")
    return float(struct.unpack("<f", value)[0])


def signed(value: int | bytes) -> int:
    """The integer of a field, negative ones restored.

    Raises:
        ValueError: the field is of another type.
    """
    if not isinstance(value, int):
        raise ValueError("not an integer")
    return value - (1 << 64) if value >= 1 << 63 else value


def text(value: int | bytes) -> str:
    """The text of a field.

    Raises:
        ValueError: the field is of another type.
    """
    if not isinstance(value, bytes):
        raise ValueError("not a text")
    return value.decode("utf-8", "replace")
