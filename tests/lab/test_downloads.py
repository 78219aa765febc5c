"""Books by download: from a repository on this machine, at a pinned commit, cached, and refused plainly."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from isoflop.errors import EnvironmentFailure
from isoflop.lab import downloads
from isoflop.lab.downloads import BOOKS, Book, plain_text, standard_ebooks_text

CHAPTER = """<?xml version="1.0"?><html><head><title>No</title></head><body>
<section><h2>Chapter {number}</h2><p>“Call me\u00a0<i>Ishmael</i>—now,” he\nsaid &amp; left…</p>
<p>Ça va.</p></section></body></html>"""

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A book of eleven chapters in a repository of its own."""
    repository = tmp_path / "book"
    folder = repository / "src" / "epub" / "text"
    folder.mkdir(parents=True)
    for number in range(1, 12):
        (folder / f"chapter-{number}.xhtml").write_text(CHAPTER.format(number=number), encoding="utf-8")
    (folder / "colophon.xhtml").write_text("<body><p>Made by hand</p></body>", encoding="utf-8")

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        done = subprocess.run(["git", *who, *arguments], cwd=repository, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "one")
    return Book("book", repository.as_uri(), git("rev-parse", "HEAD"))


def test_markup_goes_and_typography_becomes_ascii() -> None:
    assert plain_text(CHAPTER.format(number=1)) == (b'Chapter 1\n\n"Call me Ishmael--now," he said & left...\n\na va.')


@needs_git
def test_a_book_is_fetched_in_reading_order_and_then_kept(book: Book, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    text, note = standard_ebooks_text((book,), cache=cache)
    chapters = [line for line in text.decode().splitlines() if line.startswith("Chapter")]
    assert chapters == [f"Chapter {number}" for number in range(1, 12)]
    assert b"Made by hand" not in text
    assert "CC0" in note
    shutil.rmtree(tmp_path / "book")
    assert standard_ebooks_text((book,), cache=cache)[0] == text


@needs_git
def test_a_damaged_cache_is_fetched_again(book: Book, tmp_path: Path) -> None:
    text, _ = standard_ebooks_text((book,), cache=tmp_path)
    (kept,) = tmp_path.glob("*.txt")
    kept.write_bytes(text[:-5])
    assert standard_ebooks_text((book,), cache=tmp_path)[0] == text


@needs_git
def test_another_commit_than_the_pinned_one_is_never_taken(book: Book, tmp_path: Path) -> None:
    unknown = Book(book.name, book.repository, "0123456789" * 4)
    with pytest.raises(EnvironmentFailure, match="cannot be fetched"):
        standard_ebooks_text((unknown,), cache=tmp_path / "cache")


@needs_git
def test_without_a_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    away = Book("away", "http://127.0.0.1:9/away", "0" * 40)
    with pytest.raises(EnvironmentFailure, match="--text DIR"):
        standard_ebooks_text((away,), cache=tmp_path)


def test_without_git_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(EnvironmentFailure, match="git is not installed"):
        standard_ebooks_text(BOOKS, cache=tmp_path)


def test_pins_are_whole_commit_identifiers_over_https() -> None:
    assert len({book.name for book in BOOKS}) == len(BOOKS) >= 3
    for book in BOOKS:
        assert len(book.commit) == 40
        int(book.commit, 16)
        assert book.repository.startswith("https://github.com/standardebooks/")


def test_the_cache_folder_follows_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert downloads.cache_folder() == tmp_path / "isoflop"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert downloads.cache_folder() == Path.home() / ".cache" / "isoflop"
    monkeypatch.setattr(downloads.sys, "platform", "darwin")
    assert downloads.cache_folder() == Path.home() / "Library" / "Caches" / "isoflop"
