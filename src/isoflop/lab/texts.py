"""Where text comes from: this interpreter's library sources, a user's folder, or CC0 books from the network."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from isoflop.errors import InputError
from isoflop.lab.downloads import standard_ebooks_text

__all__ = ["directory_text", "standard_ebooks_text", "stdlib_text"]

# Tests repeat themselves, encodings and tables are data, the rest is generated or not part of the library.
SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "encodings", "pydoc_data", "lib2to3", "site-packages", "dist-packages",
     "ensurepip", "__pycache__", "turtledemo", "msilib", "__phello__"}
)  # fmt: skip
SKIPPED_FILES = re.compile(r"_sysconfigdata.*|entities\.py|stringprep\.py|sre_constants\.py|.*opcode.*\.py|this\.py")
NOT_PRINTABLE = re.compile(rb"[^\x20-\x7e\n]")
# Below this share of letters among the characters that are not spaces a file is a table, not a program.
LEAST_LETTERS = 0.62


def stdlib_text(library: Path | None = None) -> tuple[bytes, str]:
    """Source of the Python standard library as printable ASCII, and a note saying which.

    Tests, encodings, tables and generated files are left out, and so are the comments that open a file
    (licences mostly). Files are ordered by the digest of their name, so that no subject has a region of its own.
    """
    root = Path(sysconfig.get_path("stdlib")) if library is None else library
    chosen = [path for path in _python_files(root)]
    chosen.sort(key=lambda path: hashlib.sha256(path.relative_to(root).as_posix().encode()).digest())
    parts = []
    for path in chosen:
        try:
            text = _clean_program(path.read_bytes())
        except OSError:
            continue
        if _is_program(text):
            parts.append(text)
    version = ".".join(sysconfig.get_python_version().split(".")[:2])
    note = f"source of the Python {version} standard library: {len(parts)} files"
    return b"\n".join(parts), note


def directory_text(path: Path) -> tuple[bytes, str]:
    """All text files under `path` in order of their names (or the one file `path`), and a note saying so.

    Files that hold a zero byte are taken for binary and left out; the note counts them.
    """
    if not path.exists():
        raise InputError(f"text directory {path} does not exist: give a folder of text files, or one file.")
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if _is_visible_file(file, path))
    parts, binary = [], 0
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}): make it readable or move it away.") from error
        if b"\0" in content:
            binary += 1
        elif content:
            parts.append(content.replace(b"\r\n", b"\n"))
    if not parts:
        raise InputError(f"text directory {path} holds no text: give a folder of text files, or one file.")
    note = f"{len(parts)} text files of {path}" + (f"; {binary} binary files left out" if binary else "")
    return b"\n".join(parts), note


def _is_visible_file(file: Path, root: Path) -> bool:
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(root).parts)


def _python_files(root: Path) -> Iterator[Path]:
    for path in root.rglob("*.py"):
        inside = path.relative_to(root)
        if SKIPPED_FOLDERS.isdisjoint(inside.parts[:-1]) and not SKIPPED_FILES.fullmatch(path.name):
            yield path


def _clean_program(source: bytes) -> bytes:
    lines = source.replace(b"\r\n", b"\n").expandtabs(8).split(b"\n")
    start = 0
    while start < len(lines) and (not lines[start].strip() or lines[start].startswith(b"#")):
        start += 1
    body = b"\n".join(line.rstrip() for line in lines[start:])
    return re.sub(rb"\n{4,}", b"\n\n\n", NOT_PRINTABLE.sub(b"", body))


def _is_program(text: bytes) -> bool:
    visible = len(re.sub(rb"\s", b"", text))
    letters = len(re.sub(rb"[^A-Za-z]", b"", text))
    return visible >= 500 and letters >= LEAST_LETTERS * visible
