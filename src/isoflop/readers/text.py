"""Bytes and lines of a file: unpacked under a cap, decoded by what the bytes say, refused when they are no text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from isoflop.errors import InputError

MAX_BYTES = 1 << 30
"""A file that has to be held whole (JSON, YAML) is refused above a gigabyte; CSV and logs are streamed."""

MAX_RATIO = 100
"""Unpacked bytes per packed byte; honest logs pack 5 to 20 times, bombs a thousand times and more."""

FREE_UNPACKED = 1 << 20
"""Unpacked bytes up to which the ratio is not looked at: small files of equal lines pack without limit."""

SMALL_PACKED = 4 << 20
"""Packed bytes up to which a file is unpacked once in advance."""

MAX_LINE = 16 << 20
"""Characters in a line; a longer one is no line of a table or a log."""

PIECE = 1 << 21
"""Characters that are read at once."""

SAMPLE = 1 << 18
"""Bytes that are looked at to tell the encoding."""

Progress = Callable[[int, int], None]
"""Told how many of how many bytes, or runs, are done."""

_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27})
_DAMAGE = (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, RuntimeError)
BAD_ZIP = (*_DAMAGE, ValueError, IndexError, KeyError, OverflowError, struct.error)
"""What the zip reader raises on files that are not what they say."""


@dataclass(frozen=True)
class Encoding:
    """How bytes become characters, and what is to be said about it (empty when it is what one expects)."""

    codec: str
    note: str = ""


class _Capped(io.RawIOBase):
    """An unpacking stream that stops a bomb, and tells a torn archive in a sentence."""

    def __init__(self, path: Path, stream: IO[bytes], packed: int) -> None:
        self._path, self._stream, self._packed, self._given = path, stream, packed, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            piece = self._stream.read(len(buffer))
        except _DAMAGE as error:
            raise InputError(f"{self._path} is a damaged compressed file ({one_line(error)}).") from None
        self._given += len(piece)
        if self._given > max(FREE_UNPACKED, MAX_RATIO * self._packed):
            raise InputError(
                f"{self._path} unpacks to more than {MAX_RATIO} times its size, as no table or log does: "
                "unpack it yourself if you trust it."
            )
        buffer[: len(piece)] = piece
        return len(piece)


def one_line(error: BaseException) -> str:
    """What an error of another library says, in one line that fits into a sentence."""
    return " ".join((str(error) or type(error).__name__).split())[:160].rstrip(".")


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The bytes at `path` as a stream, unpacked from gzip, xz, bzip2 or a zip archive of one file.

    Raises:
        InputError: the file is missing, no ordinary file, damaged, or unpacks to more than `MAX_RATIO` times its size.
    """
    with _opened(path) as (_, stream):
        yield stream


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file as it lies on disk, and its bytes unpacked."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{path} is neither a file nor a directory: give the path of a table or of logs.")
        with path.open("rb") as raw, _unpacked(path, raw) as stream:
            yield raw, stream
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give the path of a table, of logs or of a study directory.") from None
    except _DAMAGE as error:
        raise InputError(f"{path} is a damaged compressed file ({one_line(error)}).") from None
    except ValueError as error:
        if isinstance(error, InputError) or "null" not in str(error):
            raise
        raise InputError(f"{str(path)!r} cannot be a path: it holds a NUL character.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}).") from None


@contextmanager
def _unpacked(path: Path, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    start = raw.read(6)
    raw.seek(0)
    packed = os.fstat(raw.fileno()).st_size
    inner: IO[bytes]
    if start[:2] == b"\x1f\x8b":
        inner = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
    elif start == b"\xfd7zXZ\0":
        inner = lzma.LZMAFile(raw)
    elif start[:3] == b"BZh":
        inner = bz2.BZ2File(raw)
    elif start[:4] == b"PK\x03\x04":
        inner = _single_member(path, raw)
    else:
        yield raw
        return
    with io.BufferedReader(_Capped(path, inner, packed), 1 << 16) as stream:
        yield stream


def _single_member(path: Path, raw: IO[bytes]) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(raw)
        members = [item for item in archive.infolist() if not item.is_dir()]
    except BAD_ZIP as error:
        raise InputError(f"{path} is a damaged compressed file ({one_line(error)}).") from None
    if any(item.filename == "[Content_Types].xml" for item in members):
        raise InputError(f"{path} is a spreadsheet: save the sheet as CSV and give that.")
    if len(members) != 1:
        raise InputError(f"{path} is a zip archive of {len(members)} files: unpack it and give the folder.")
    if members[0].flag_bits & 1:
        raise InputError(f"{path} is a zip archive with a password: unpack it and give the file.")
    try:
        return archive.open(members[0])
    except BAD_ZIP as error:
        raise InputError(f"{path} is a damaged compressed file ({one_line(error)}).") from None


def refuse_bomb(path: Path) -> None:
    """Unpack a small packed file once for nothing, so that a bomb is refused before anything is made of it."""
    try:
        if path.stat().st_size > SMALL_PACKED:
            return
    except OSError:
        return
    with open_bytes(path) as stream:
        while stream.read(1 << 20):
            pass


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """At most `limit` bytes of the file at `path`, unpacked; more than `MAX_BYTES` is refused."""
    wanted = min(limit, MAX_BYTES + 1)
    with open_bytes(path) as stream:
        pieces, held = [], 0
        while held < wanted and (piece := stream.read(min(wanted - held, 1 << 20))):
            pieces.append(piece)
            held += len(piece)
    if held > MAX_BYTES:
        raise InputError(f"{path} holds more than {MAX_BYTES >> 30} GiB: give a table with one row per run.")
    return b"".join(pieces)


def read_text(path: Path) -> str:
    """The text at `path`, unpacked and decoded, without byte-order mark; lines end in line feeds.

    Raises:
        InputError: the file is missing, too large, damaged, or not text.
    """
    payload = read_bytes(path)
    encoding = encoding_of(payload[:SAMPLE], path, whole=len(payload) <= SAMPLE)
    try:
        text = payload.decode(encoding.codec)
    except UnicodeDecodeError as error:
        line = payload.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: this is not text; save the file as UTF-8.") from None
    _refuse_nul(text, path, 1)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(sample: bytes, path: Path | str, *, whole: bool) -> Encoding:
    """The encoding of a file that begins with `sample` (`whole` when that is all of it).

    Raises:
        InputError: the bytes are those of no text, naming the line of the first one.
    """
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Encoding("utf-16", "The file is UTF-16 text.")
    wide = _wide_without_mark(sample)
    if wide:
        return Encoding(wide, f"The file is {wide.upper()} text without a byte-order mark.")
    control = next((place for place, byte in enumerate(sample) if byte in _CONTROLS), None)
    if control is not None:
        line = sample.count(b"\n", 0, control) + 1
        what = "a NUL character" if sample[control] == 0 else f"a control character (byte {sample[control]})"
        raise InputError(f"{path}, line {line}: there is {what}; the file is damaged or not a table.")
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character cut in two by the end of the sample is none of the file's doing.
        if whole or error.start < len(sample) - 4:
            return Encoding("cp1252", "The file is not UTF-8; letters beyond ASCII are read as Windows-1252.")
    return Encoding("utf-8-sig")


def _wide_without_mark(sample: bytes) -> str | None:
    """UTF-16 of mostly Latin letters, told by its zeros."""
    head = sample[: 512 & ~1]
    if len(head) < 8:
        return None
    for codec, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        others = head[0::2] if codec == "utf-16-le" else head[1::2]
        if zeros.count(0) > 0.9 * len(zeros) and others.count(0) == 0:
            return codec
    return None


@dataclass
class Lines:
    """The lines of a text file, without their ends; `number` of them have been given out."""

    stream: IO[str]
    path: Path
    encoding: Encoding
    raw: IO[bytes]
    size: int
    number: int = 0

    @property
    def position(self) -> int:
        """Bytes of the file that have been taken from disk, of `size`."""
        return self.raw.tell()

    def __iter__(self) -> Iterator[str]:
        for piece in self.pieces():
            self.number -= len(piece)
            for line in piece:
                self.number += 1
                yield line

    def watched(self, progress: Progress | None) -> Iterator[list[str]]:
        """The lines in lists, `progress` told after each how many of how many bytes are read."""
        for piece in self.pieces():
            if progress is not None:
                progress(self.position, self.size)
            yield piece

    def pieces(self) -> Iterator[list[str]]:
        """The lines in lists of some ten thousand, which is several times as fast as one by one."""
        rest = ""
        try:
            while chunk := self.stream.read(PIECE):
                if "\0" in chunk:
                    _refuse_nul(chunk, self.path, self.number + 1)
                lines = (rest + chunk).split("\n")
                rest = lines.pop()
                if len(rest) > MAX_LINE:
                    raise InputError(f"{self.path}, line {self.number + 1}: it is longer than {MAX_LINE >> 20} MiB.")
                if lines:
                    self.number += len(lines)
                    yield lines
            if rest:
                self.number += 1
                yield [rest]
        except UnicodeDecodeError:
            raise InputError(
                f"{self.path}, after line {self.number}: this is not {self.encoding.codec.removesuffix('-sig')} text; "
                "save the file as UTF-8."
            ) from None


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """The lines of the text at `path` as a stream, decoded by what its first bytes say."""
    with open_bytes(path) as peeked:
        sample = peeked.read(SAMPLE)
        encoding = encoding_of(sample, path, whole=len(sample) < SAMPLE)
    with _opened(path) as (raw, stream), io.TextIOWrapper(stream, encoding=encoding.codec) as text:
        yield Lines(text, path, encoding, raw, os.fstat(raw.fileno()).st_size)


def _refuse_nul(text: str, path: Path, first_line: int) -> None:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + first_line
        raise InputError(f"{path}, line {line}: there is a NUL character; the file is damaged or not a table.")
