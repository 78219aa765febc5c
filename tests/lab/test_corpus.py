"""Text in, tokens out: sources, the split, the vocabulary, and a cache that is checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isoflop.errors import InputError, UsageError
from isoflop.lab import loading
from isoflop.lab.corpus import BLOCK_TOKENS, Corpus, corpus_from_bytes, load_corpus, save_corpus
from isoflop.lab.loading import load_text
from isoflop.lab.source import TextSource
from isoflop.lab.texts import directory_text, stdlib_text

HEADER = "# Copyright notice\n# of someone\n\nimport os\n\n\n"
PROGRAM = HEADER + "def say(word):\n\treturn word  \n" + "value = compute(value)\n" * 40


def write_library(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def stdlib() -> Corpus:
    return load_text(TextSource("python-stdlib"))


def test_the_split_is_even_and_loses_nothing() -> None:
    text = bytes(np.random.default_rng(0).integers(97, 123, 60 * BLOCK_TOKENS).astype(np.uint8)) * 2
    corpus = corpus_from_bytes("directory", text)
    assert corpus.spec.tokens + corpus.spec.validation_tokens == len(text)
    assert corpus.spec.validation_tokens == 6 * BLOCK_TOKENS
    assert corpus.alphabet == bytes(range(97, 123))
    blocks = np.frombuffer(text, dtype=np.uint8).reshape(-1, BLOCK_TOKENS) - 97
    assert np.array_equal(corpus.validation.reshape(-1, BLOCK_TOKENS), blocks[10::20])
    assert np.array_equal(corpus.train[: 10 * BLOCK_TOKENS], blocks[:10].ravel())


def test_the_vocabulary_is_compact_and_can_be_read_back() -> None:
    text = "Zürich, 10 °C\n".encode() * 60_000
    corpus = corpus_from_bytes("directory", text)
    assert corpus.spec.vocab == len(set(text))
    alphabet = np.frombuffer(corpus.alphabet, dtype=np.uint8)
    assert bytes(alphabet[corpus.train[:200]]) == text[:200]


def test_the_digest_is_that_of_the_tokens() -> None:
    text = b"one two three\n" * 60_000
    first, again = corpus_from_bytes("directory", text), corpus_from_bytes("directory", text)
    other = corpus_from_bytes("directory", text[:-1] + b"?")
    assert first.spec == again.spec
    assert first.spec.sha256 != other.spec.sha256


def test_saved_tokens_come_back_and_damage_is_noticed(tmp_path: Path, corpus: Corpus) -> None:
    save_corpus(corpus, tmp_path)
    loaded = load_corpus(tmp_path)
    assert loaded.spec == corpus.spec
    assert np.array_equal(loaded.train, corpus.train)
    assert np.array_equal(loaded.validation, corpus.validation)
    assert (loaded.note, loaded.alphabet, loaded.known) == (corpus.note, corpus.alphabet, corpus.known)
    tokens = np.load(tmp_path / "tokens.npy")
    tokens[1234] ^= 1
    np.save(tmp_path / "tokens.npy", tokens)
    with pytest.raises(InputError, match="digest differs"):
        load_corpus(tmp_path)
    (tmp_path / "tokens.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"tokens\.npy cannot be read"):
        load_corpus(tmp_path)


def test_the_standard_library_is_there_and_clean(stdlib: Corpus) -> None:
    if stdlib.spec.source == "synthetic":
        assert "too little to train on" in stdlib.note
        return
    assert stdlib.spec.source == "python-stdlib"
    assert stdlib.spec.tokens > 2_000_000
    assert set(stdlib.alphabet) <= {10, *range(32, 127)}
    assert "standard library" in stdlib.note
    assert stdlib.entropy is None


def test_loading_twice_gives_the_same_text(stdlib: Corpus) -> None:
    assert load_text(TextSource("python-stdlib")).spec == stdlib.spec


def test_what_is_no_program_is_left_out(tmp_path: Path) -> None:
    table = "TABLE = [" + ", ".join(str(number) for number in range(400)) + "]\n"
    root = write_library(
        tmp_path,
        {"good.py": PROGRAM, "table.py": table, "test/test_good.py": PROGRAM, "site-packages/x.py": PROGRAM,
         "short.py": "x = 1\n", "encodings/cp1.py": PROGRAM, "package/also.py": PROGRAM + "# °\n"},
    )  # fmt: skip
    text, note = stdlib_text(root)
    assert note.endswith("2 files")
    assert text.count(b"def say(word):\n        return word\n") == 2
    assert b"Copyright" not in text
    assert all(byte == 10 or 32 <= byte < 127 for byte in text)


def test_without_library_sources_the_known_source_steps_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "stdlib_text", lambda: stdlib_text(tmp_path))
    monkeypatch.setattr(loading, "SYNTHETIC_TOKENS", 400_000)
    corpus = load_text(TextSource("python-stdlib"))
    assert corpus.spec.source == "synthetic"
    assert "only 0 bytes of library source" in corpus.note
    assert corpus.known is not None
    assert corpus.entropy == corpus.known.rate
    assert corpus.known.rate < corpus.known.floor(64) < corpus.known.floor(2) < corpus.known.after_one_token


def test_a_directory_is_read_in_order_without_binaries_and_hidden_files(tmp_path: Path) -> None:
    root = write_library(tmp_path, {"b.txt": "second\r\n", "a/a.md": "first", ".git/c.txt": "hidden"})
    (root / "image.png").write_bytes(b"\x89PNG\0\0")
    text, note = directory_text(root)
    assert text == b"first\nsecond\n"
    assert "2 text files" in note
    assert "1 binary files left out" in note
    assert directory_text(root / "b.txt")[0] == b"second\n"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: TextSource("no-such-source"), "use one of python-stdlib"),
        (lambda root: TextSource("directory"), "needs a path"),
        (lambda root: TextSource("synthetic", directory=root), "needs a path"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match=message):
        make(tmp_path)


def test_missing_empty_and_small_directories_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_text(TextSource("directory", directory=tmp_path / "nowhere"))
    with pytest.raises(InputError, match="holds no text"):
        load_text(TextSource("directory", directory=tmp_path))
    (tmp_path / "small.txt").write_text("too small")
    with pytest.raises(InputError, match="holds 9 bytes: give at least"):
        load_text(TextSource("directory", directory=tmp_path))
