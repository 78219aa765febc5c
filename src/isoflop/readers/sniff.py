"""What a path holds, told by its content, never by its name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Literal

from isoflop.errors import InputError
from isoflop.readers.text import read_bytes

Format = Literal["run-directory", "csv", "json", "parquet"]

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF", "HDF5"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"\x93NUMPY", "a NumPy array"),
)


def sniff(path: Path) -> Format:
    """The format of the file or directory at `path`.

    Raises:
        InputError: it is a pickle (which could run code and is never opened), or nothing that is read.
    """
    if path.is_dir():
        return "run-directory"
    start = read_bytes(path, limit=4096)
    if _is_pickle(start, path):
        raise InputError(
            f"{path} is a pickle: opening one can run any code it carries, so isoflop never does. "
            "Save the table as CSV, JSON or Parquet."
        )
    if start[:4] == b"PAR1":
        return "parquet"
    for magic, name in _OTHERS:
        if start.startswith(magic):
            raise InputError(f"{path} is {name}, which is not read: save the table as CSV, JSON or Parquet.")
    if start[:2] == b"PK":
        raise InputError(f"{path} is a zip archive or a spreadsheet: save the sheet as CSV and give that.")
    # UTF-16 text is recognised by its mark; its letters stand between NUL bytes.
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        start = start[2:].replace(b"\0", b"")
    return "json" if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv"


def _is_pickle(start: bytes, path: Path) -> bool:
    """Whether the content is a pickle of any protocol, bare or in the zip archive that torch writes."""
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    # Protocols 0 and 1 have no magic; they begin with these opcodes and end in a full stop.
    if start[:3] in (b"(lp", b"(dp", b"}q\x00", b"]q\x00", b"(dq") or start[:9] in (b"ccopy_reg", b"ccollecti"):
        return True
    if start[:4] != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            return any(name.endswith((".pkl", ".pickle")) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
