"""Mirrors: numbers arrive under their names, and a mirror that fails takes no run with it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from isoflop.errors import MissingExtraError, UsageError
from isoflop.lab import mirrors
from isoflop.lab.corpus import Corpus
from isoflop.lab.mirrors import mirrored
from isoflop.lab.training import train
from isoflop.runs.spec import RunSpec
from tests.lab.conftest import RecordedAttempt


class Board:
    """Stands in for the client of W&B: remembers what it was told."""

    def __init__(self, fail_after: int = 10**9) -> None:
        self.settings: dict[str, Any] = {}
        self.shown: list[dict[str, float]] = []
        self.finished, self.fail_after = False, fail_after

    def init(self, **settings: Any) -> Board:
        self.settings = settings
        return self

    def log(self, values: dict[str, float], step: int | None) -> None:
        if len(self.shown) >= self.fail_after:
            raise ConnectionError("no network")
        self.shown.append(values)

    def finish(self) -> None:
        self.finished = True


def run(spec: RunSpec, corpus: Corpus, attempt: RecordedAttempt, names: tuple[str, ...]) -> float | None:
    with mirrored(attempt, spec, names) as logged:
        return train(
            spec, corpus, attempt=logged, resume_from=(), on_progress=lambda progress: None, stop=lambda: False
        ).loss


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board()
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=made.init))
    monkeypatch.setattr(mirrors, "find_spec", lambda name: object())
    return made


def test_every_record_is_shown_once(
    board: Board, make_spec: Callable[..., RunSpec], corpus: Corpus, tmp_path: Path
) -> None:
    spec, attempt = make_spec(steps=20), RecordedAttempt(tmp_path)
    loss = run(spec, corpus, attempt, ("wandb",))
    assert board.settings["id"] == spec.identifier and board.settings["config"] == spec.to_dict()
    assert [values["step"] for values in board.shown] == [record["step"] for record in attempt.records]
    assert board.shown[-1]["held-out/loss"] == loss
    assert {"tokens", "loss", "learning_rate", "seconds"} <= set(board.shown[0])
    assert board.finished


def test_a_mirror_that_fails_is_left_out(
    board: Board, make_spec: Callable[..., RunSpec], corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board.fail_after = 3
    attempt = RecordedAttempt(tmp_path)
    assert run(make_spec(steps=20), corpus, attempt, ("wandb",)) == run(make_spec(steps=20), corpus, attempt, ())
    assert len(board.shown) == 3
    assert capsys.readouterr().err.count("left out from here: no network") == 1


def test_an_unknown_or_missing_mirror_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="tensorboard or wandb"):
        mirrors.check_mirrors(["comet"])
    monkeypatch.setattr(mirrors, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="tensorboard"):
        mirrors.check_mirrors(["tensorboard"])
