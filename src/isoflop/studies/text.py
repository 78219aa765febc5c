"""The text of a study: fetched once, kept in the study's directory, found again by its digest.

    corpus/<source>.json       which text the study's source gave, by digest
    corpus/<digest>/           the tokens

Workers find the text of a run by the digest in its spec, so no run ever goes on with another text.
"""

from __future__ import annotations

from pathlib import Path

from isoflop import records
from isoflop.errors import InputError
from isoflop.lab.corpus import RECORD_FILE, Corpus, load_corpus, load_text, save_corpus
from isoflop.runs.spec import TextSpec
from isoflop.studies.study import TextSource

SCHEMA = "isoflop.study-text/1"


def prepare_study_text(study_directory: Path, source: TextSource) -> Corpus:
    """The text of a study: what is kept if it is whole, else loaded from its source and kept."""
    pointer = study_directory / "corpus" / f"{_name(source)}.json"
    if pointer.exists():
        try:
            return load_study_text(study_directory, records.read_record(pointer, SCHEMA)["sha256"])
        except (InputError, KeyError):
            # Damaged or half gone: the source still has it, and its digest decides whether it is the same text.
            pass
    corpus = load_text(source.source, directory=source.directory)
    save_corpus(corpus, _place(study_directory, corpus.spec.sha256))
    records.write_record(pointer, {"schema": SCHEMA, "source": source.source, "sha256": corpus.spec.sha256})
    return corpus


def study_text_spec(study_directory: Path, source: TextSource) -> TextSpec | None:
    """Which text is kept for a study, without reading it; None while there is none."""
    pointer = study_directory / "corpus" / f"{_name(source)}.json"
    try:
        place = _place(study_directory, records.read_record(pointer, SCHEMA)["sha256"])
        return TextSpec(**records.read_record(place / RECORD_FILE, "isoflop.corpus/1")["text"])
    except (InputError, KeyError, TypeError):
        return None


def load_study_text(study_directory: Path, sha256: str) -> Corpus:
    """The kept text with this digest.

    Raises:
        InputError: it is missing or damaged.
    """
    return load_corpus(_place(study_directory, sha256))


def _place(study_directory: Path, sha256: str) -> Path:
    return study_directory / "corpus" / sha256[:16]


def _name(source: TextSource) -> str:
    if source.directory is None:
        return source.source
    return f"{source.source}-{records.digest(str(source.directory.resolve()))[:8]}"
