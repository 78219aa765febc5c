"""Text to tokens: the compact alphabet of its bytes, or a byte-pair encoding trained on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import MissingExtraError

Tokens = NDArray[np.unsignedinteger[Any]]
_PIECE = 1 << 20  # bytes encoded as one
_AT_ONCE = 64  # pieces encoded side by side: what is known of each token meanwhile takes a hundred times its room
_TRAINING_PIECES = 1000  # of every text, at most: more would cost memory, and change few of the pairs


class Tokenizer(Protocol):
    """Makes tokens of bytes; `vocab` of them exist, and `record` is all that is needed to make it again."""

    name: str
    vocab: int
    record: str

    def encode(self, text: bytes) -> Tokens:
        """The tokens of `text`."""


class ByteAlphabet:
    """Bytes, renumbered so that the vocabulary holds only those that occur.

    Example:
        >>> ByteAlphabet([b"abba"]).encode(b"ab").tolist()
        [0, 1]
    """

    name, record = "bytes", ""

    def __init__(self, texts: Sequence[bytes]) -> None:
        present = np.zeros(256, dtype=bool)
        for text in texts:
            present |= np.bincount(np.frombuffer(text, dtype=np.uint8), minlength=256) > 0
        self.alphabet = bytes(np.flatnonzero(present).astype(np.uint8))
        self.vocab = len(self.alphabet)
        self._renumber = np.zeros(256, dtype=np.uint8)
        self._renumber[present] = np.arange(self.vocab, dtype=np.uint8)

    def encode(self, text: bytes) -> Tokens:
        """The number of every byte in the alphabet."""
        return self._renumber[np.frombuffer(text, dtype=np.uint8)]


class BytePairs:
    """Byte-level byte-pair encoding of `vocab` tokens, trained on `texts` with the tokenizers library."""

    def __init__(self, texts: Sequence[bytes], vocab: int) -> None:
        try:
            import tokenizers
        except ImportError:
            raise MissingExtraError("tokenizers", "lab", "byte-pair encoding") from None
        self._inner = tokenizers.Tokenizer(tokenizers.models.BPE())
        self._inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._inner.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocab,
            show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )
        pieces = (piece for text in texts for piece in islice(_pieces(text), _TRAINING_PIECES))
        self._inner.train_from_iterator(pieces, trainer)
        self.name = f"bpe:{vocab}"
        self.vocab = int(self._inner.get_vocab_size())
        self.record = str(self._inner.to_str())

    def encode(self, text: bytes) -> Tokens:
        """The tokens of `text`; bytes that are no UTF-8 become replacement characters."""
        pieces, kind = _pieces(text), dtype_for(self.vocab)
        found = [np.zeros(0, dtype=kind)]
        while batch := list(islice(pieces, _AT_ONCE)):
            found += [np.array(item.ids, dtype=kind) for item in self._inner.encode_batch(batch)]
        joined: Tokens = np.concatenate(found)
        return joined


def dtype_for(vocab: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds a vocabulary.

    Example:
        >>> dtype_for(256).__name__, dtype_for(50257).__name__
        ('uint8', 'uint16')
    """
    return np.uint8 if vocab <= 1 << 8 else np.uint16 if vocab <= 1 << 16 else np.uint32


def _pieces(text: bytes) -> Iterator[str]:
    """`text` in pieces that end at lines, so that no word is cut; a line that is too long is cut between characters."""
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + _PIECE) + 1 if start + _PIECE < len(text) else len(text)
        if end <= start:
            end = start + _PIECE
            end -= next((back for back in range(4) if text[end - back] & 0xC0 != 0x80), 0)
        yield text[start:end].decode("utf-8", errors="replace")
        start = end
