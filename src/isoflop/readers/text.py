"""The text of a file: decompressed under a cap, decoded by its byte-order mark, refused when it is not text."""

from __future__ import annotations

import gzip
import lzma
import zlib
from pathlib import Path

from isoflop.errors import InputError

MAX_BYTES = 1 << 30
"""No table of runs is larger than a gigabyte; a compressed file that unpacks to more is refused."""


def read_text(path: Path) -> str:
    """The text at `path`, unpacked if it is gzip or xz, without byte-order mark; lines end in line feeds.

    Raises:
        InputError: the file is missing, too large, damaged, or not UTF-8 or marked UTF-16 text.
    """
    payload = read_bytes(path)
    encoding = "utf-16" if payload[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = payload.decode(encoding)
    except UnicodeDecodeError as error:
        line = payload.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: this is not UTF-8 text; save the file as UTF-8.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{path}, line {line}: there is a NUL character; the file is damaged or not a table.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """At most `limit` bytes of the file at `path`, unpacked; more than `MAX_BYTES` is refused."""
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
            stream.seek(0)
            wanted = min(limit, MAX_BYTES + 1)
            if start == b"\x1f\x8b":
                payload = gzip.GzipFile(fileobj=stream).read(wanted)
            elif start == b"\xfd7":
                payload = lzma.LZMAFile(stream).read(wanted)
            else:
                payload = stream.read(wanted)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a table or a study directory.") from None
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is a damaged compressed file ({error}).") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None
    if len(payload) > MAX_BYTES:
        raise InputError(f"{path} holds more than {MAX_BYTES >> 30} GiB: give a table with one row per run.")
    return payload
