"""A study small enough to be trained many times over in a test, on a text made here."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

STUDY = """
name = "tiny"
[text]
source = "directory"
directory = "text"
[ladder]
widths = [8, 16, 24]
layers = 1
head_width = 8
tokens = ["4k", "8k", "16k"]
[training]
context = 32
batch_tokens = 256
[training.learning_rate]
coefficient = 0.25
[evaluation]
windows = 32
[fit]
law = "chinchilla-no-floor"
draws = 100
[[held_out]]
width = 32
tokens = "48k"
"""


@pytest.fixture(scope="session")
def text_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of made-up words, long enough for a corpus."""
    choose = random.Random(0)
    words = ["".join(choose.choices("abcdefghij", k=choose.randint(2, 6))) for _ in range(400)]
    place = tmp_path_factory.mktemp("source") / "text"
    place.mkdir()
    text = " ".join(choose.choices(words, weights=[1 / (rank + 1) for rank in range(400)], k=200_000))
    (place / "words.txt").write_text(text)
    return place


@pytest.fixture
def make_study(tmp_path: Path, text_directory: Path) -> Callable[..., Path]:
    """Writes a study file into a new directory; keyword arguments replace parts of its text."""
    made = 0

    def make(*replacements: tuple[str, str]) -> Path:
        nonlocal made
        made += 1
        text = STUDY
        for old, new in (('directory = "text"', f'directory = "{text_directory}"'), *replacements):
            assert old in text
            text = text.replace(old, new, 1)
        place = tmp_path / f"study{made}" / "study.toml"
        place.parent.mkdir()
        place.write_text(text)
        return place

    return make
