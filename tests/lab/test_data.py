"""Every other way text comes in: token files, Hugging Face datasets, byte pairs, mixtures, tasks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from isoflop.accounting.shape import Shape
from isoflop.errors import EnvironmentFailure, InputError, UsageError
from isoflop.lab import tokenizer
from isoflop.lab.corpus import Corpus, load_corpus, save_corpus
from isoflop.lab.evaluation import answer
from isoflop.lab.loading import load_text
from isoflop.lab.model import build_model
from isoflop.lab.source import Dataset, TextSource, TokenFile
from isoflop.lab.tasks import TASKS, questions_of, tasks_text

LIMIT = 700_000


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of text: one file of sentences, longer than the least that is taken."""
    place = tmp_path_factory.mktemp("words")
    lines = (f"the {number} words of line {number * 7 % 1000} are würde and größe\n" for number in range(20_000))
    (place / "lines.txt").write_text("".join(lines), encoding="utf-8")
    return place


def test_raw_tokens_with_and_without_a_header(tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).integers(0, 50_257, 400_000).astype(np.uint16)
    header = np.zeros(256, dtype=np.int32)
    header[:3] = 20240520, 1, len(tokens)
    (tmp_path / "plain.bin").write_bytes(tokens.tobytes())
    (tmp_path / "headed.bin").write_bytes(header.tobytes() + tokens.tobytes())
    np.save(tmp_path / "array.npy", tokens.astype(np.int64))
    plain, headed, array = (
        load_text(TextSource("tokens", file=TokenFile(tmp_path / name, vocab=50_257)))
        for name in ("plain.bin", "headed.bin", "array.npy")
    )
    assert plain.spec == headed.spec == array.spec
    assert (plain.spec.vocab, plain.spec.tokenizer, plain.train.dtype) == (50_257, "tokens", np.uint16)
    assert np.array_equal(plain.train[:8192], tokens[:8192])
    half = load_text(TextSource("tokens", limit=200_000, file=TokenFile(tmp_path / "plain.bin")))
    assert half.spec.tokens + half.spec.validation_tokens == 200_000


def test_a_validation_file_is_taken_as_it_is(tmp_path: Path) -> None:
    for name, count in (("train.bin", 50_000), ("val.bin", 3_000)):
        np.random.default_rng(0).integers(0, 100, count).astype(np.uint16).tofile(tmp_path / name)
    source = TextSource("tokens", file=TokenFile(tmp_path / "train.bin", tmp_path / "val.bin"))
    corpus = load_text(source)
    assert (corpus.spec.tokens, corpus.spec.validation_tokens, corpus.spec.vocab) == (50_000, 3_000, 100)


@pytest.mark.parametrize(
    ("content", "file", "message"),
    [
        (None, {}, "does not exist"),
        (b"", {}, "cannot be read|is empty"),
        (b"\x01\x02\x03", {}, "cannot be read as uint16"),
        (b"\xff\xff" * 100, {"vocab": 50_257}, "token 65535, the vocabulary ends at 50256"),
        (b"\1\0" * 100, {"dtype": "float16"}, "must be one of uint8, uint16, uint32"),
        (b"\1\0" * 100, {}, "held-out tokens"),
    ],
)
def test_bad_token_files_are_named(
    tmp_path: Path, content: bytes | None, file: dict[str, object], message: str
) -> None:
    place = tmp_path / "bad.bin"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises((InputError, UsageError), match=message):
        load_text(TextSource("tokens", file=TokenFile(place, **file)))


def test_byte_pairs_are_trained_on_the_training_text_and_come_back_from_disk(words: Path, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    corpus = load_text(TextSource("directory", directory=words, tokenizer="bpe:400"))
    again = load_text(TextSource("directory", directory=words, tokenizer="bpe:400"))
    assert corpus.spec == again.spec
    assert corpus.spec.vocab <= 400 and corpus.spec.tokenizer == "bpe:400"
    assert "byte-pair tokens of" in corpus.note
    assert corpus.spec.tokens < 0.5 * (words / "lines.txt").stat().st_size
    save_corpus(corpus, tmp_path)
    loaded = load_corpus(tmp_path)
    read = tokenizers.Tokenizer.from_str(loaded.tokenizer).decode(loaded.train[:200].tolist())
    assert (words / "lines.txt").read_text(encoding="utf-8").startswith(read)


def test_a_long_text_is_encoded_in_pieces_and_no_character_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    text = "ä€😀 one line".encode() * 200 + b"\n" + b"short\n" * 300
    monkeypatch.setattr(tokenizer, "_PIECE", 997)
    monkeypatch.setattr(tokenizer, "_AT_ONCE", 2)
    monkeypatch.setattr(tokenizer, "_TRAINING_PIECES", 3)
    encoder = tokenizer.BytePairs([text], 300)
    read = tokenizers.Tokenizer.from_str(encoder.record).decode(encoder.encode(text).tolist())
    assert read == text.decode()
    assert "short" not in tokenizers.Tokenizer.from_str(encoder.record).get_vocab(), "trained on the first pieces only"
    assert len(encoder.encode(b"")) == 0


@pytest.mark.parametrize("name", ["bpe", "bpe:many", "bpe:100", "wordpiece:4000"])
def test_an_unknown_tokenizer_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="use bytes, or bpe:4096"):
        TextSource("python-stdlib", tokenizer=name)


def test_a_local_dataset_is_streamed_until_there_is_enough(words: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    lines = (words / "lines.txt").read_text(encoding="utf-8").splitlines()
    made = datasets.Dataset.from_dict({"content": lines, "number": list(range(len(lines)))})
    made.to_json(tmp_path / "folder" / "train.jsonl")
    made.save_to_disk(tmp_path / "saved")
    for place in ("folder", "saved"):
        source = TextSource("huggingface", limit=LIMIT, dataset=Dataset(str(tmp_path / place), field="content"))
        corpus = load_text(source)
        assert corpus.spec.tokens + corpus.spec.validation_tokens == LIMIT
        alphabet = np.frombuffer(corpus.alphabet, dtype=np.uint8)
        assert bytes(alphabet[corpus.train[:60]]) == "\n".join(lines).encode()[:60]
        assert "Hugging Face dataset" in corpus.note
    with pytest.raises(InputError, match="no field 'text' but content, number"):
        load_text(TextSource("huggingface", dataset=Dataset(str(tmp_path / "folder"))))
    with pytest.raises(EnvironmentFailure, match="cannot be opened"):
        load_text(TextSource("huggingface", dataset=Dataset(str(tmp_path / "nowhere"))))


def test_parts_share_one_alphabet_and_are_held_out_apart(words: Path, tmp_path: Path) -> None:
    parts = (
        ("words", TextSource("directory", directory=words, limit=LIMIT)),
        ("zipf", TextSource("zipf-words", limit=300_000)),
    )
    corpus = load_text(TextSource("mixture", parts=parts))
    assert [part.name for part in corpus.spec.parts] == ["words", "zipf"]
    assert sum(part.tokens for part in corpus.spec.parts) == corpus.spec.tokens
    save_corpus(corpus, tmp_path)
    loaded: Corpus = load_corpus(tmp_path)
    assert loaded.spec == corpus.spec
    alphabet = np.frombuffer(corpus.alphabet, dtype=np.uint8)
    held_out = dict(loaded.held_out_parts())
    assert b"words of line" in bytes(alphabet[held_out["words"]])
    assert b"words of line" not in bytes(alphabet[held_out["zipf"]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextSource("mixture"), "needs parts"),
        (lambda: TextSource("mixture", parts=(("a", TextSource("synthetic")),)), "part 'a' of the text must be one of"),
        (lambda: TextSource("tokens"), "needs a file"),
        (lambda: TextSource("huggingface"), "needs a dataset"),
        (lambda: TextSource("tasks", tokenizer="bpe:4096"), "tokens of its own"),
    ],
)
def test_sources_say_what_they_need(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match=message):
        make()


def test_code_and_docstrings_are_two_texts() -> None:
    code, prose = (load_text(TextSource(name, limit=LIMIT)) for name in ("python-code", "python-docstrings"))
    for corpus, share in ((code, 0.002), (prose, 0.0)):
        alphabet = np.frombuffer(corpus.alphabet, dtype=np.uint8)
        text = bytes(alphabet[corpus.train])
        assert text.count(b"self.") / len(text) >= share
    assert code.spec.sha256 != prose.spec.sha256


def test_no_question_of_the_test_is_in_the_training_text() -> None:
    corpus = load_text(TextSource("tasks", limit=LIMIT))
    text = tasks_text(LIMIT)[0].decode()
    alphabet = np.frombuffer(corpus.alphabet, dtype=np.uint8)
    found = questions_of(corpus.spec, corpus.alphabet, context=32)
    assert tuple(found) == TASKS
    for name, questions in found.items():
        lines = [bytes(alphabet[row]).decode() for row in questions.windows]
        asked = [line.split("=")[0] + "=" for line in lines]
        assert all(line.startswith("\n") for line in lines)
        assert name == "modular" or not any(question in text for question in asked)
        marked = zip(questions.windows, questions.answer, strict=True)
        answers = [bytes(alphabet[row[1:][mark]]).decode() for row, mark in marked]
        assert all(line.split("=")[1].strip() == told for line, told in zip(lines, answers, strict=True))
    sums = re.findall(r"^ad (\d\d)\+(\d\d)=(\d{3})$", text, re.MULTILINE)
    assert sums and all(int(first) + int(second) == int(total) for first, second, total in sums)
    with pytest.raises(UsageError, match="shorter than a task"):
        questions_of(corpus.spec, corpus.alphabet, context=8)


def test_exact_match_means_every_token_right() -> None:
    corpus = load_text(TextSource("tasks", limit=LIMIT))
    questions = questions_of(corpus.spec, corpus.alphabet, context=32)["addition"]
    model = build_model(Shape(layers=1, width=8, heads=1, feedforward=32, vocab=corpus.spec.vocab, context=32), 0)
    found = answer(model, questions)
    assert found["exact"] == 0.0 and found["answer_tokens"] == 3.0
    assert found["answer_loss"] > 2.0
    assert 0.0 < found["answer_probability"] < 0.01
