"""Text as tokens: where it comes from, its compact byte vocabulary, and the split that holds some of it out.

Tokens are bytes, renumbered so that the vocabulary holds only those that occur. Every twentieth block of 8,192
tokens is held out, so that validation is drawn evenly from the whole text and not from its last chapter.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop import records
from isoflop.errors import EnvironmentFailure, InputError, UsageError
from isoflop.lab import synthetic
from isoflop.lab.texts import directory_text, standard_ebooks_text, stdlib_text
from isoflop.runs.spec import TextSpec

SOURCES = ("python-stdlib", "standard-ebooks", "synthetic", "directory")
BLOCK_TOKENS = 8192
BLOCKS_PER_HELD_OUT = 20
SYNTHETIC_TOKENS = 12_000_000
SYNTHETIC_SEED = 20_200
LEAST_BYTES = 4 * BLOCK_TOKENS * BLOCKS_PER_HELD_OUT
LEAST_STDLIB_BYTES = 2_000_000
ARRAYS_FILE, RECORD_FILE = "tokens.npy", "corpus.json"

Tokens = NDArray[np.uint8]


@dataclass(frozen=True)
class KnownEntropy:
    """What is known about a source whose law is known: entropies in nats/token.

    `rate` is conditional on all the past, `after_one_token` on one token only: the first of every window.
    """

    rate: float
    after_one_token: float

    def floor(self, context: int) -> float:
        """The lowest possible mean loss over windows of `context` predictions, each window read on its own."""
        return (self.after_one_token + (context - 1) * self.rate) / context


@dataclass(frozen=True, eq=False)
class Corpus:
    """Training and validation tokens with their spec; `note` says what a reader should know about the source.

    `alphabet` holds the byte that each token stands for; it is empty where tokens are not text.
    """

    spec: TextSpec
    train: Tokens
    validation: Tokens
    note: str = ""
    known: KnownEntropy | None = None
    alphabet: bytes = b""

    @property
    def entropy(self) -> float | None:
        """Entropy rate of the source in nats/token, where it is known."""
        return self.known.rate if self.known else None


def load_text(source: str, *, directory: Path | None = None) -> Corpus:
    """The corpus of `source`: `python-stdlib`, `standard-ebooks`, `synthetic`, or `directory` with its path.

    Raises UsageError for an unknown source, InputError for a directory without enough text and
    EnvironmentFailure where a download is impossible.
    """
    if source not in SOURCES:
        raise UsageError(f"text source {source!r} is not known: use one of {', '.join(SOURCES)}.")
    if (source == "directory") != (directory is not None):
        raise UsageError("text source 'directory' needs a path, and no other source takes one.")
    if source == "synthetic":
        return _synthetic_corpus("synthetic: a Markov source whose entropy is known exactly.")
    if directory is not None:
        text, note = directory_text(directory)
    elif source == "standard-ebooks":
        text, note = standard_ebooks_text()
    else:
        text, note = stdlib_text()
        if len(text) < LEAST_STDLIB_BYTES:
            return _synthetic_corpus(
                f"this Python has only {len(text):,} bytes of library source, too little to train on: "
                "the synthetic source of known entropy is used instead."
            )
    return corpus_from_bytes(source, text, note)


def corpus_from_bytes(source: str, text: bytes, note: str = "") -> Corpus:
    """`text` over the compact vocabulary of its bytes, split into training and held-out blocks."""
    if len(text) < LEAST_BYTES:
        raise InputError(f"text from {source} holds {len(text):,} bytes: give at least {LEAST_BYTES:,}.")
    raw = np.frombuffer(text, dtype=np.uint8)
    present = np.flatnonzero(np.bincount(raw, minlength=256))
    renumber = np.zeros(256, dtype=np.uint8)
    renumber[present] = np.arange(len(present), dtype=np.uint8)
    alphabet = bytes(present.astype(np.uint8))
    return _split(source, renumber[raw], len(present), note, None, alphabet)


def save_corpus(corpus: Corpus, path: Path) -> None:
    """Write `corpus` into the directory `path`: tokens as .npy, then the record that makes them valid."""
    path.mkdir(parents=True, exist_ok=True)
    staged = path / f".{ARRAYS_FILE}.part"
    try:
        with staged.open("wb") as stream:
            np.save(stream, np.concatenate([corpus.train, corpus.validation]), allow_pickle=False)
        staged.replace(path / ARRAYS_FILE)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot hold the corpus ({error.strerror}): free space.") from error
    record = {
        "schema": "isoflop.corpus/1",
        "text": asdict(corpus.spec),
        "note": corpus.note,
        "known_entropy": asdict(corpus.known) if corpus.known else None,
        "alphabet": list(corpus.alphabet),
    }
    records.write_record(path / RECORD_FILE, record)


def load_corpus(path: Path) -> Corpus:
    """The corpus `save_corpus` wrote; InputError when it is missing or its digest does not match."""
    record = records.read_record(path / RECORD_FILE, "isoflop.corpus/1")
    spec = TextSpec(**record["text"])
    try:
        tokens = np.load(path / ARRAYS_FILE, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path / ARRAYS_FILE} cannot be read ({error}): delete {path} and run again.") from error
    train, validation = tokens[: spec.tokens], tokens[spec.tokens :]
    known = record["known_entropy"]
    corpus = Corpus(
        spec, train, validation, record["note"], KnownEntropy(**known) if known else None, bytes(record["alphabet"])
    )
    if _digest(train, validation, spec.vocab) != spec.sha256:
        raise InputError(f"{path / ARRAYS_FILE} is not what was written (digest differs): delete {path}, run again.")
    return corpus


def _synthetic_corpus(note: str) -> Corpus:
    text = synthetic.generate(SYNTHETIC_TOKENS, SYNTHETIC_SEED)
    table = synthetic.conditional_table()
    pairs = synthetic.stationary_pairs(table)
    known = KnownEntropy(synthetic.entropy_rate(table, pairs), synthetic.entropy_after_one_token(table, pairs))
    return _split("synthetic", text.tokens, synthetic.VOCAB, note, known, b"")


def _split(source: str, tokens: Tokens, vocab: int, note: str, known: KnownEntropy | None, alphabet: bytes) -> Corpus:
    blocks = np.arange(len(tokens)) // BLOCK_TOKENS
    held_out = blocks % BLOCKS_PER_HELD_OUT == BLOCKS_PER_HELD_OUT // 2
    train, validation = tokens[~held_out], tokens[held_out]
    spec = TextSpec(source, _digest(train, validation, vocab), vocab, len(train), len(validation))
    return Corpus(spec, train, validation, note, known, alphabet)


def _digest(train: Tokens, validation: Tokens, vocab: int) -> str:
    header: dict[str, Any] = {"tokens": len(train), "validation_tokens": len(validation), "vocab": vocab}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(train).data)
    digest.update(np.ascontiguousarray(validation).data)
    return digest.hexdigest()
