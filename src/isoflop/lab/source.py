"""TextSource: where the text of a study comes from, as its file says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from isoflop.errors import UsageError

BYTE_SOURCES = (
    "python-stdlib",
    "python-code",
    "python-docstrings",
    "zipf-words",
    "tasks",
    "standard-ebooks",
    "directory",
    "huggingface",
)
"""Sources of bytes, which a tokenizer makes tokens of; they can also be the parts of a mixture."""

TOKEN_SOURCES = ("synthetic", "tokens", "mixture")
OWN_TEXT = "own"
"""The source of text that only the user's own trainer knows: nothing is loaded from it."""
SOURCES = (*BYTE_SOURCES, *TOKEN_SOURCES, OWN_TEXT)
BYTES = "bytes"


@dataclass(frozen=True)
class TokenFile:
    """A file of tokens, `.npy` or raw `.bin` of `dtype`; what is held out is in `validation` or cut out."""

    path: Path
    validation: Path | None = None
    dtype: str = "uint16"
    vocab: int | None = None


@dataclass(frozen=True)
class Dataset:
    """A Hugging Face dataset: its name or a local folder, configuration, split, and the field that holds the text."""

    path: str
    subset: str | None = None
    split: str = "train"
    field: str = "text"


@dataclass(frozen=True)
class OwnText:
    """What a study knows of text that only the user's trainer reads: its vocabulary and its distinct training tokens.

    The trainer's own held-out text stays its own.
    """

    vocab: int
    tokens: int


@dataclass(frozen=True)
class TextSource:
    """Where the text comes from: a named source, with what that source needs.

    `directory` is a folder of text files (or one file), `file` a file of tokens, `dataset` a Hugging Face dataset;
    `parts` are the named sources of a `mixture`, `own` what is known of a trainer's own text. `tokenizer` is `bytes` or
    `bpe:4096`, a byte-pair encoding of so many tokens trained on the training part of the text. `limit` bounds how many
    bytes (of a token source: tokens) are read.
    """

    source: str
    directory: Path | None = None
    tokenizer: str = BYTES
    limit: int | None = None
    file: TokenFile | None = None
    dataset: Dataset | None = None
    parts: tuple[tuple[str, TextSource], ...] = ()
    own: OwnText | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise UsageError(f"text source {self.source!r} is not known: use one of {', '.join(SOURCES)}.")
        needs = {
            "directory": ("a path", self.directory),
            "tokens": ("a file", self.file),
            "huggingface": ("a dataset", self.dataset),
            "mixture": ("parts", self.parts),
            OWN_TEXT: ("vocab and tokens", self.own),
        }
        for name, (what, given) in needs.items():
            if (self.source == name) != bool(given):
                raise UsageError(f"text source {name!r} needs {what}, and no other source takes one.")
        wrong = [name for name, part in self.parts if part.source not in BYTE_SOURCES or part.tokenizer != BYTES]
        if wrong:
            raise UsageError(f"part {wrong[0]!r} of the text must be one of {', '.join(BYTE_SOURCES)}, read as bytes.")
        bpe_size(self.tokenizer)
        if self.tokenizer != BYTES and self.source in ("synthetic", "tokens", "tasks", OWN_TEXT):
            raise UsageError(f"text source {self.source!r} comes with tokens of its own: leave tokenizer out.")


def told_from(source: TextSource, base: Path) -> TextSource:
    """The same source with every path that lies beneath `base` told from there: it stays the same where both are moved.

    Example:
        >>> told_from(TextSource("directory", Path("/studies/mine/text")), Path("/studies/mine")).directory
        PosixPath('text')
    """

    def told(path: Path) -> Path:
        return path.relative_to(base) if path.is_relative_to(base) else path

    file, dataset = source.file, source.dataset
    if file is not None:
        file = replace(file, path=told(file.path), validation=told(file.validation) if file.validation else None)
    if dataset is not None:
        dataset = replace(dataset, path=str(told(Path(dataset.path))))
    return replace(
        source,
        directory=told(source.directory) if source.directory else None,
        file=file,
        dataset=dataset,
        parts=tuple((name, told_from(part, base)) for name, part in source.parts),
    )


def bpe_size(tokenizer: str) -> int | None:
    """The vocabulary of a byte-pair encoding that `tokenizer` names, None for plain bytes.

    Raises:
        UsageError: it names neither.

    Example:
        >>> bpe_size("bpe:4096"), bpe_size("bytes")
        (4096, None)
    """
    kind, _, size = tokenizer.partition(":")
    if tokenizer == BYTES:
        return None
    if kind != "bpe" or not size.isdecimal() or not 257 <= int(size) <= 200_000:
        raise UsageError(f"tokenizer {tokenizer!r} is not known: use bytes, or bpe:4096 with 257 to 200000 tokens.")
    return int(size)
