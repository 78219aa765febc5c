"""From a source of text to a corpus: the one place that knows every source."""

from __future__ import annotations

from isoflop.errors import InputError, UsageError
from isoflop.lab import synthetic
from isoflop.lab.corpus import Corpus, KnownEntropy, corpus_from_bytes, corpus_from_parts, corpus_of, split_tokens
from isoflop.lab.downloads import standard_ebooks_text
from isoflop.lab.huggingface import huggingface_text
from isoflop.lab.source import BYTE_SOURCES, TextSource, TokenFile
from isoflop.lab.tasks import tasks_text
from isoflop.lab.texts import directory_text, python_code_text, python_docstrings_text, stdlib_text, zipf_words_text
from isoflop.lab.token_files import as_tokens, read_token_file

SYNTHETIC_TOKENS = 12_000_000
SYNTHETIC_SEED = 20_200
GENERATED_BYTES = 4_000_000
LEAST_STDLIB_BYTES = 2_000_000


def load_text(source: TextSource) -> Corpus:
    """The corpus of `source`.

    Raises:
        UsageError: the source is not described as it needs.
        InputError: there is not enough text.
        EnvironmentFailure: a download is impossible.
    """
    if source.source == "synthetic":
        return _synthetic_corpus("synthetic: a Markov source whose entropy is known exactly.", source.limit)
    if source.file is not None:
        return _token_corpus(source.file, source.limit)
    if source.parts:
        texts = {name: _bytes_of(part) for name, part in source.parts}
        note = "; ".join(f"{name}: {told}" for name, (_, told) in texts.items())
        return corpus_from_parts("mixture", {name: text for name, (text, _) in texts.items()}, note, source.tokenizer)
    text, note = _bytes_of(source)
    if source.source == "python-stdlib" and source.limit is None and len(text) < LEAST_STDLIB_BYTES:
        return _synthetic_corpus(
            f"this Python has only {len(text):,} bytes of library source, too little to train on: "
            "the synthetic source of known entropy is used instead.",
            None,
        )
    return corpus_from_bytes(source.source, text, note, source.tokenizer)


def _bytes_of(source: TextSource) -> tuple[bytes, str]:
    """The bytes of a source and a note about them."""
    text, note = _all_bytes_of(source)
    if source.limit is None or len(text) <= source.limit:
        return text, note
    return text[: source.limit], f"{note}; the first {source.limit:,} bytes"


def _all_bytes_of(source: TextSource) -> tuple[bytes, str]:
    if source.directory is not None:
        return directory_text(source.directory)
    if source.dataset is not None:
        return huggingface_text(source.dataset, source.limit)
    match source.source:
        case "standard-ebooks":
            return standard_ebooks_text()
        case "python-stdlib":
            return stdlib_text()
        case "python-code":
            return python_code_text()
        case "python-docstrings":
            return python_docstrings_text()
        case "zipf-words":
            return zipf_words_text(source.limit or GENERATED_BYTES)
        case "tasks":
            return tasks_text(source.limit or GENERATED_BYTES)
    raise UsageError(f"text source {source.source!r} is not one of bytes: use one of {', '.join(BYTE_SOURCES)}.")


def _synthetic_corpus(note: str, limit: int | None) -> Corpus:
    text = synthetic.generate(limit or SYNTHETIC_TOKENS, SYNTHETIC_SEED)
    table = synthetic.conditional_table()
    pairs = synthetic.stationary_pairs(table)
    known = KnownEntropy(synthetic.entropy_rate(table, pairs), synthetic.entropy_after_one_token(table, pairs))
    return split_tokens("synthetic", text.tokens, synthetic.VOCAB, note, known=known)


def _token_corpus(file: TokenFile, limit: int | None) -> Corpus:
    found = read_token_file(file.path, file.dtype, limit)
    if not len(found):
        raise InputError(f"token file {file.path} is empty.")
    held_out = read_token_file(file.validation, file.dtype) if file.validation else None
    highest = max(int(found.max()), int(held_out.max()) if held_out is not None and len(held_out) else 0)
    vocab = file.vocab if file.vocab is not None else highest + 1
    tokens, note = as_tokens(found, vocab, file.path), f"tokens of {file.path}"
    if held_out is None or file.validation is None:
        return split_tokens("tokens", tokens, vocab, note)
    return corpus_of("tokens", tokens, as_tokens(held_out, vocab, file.validation), vocab, note)
