"""Where text comes from: this interpreter's library sources, a user's folder, or words that are made up."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from isoflop.errors import InputError

# Tests repeat themselves, encodings and tables are data, the rest is generated or not part of the library.
SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "encodings", "pydoc_data", "lib2to3", "site-packages", "dist-packages",
     "ensurepip", "__pycache__", "turtledemo", "msilib", "__phello__"}
)  # fmt: skip
SKIPPED_FILES = re.compile(r"_sysconfigdata.*|entities\.py|stringprep\.py|sre_constants\.py|.*opcode.*\.py|this\.py")
DOCSTRING = re.compile(rb'"""(.*?)"""', re.DOTALL)
COMMENT_LINE = re.compile(rb"^[ ]*#.*\n", re.MULTILINE)
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


def python_code_text(library: Path | None = None) -> tuple[bytes, str]:
    """The same source without docstrings and lines of comment, and a note saying so."""
    text, note = stdlib_text(library)
    return COMMENT_LINE.sub(b"", DOCSTRING.sub(b'""', text)), f"{note}, without docstrings and comments"


def python_docstrings_text(library: Path | None = None) -> tuple[bytes, str]:
    """The docstrings of the same source, each without its indentation, and a note saying so."""
    text, note = stdlib_text(library)
    found = (b"\n".join(line.strip() for line in match.split(b"\n")) for match in DOCSTRING.findall(text))
    return b"\n\n".join(docstring for docstring in found if docstring), f"{note}, the docstrings alone"


def zipf_words_text(characters: int, words: int = 2000, seed: int = 40_400) -> tuple[bytes, str]:
    """About `characters` bytes of made-up words drawn independently from a Zipf law, and a note saying so.

    Nothing follows from anything beyond the end of a word, so there is little to learn but the words themselves.
    """
    random = np.random.default_rng(seed)
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkqjxz", dtype="S1")
    weights = 1.0 / np.arange(2, len(letters) + 2)
    lengths = random.integers(2, 9, size=words)
    spelt = [b"".join(random.choice(letters, size=length, p=weights / weights.sum())) for length in lengths]
    chances = 1.0 / np.arange(1, words + 1)
    drawn = random.choice(words, size=characters // 4, p=chances / chances.sum())
    text = b" ".join(spelt[place] for place in drawn)[:characters]
    return text, f"{words:,} made-up words drawn from a Zipf law"


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
