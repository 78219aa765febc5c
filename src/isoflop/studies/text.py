"""The text of a study: fetched once, kept in the study's directory, found again by its digest.

    corpus/<source>.json       which text the study's source gave, by digest
    corpus/<digest>/           the tokens

Workers find the text of a run by the digest in its spec, so no run ever goes on with another text.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from isoflop import records
from isoflop.errors import InputError
from isoflop.lab.corpus import RECORD_FILE, Corpus, KnownEntropy, load_corpus, save_corpus
from isoflop.lab.loading import load_text
from isoflop.lab.source import BYTES, OWN_TEXT, OwnText, TextSource, told_from
from isoflop.runs.spec import TextSpec

SCHEMA = "isoflop.study-text/1"


@dataclass(frozen=True)
class StudyText:
    """The text of a study: its spec, what a reader should know about it, and its entropy where that is known."""

    spec: TextSpec
    note: str
    known: KnownEntropy | None = None


def prepare_text(study_directory: Path, source: TextSource) -> StudyText:
    """The text of a study, ready to be trained on; of a trainer's own text, what the study file says of it."""
    if source.own is not None:
        return _own_text(source.own)
    return _told_of(prepare_study_text(study_directory, source))


def text_if_there(study_directory: Path, source: TextSource) -> StudyText | None:
    """What `prepare_text` would say if nothing had to be fetched; None while the text is not there."""
    spec = study_text_spec(study_directory, source)
    try:
        return None if spec is None else recorded_text(study_directory, source, spec.sha256)
    except InputError:
        return None


def recorded_text(study_directory: Path, source: TextSource, sha256: str) -> StudyText:
    """The text of a study by its digest, with nothing fetched.

    Raises:
        InputError: it is missing or damaged.
    """
    if source.own is not None:
        return _own_text(source.own)
    return _told_of(load_study_text(study_directory, sha256))


def prepare_study_text(study_directory: Path, source: TextSource) -> Corpus:
    """The text of a study: what is kept if it is whole, else loaded from its source and kept."""
    pointer = study_directory / "corpus" / f"{_name(study_directory, source)}.json"
    if pointer.exists():
        try:
            return load_study_text(study_directory, records.read_record(pointer, SCHEMA)["sha256"])
        except (InputError, KeyError):
            # Damaged or half gone: the source still has it, and its digest decides whether it is the same text.
            pass
    corpus = load_text(source)
    save_corpus(corpus, _place(study_directory, corpus.spec.sha256))
    records.write_record(pointer, {"schema": SCHEMA, "source": source.source, "sha256": corpus.spec.sha256})
    return corpus


def study_text_spec(study_directory: Path, source: TextSource) -> TextSpec | None:
    """Which text is kept for a study, without reading it; None while there is none."""
    if source.own is not None:
        return _own_text(source.own).spec
    pointer = study_directory / "corpus" / f"{_name(study_directory, source)}.json"
    try:
        place = _place(study_directory, records.read_record(pointer, SCHEMA)["sha256"])
        return TextSpec.from_dict(records.read_record(place / RECORD_FILE, "isoflop.corpus/1")["text"])
    except (InputError, KeyError, TypeError):
        return None


def load_study_text(study_directory: Path, sha256: str) -> Corpus:
    """The kept text with this digest.

    Raises:
        InputError: it is missing or damaged.
    """
    return load_corpus(_place(study_directory, sha256))


def _told_of(corpus: Corpus) -> StudyText:
    return StudyText(corpus.spec, corpus.note, corpus.known)


def _own_text(own: OwnText) -> StudyText:
    told = {"source": OWN_TEXT, **asdict(own)}
    spec = TextSpec(OWN_TEXT, records.digest(told), own.vocab, own.tokens, validation_tokens=0, tokenizer=OWN_TEXT)
    return StudyText(spec, "the trainer's own, as the study file says")


def _place(study_directory: Path, sha256: str) -> Path:
    return study_directory / "corpus" / sha256[:16]


def _name(study_directory: Path, source: TextSource) -> str:
    source = told_from(source, study_directory.resolve())
    told = {key: value for key, value in asdict(source).items() if key != "source" and value and value != BYTES}
    return f"{source.source}-{records.digest(told)[:8]}" if told else source.source
