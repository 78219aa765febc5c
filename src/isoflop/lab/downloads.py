"""CC0 prose from Standard Ebooks, fetched at pinned commits and kept in the user's cache folder.

A commit identifier is the digest of everything in it, and git refuses content that does not have the digest it
was asked for; so the pins below are the checksums of the text.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from isoflop import records
from isoflop.errors import EnvironmentFailure

FETCH_SECONDS = 120
STALL_SECONDS = 20
WITHOUT_NETWORK = "give your own text instead (isoflop demo --text DIR), or use the default, which needs no network."


@dataclass(frozen=True)
class Book:
    """One production of Standard Ebooks: the address of its repository and the commit that pins its text."""

    name: str
    repository: str
    commit: str


# Public domain in the United States; the markup is dedicated to the public under CC0 1.0 by its makers.
BOOKS = (
    Book(
        "moby-dick",
        "https://github.com/standardebooks/herman-melville_moby-dick",
        "077765556f607491f3edc751e6f6062968557253",
    ),
    Book(
        "bleak-house",
        "https://github.com/standardebooks/charles-dickens_bleak-house",
        "9f6b27379edf83f60f143c77212d4d1fd3ec4b4c",
    ),
    Book(
        "war-and-peace",
        "https://github.com/standardebooks/leo-tolstoy_war-and-peace_louise-maude_aylmer-maude",
        "2d59c88472c8745e545e8a2a8b1cb2848e1c88be",
    ),
    Book(
        "pepys-diary",
        "https://github.com/standardebooks/samuel-pepys_the-diary",
        "4a22dc7fed59d04526c768fa416e2aa30b97db14",
    ),
)

NOT_STORY = frozenset(
    {"colophon", "imprint", "titlepage", "halftitlepage", "halftitle", "uncopyright", "loi", "endnotes", "body"}
)
# Quotation marks, dashes, ellipsis and kinds of space, by code point so that they can be told apart here.
PLAIN = {
    0x2018: "'",
    0x2019: "'",
    0x201C: '"',
    0x201D: '"',
    0x2014: "--",
    0x2013: "-",
    0x2026: "...",
    0x00A0: " ",
    0x2060: "",
    0xFEFF: "",
}


def standard_ebooks_text(books: tuple[Book, ...] = BOOKS, *, cache: Path | None = None) -> tuple[bytes, str]:
    """The chapters of `books` as printable ASCII, and a note naming them; downloaded once, then from the cache.

    Raises EnvironmentFailure, saying what to do, where git or the network is missing.
    """
    folder = cache_folder() / "standard-ebooks" if cache is None else cache
    parts = [_cached_book(book, folder) for book in books]
    names = ", ".join(book.name for book in books)
    return b"\n".join(parts), f"CC0 prose from Standard Ebooks: {names}"


def cache_folder() -> Path:
    """Where downloads are kept: the platform's cache folder for this program."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "isoflop"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "isoflop"


def plain_text(xhtml: str) -> bytes:
    """One chapter without its markup: a paragraph a line, typographic marks as ASCII, the rest dropped."""
    body = re.search(r"<body\b.*?</body>", xhtml, flags=re.DOTALL)
    marked = re.sub(r"\s+", " ", body.group(0) if body else xhtml)
    lines = re.sub(r"</(?:p|h[1-6]|li|td|blockquote|div|header)>|<br ?/>", "\n", marked)
    text = unescape(re.sub(r"<[^>]*>", "", lines)).translate(PLAIN)
    stripped = (re.sub(r" +", " ", line).strip() for line in text.split("\n"))
    joined = "\n\n".join(line for line in stripped if line)
    return re.sub(rb"[^\x20-\x7e\n]", b"", joined.encode("ascii", "ignore"))


def _cached_book(book: Book, folder: Path) -> bytes:
    """The text of a book; a cached file counts only if its name carries the digest of what it holds."""
    for path in sorted(folder.glob(f"{book.name}-{book.commit[:12]}-*.txt")):
        text = path.read_bytes()
        if path.stem.endswith(hashlib.sha256(text).hexdigest()[:32]):
            return text
    text = _fetch(book)
    digest = hashlib.sha256(text).hexdigest()[:32]
    records.write_text(folder / f"{book.name}-{book.commit[:12]}-{digest}.txt", text.decode("ascii"))
    return text


def _fetch(book: Book) -> bytes:
    if shutil.which("git") is None:
        raise EnvironmentFailure(f"{book.repository} cannot be fetched: git is not installed; {WITHOUT_NETWORK}")
    with tempfile.TemporaryDirectory(prefix="isoflop-") as name:
        work = Path(name)
        _git(book, work, "init", "--quiet")
        _git(book, work, "fetch", "--quiet", "--depth=1", book.repository, book.commit)
        _git(book, work, "checkout", "--quiet", book.commit, "--", "src/epub/text")
        chapters = sorted((work / "src/epub/text").glob("*.xhtml"), key=_reading_order)
        parts = [plain_text(path.read_text(encoding="utf-8")) for path in chapters if path.stem not in NOT_STORY]
    return b"\n\n".join(part for part in parts if part)


def _git(book: Book, work: Path, *arguments: str) -> None:
    patience = ("-c", "http.lowSpeedLimit=1000", "-c", f"http.lowSpeedTime={STALL_SECONDS}")
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", *patience, *arguments]
    try:
        done = subprocess.run(
            command, cwd=work, env=environment, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentFailure(
            f"{book.repository} did not answer within {FETCH_SECONDS} s: try again, or {WITHOUT_NETWORK}"
        ) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EnvironmentFailure(f"{book.repository} cannot be fetched ({reason}): {WITHOUT_NETWORK}")


def _reading_order(path: Path) -> tuple[str | int, ...]:
    """Sort key that puts chapter-2 before chapter-10."""
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.stem))
