"""Text as tokens, split so that some of it is held out, and kept on disk with its digest.

Every twentieth block of 8,192 bytes or tokens is held out, so that validation is drawn evenly from the whole text and
not from its last chapter. A text of several parts holds the training tokens of all of them in order, then what is held
out of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop import records
from isoflop.errors import EnvironmentFailure, InputError
from isoflop.lab.source import bpe_size
from isoflop.lab.tokenizer import ByteAlphabet, BytePairs, Tokenizer, Tokens
from isoflop.runs.spec import TextPart, TextSpec

BLOCK_TOKENS = 8192
BLOCKS_PER_HELD_OUT = 20
LEAST_BYTES = 4 * BLOCK_TOKENS * BLOCKS_PER_HELD_OUT
LEAST_PART_BYTES = BLOCK_TOKENS * BLOCKS_PER_HELD_OUT
ARRAYS_FILE, RECORD_FILE, TOKENIZER_FILE = "tokens.npy", "corpus.json", "tokenizer.json"


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

    `alphabet` holds the byte that each token stands for; it is empty where tokens are not bytes. `tokenizer` is the
    definition of a trained tokenizer, empty where there is none.
    """

    spec: TextSpec
    train: Tokens
    validation: Tokens
    note: str = ""
    known: KnownEntropy | None = None
    alphabet: bytes = b""
    tokenizer: str = ""

    @property
    def entropy(self) -> float | None:
        """Entropy rate of the source in nats/token, where it is known."""
        return self.known.rate if self.known else None

    def held_out_parts(self) -> Iterator[tuple[str, Tokens]]:
        """The name of every part of the text and what is held out of it; nothing for a text of one source."""
        start = 0
        for part in self.spec.parts:
            yield part.name, self.validation[start : start + part.validation_tokens]
            start += part.validation_tokens


def corpus_from_bytes(source: str, text: bytes, note: str = "", tokenizer: str = "bytes") -> Corpus:
    """`text` as tokens, split into training and held-out blocks.

    Raises:
        InputError: there is too little of it.
    """
    if len(text) < LEAST_BYTES:
        raise InputError(f"text from {source} holds {len(text):,} bytes: give at least {LEAST_BYTES:,}.")
    if tokenizer == "bytes":
        alphabet = ByteAlphabet([text])
        return split_tokens(source, alphabet.encode(text), alphabet.vocab, note, alphabet=alphabet.alphabet)
    return _tokenised(source, {source: text}, note, tokenizer)


def corpus_from_parts(source: str, texts: Mapping[str, bytes], note: str, tokenizer: str = "bytes") -> Corpus:
    """Several texts over one vocabulary, each split into training and held-out blocks.

    Raises:
        InputError: there is too little of one.
    """
    for name, text in texts.items():
        if len(text) < LEAST_PART_BYTES:
            raise InputError(f"text part {name!r} holds {len(text):,} bytes: give at least {LEAST_PART_BYTES:,}.")
    return _tokenised(source, texts, note, tokenizer)


def split_tokens(
    source: str, tokens: Tokens, vocab: int, note: str, *, known: KnownEntropy | None = None, alphabet: bytes = b""
) -> Corpus:
    """Tokens over a vocabulary of `vocab`, split into training and held-out blocks."""
    held_out = _held_out(len(tokens))
    return corpus_of(source, tokens[~held_out], tokens[held_out], vocab, note, known=known, alphabet=alphabet)


def corpus_of(
    source: str,
    train: Tokens,
    validation: Tokens,
    vocab: int,
    note: str,
    *,
    known: KnownEntropy | None = None,
    alphabet: bytes = b"",
    parts: tuple[TextPart, ...] = (),
    tokenizer: Tokenizer | None = None,
) -> Corpus:
    """The corpus of tokens that are split already.

    Raises:
        InputError: one of the two is empty.
    """
    if not len(train) or not len(validation):
        raise InputError(f"text from {source} holds {len(train)} training and {len(validation)} held-out tokens: more.")
    name = tokenizer.name if tokenizer else "bytes" if alphabet else "tokens"
    spec = TextSpec(source, _digest(train, validation, vocab), vocab, len(train), len(validation), parts, name)
    return Corpus(spec, train, validation, note, known, alphabet, tokenizer.record if tokenizer else "")


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
    if corpus.tokenizer:
        records.write_text(path / TOKENIZER_FILE, corpus.tokenizer)
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
    spec = TextSpec.from_dict(record["text"])
    tokenizer = path / TOKENIZER_FILE
    try:
        tokens = np.load(path / ARRAYS_FILE, mmap_mode="r", allow_pickle=False)
        definition = tokenizer.read_text(encoding="utf-8") if tokenizer.exists() else ""
    except (OSError, ValueError) as error:
        raise InputError(f"{path / ARRAYS_FILE} cannot be read ({error}): delete {path} and run again.") from error
    train, validation = tokens[: spec.tokens], tokens[spec.tokens :]
    known = KnownEntropy(**record["known_entropy"]) if record["known_entropy"] else None
    corpus = Corpus(spec, train, validation, record["note"], known, bytes(record["alphabet"]), definition)
    if _digest(train, validation, spec.vocab) != spec.sha256:
        raise InputError(f"{path / ARRAYS_FILE} is not what was written (digest differs): delete {path}, run again.")
    return corpus


def _tokenised(source: str, texts: Mapping[str, bytes], note: str, tokenizer: str) -> Corpus:
    split = {name: _split_bytes(text) for name, text in texts.items()}
    size = bpe_size(tokenizer)
    encoder: ByteAlphabet | BytePairs
    encoder = ByteAlphabet(list(texts.values())) if size is None else BytePairs([it[0] for it in split.values()], size)
    encoded = {name: tuple(encoder.encode(piece) for piece in pieces) for name, pieces in split.items()}
    parts = tuple(TextPart(name, len(train), len(held_out)) for name, (train, held_out) in encoded.items())
    if size is not None:
        spread = sum(map(len, texts.values())) / sum(part.tokens + part.validation_tokens for part in parts)
        note = f"{note}; {encoder.vocab:,} byte-pair tokens of {spread:.2f} bytes on average"
    return corpus_of(
        source,
        np.concatenate([train for train, _ in encoded.values()]),
        np.concatenate([held_out for _, held_out in encoded.values()]),
        encoder.vocab,
        note,
        alphabet=encoder.alphabet if isinstance(encoder, ByteAlphabet) else b"",
        parts=parts if len(parts) > 1 else (),
        tokenizer=encoder,
    )


def _split_bytes(text: bytes) -> tuple[bytes, bytes]:
    view, blocks = memoryview(text), _held_out_blocks(len(text))
    pieces = [view[start : start + BLOCK_TOKENS] for start in range(0, len(text), BLOCK_TOKENS)]
    return b"".join(compress(pieces, ~blocks)), b"".join(compress(pieces, blocks))


def _held_out(length: int) -> NDArray[np.bool_]:
    """Whether each of `length` tokens is held out."""
    return np.repeat(_held_out_blocks(length), BLOCK_TOKENS)[:length]


def _held_out_blocks(length: int) -> NDArray[np.bool_]:
    blocks = np.arange(-(-length // BLOCK_TOKENS))
    return np.asarray(blocks % BLOCKS_PER_HELD_OUT == BLOCKS_PER_HELD_OUT // 2)


def _digest(train: Tokens, validation: Tokens, vocab: int) -> str:
    header: dict[str, Any] = {"tokens": len(train), "validation_tokens": len(validation), "vocab": vocab}
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(train).data)
    digest.update(np.ascontiguousarray(validation).data)
    return digest.hexdigest()
