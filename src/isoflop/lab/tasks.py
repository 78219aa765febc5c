"""Small tasks with one right answer each, as text: what models of a ladder learn to do, and when.

    copy      cp thxq=thxq      the letters again
    modular   md 6+5=4          the sum of two digits modulo 7
    addition  ad 72+59=131      the sum of two numbers of two digits
    recall    rc k3x8b1?x=8     the digit that followed a letter

Whatever is drawn with the test seed is never part of a training text (modular sums aside, of which there are 100).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import UsageError
from isoflop.runs.spec import TextSpec

SOURCE = "tasks"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MODULUS = 7
QUESTIONS = 512
TRAINING_SEED, TEST_SEED = 30_300, 30_301


@dataclass(frozen=True, eq=False)
class Questions:
    """Windows (count, length + 1) that each hold question and answer; `answer` (count, length) marks its targets."""

    windows: NDArray[np.unsignedinteger[Any]]
    answer: NDArray[np.bool_]


def _copy(random: np.random.Generator) -> tuple[str, str]:
    word = "".join(random.choice(list(LETTERS), size=4))
    return f"cp {word}=", word


def _modular(random: np.random.Generator) -> tuple[str, str]:
    first, second = random.integers(0, 10, size=2)
    return f"md {first}+{second}=", str((first + second) % MODULUS)


def _addition(random: np.random.Generator) -> tuple[str, str]:
    first, second = random.integers(0, 100, size=2)
    return f"ad {first:02d}+{second:02d}=", f"{first + second:03d}"


def _recall(random: np.random.Generator) -> tuple[str, str]:
    keys, values = random.permutation(list(LETTERS))[:3], random.integers(0, 10, size=3)
    asked = random.integers(0, 3)
    pairs = "".join(f"{key}{value}" for key, value in zip(keys, values, strict=True))
    return f"rc {pairs}?{keys[asked]}=", str(values[asked])


_MAKERS: dict[str, Callable[[np.random.Generator], tuple[str, str]]] = {
    "copy": _copy,
    "modular": _modular,
    "addition": _addition,
    "recall": _recall,
}
TASKS = tuple(_MAKERS)


def tasks_text(characters: int) -> tuple[bytes, str]:
    """At least `characters` bytes of lines of all tasks in random order, and a note saying so."""
    random = np.random.default_rng(TRAINING_SEED)
    asked_later = {question for task in TASKS if task != "modular" for question, _ in _test_set(task)}
    lines, length = [], 0
    while length < characters:
        question, answer = _MAKERS[TASKS[random.integers(len(TASKS))]](random)
        if question not in asked_later:
            lines.append(question + answer)
            length += len(lines[-1]) + 1
    return ("\n".join(lines) + "\n").encode(), f"small tasks ({', '.join(TASKS)}): {len(lines):,} lines"


def questions_of(text: TextSpec, alphabet: bytes, context: int) -> dict[str, Questions]:
    """The test questions of every task for a text of tasks over the bytes of `alphabet`; none for any other text.

    Raises:
        UsageError: the context is shorter than a question with its answer.
    """
    if text.source != SOURCE:
        return {}
    return {task: _questions(_test_set(task), alphabet, context) for task in TASKS}


def _test_set(task: str) -> list[tuple[str, str]]:
    random = np.random.default_rng([TEST_SEED, TASKS.index(task)])
    return [_MAKERS[task](random) for _ in range(QUESTIONS)]


def _questions(asked: list[tuple[str, str]], alphabet: bytes, context: int) -> Questions:
    # A line begins after the end of another, as in the training text; what follows an answer does not count.
    lines = [f"\n{question}{answer}\n" for question, answer in asked]
    length = max(map(len, lines))
    if length > context + 1:
        raise UsageError(f"training.context={context} is shorter than a task of {length - 1} characters: use more.")
    raw = np.frombuffer("".join(line.ljust(length, "\n") for line in lines).encode(), dtype=np.uint8)
    windows = np.searchsorted(np.frombuffer(alphabet, dtype=np.uint8), raw).astype(np.uint8).reshape(-1, length)
    marked = np.zeros((len(lines), length - 1), dtype=bool)
    for row, (question, answer) in enumerate(asked):
        marked[row, len(question) : len(question) + len(answer)] = True
    return Questions(windows, marked)
