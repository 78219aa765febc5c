"""Text to tokens: the compact alphabet of its bytes, or a byte-pair encoding trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import MissingExtraError

Tokens = NDArray[np.unsignedinteger[Any]]
_PIECE = 1 << 20  # characters encoded at a time


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
        pieces = (piece for text in texts for piece in _pieces(text))
        self._inner.train_from_iterator(pieces, trainer)
        self.name = f"bpe:{vocab}"
        self.vocab = int(self._inner.get_vocab_size())
        self.record = str(self._inner.to_str())

    def encode(self, text: bytes) -> Tokens:
        """The tokens of `text`; bytes that are no UTF-8 become replacement characters."""
        found = [np.array(item.ids, dtype=dtype_for(self.vocab)) for item in self._inner.encode_batch(_pieces(text))]
        joined: Tokens = np.concatenate(found) if found else np.zeros(0, dtype=dtype_for(self.vocab))
        return joined


def dtype_for(vocab: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds a vocabulary.

    Example:
        >>> dtype_for(256).__name__, dtype_for(50257).__name__
        ('uint8', 'uint16')
    """
    return np.uint8 if vocab <= 1 << 8 else np.uint16 if vocab <= 1 << 16 else np.uint32


def _pieces(text: bytes) -> list[str]:
    """`text` in pieces that end at lines, so that no word is cut."""
    decoded, pieces, start = text.decode("utf-8", errors="replace"), [], 0
    while start < len(decoded):
        end = decoded.rfind("\n", start, start + _PIECE) + 1 if start + _PIECE < len(decoded) else len(decoded)
        end = end if end > start else start + _PIECE
        pieces.append(decoded[start:end])
        start = end
    return pieces
