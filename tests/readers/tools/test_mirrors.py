"""What our own mirrors write through the real TensorBoard and W&B: our readers give back every record of the run."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from isoflop.lab.corpus import Corpus
from isoflop.lab.mirrors import MIRRORS, mirrored
from isoflop.lab.training import train
from isoflop.readers.log import RunLog
from isoflop.readers.read import read_runs
from isoflop.readers.source import LogSource
from isoflop.readers.tensorboard import read_tensorboard
from isoflop.readers.wandb import read_wandb
from isoflop.runs.spec import RunSpec
from tests.lab.conftest import RecordedAttempt, corpus, make_spec
from tests.readers.tools.test_tools import needs, quiet

__all__ = ["corpus", "make_spec", "quiet"]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.tools]

READERS: dict[str, tuple[str, Callable[[LogSource], Iterator[RunLog]]]] = {
    "tensorboard": ("events.out.*", read_tensorboard),
    "wandb": ("*.wandb", read_wandb),
}


def log_of(name: str, place: Path) -> RunLog:
    """The run that a mirror wrote below `place`."""
    pattern, read = READERS[name]
    files = tuple(sorted(place.rglob(pattern)))
    (log,) = read(LogSource(name, files, "run", place))
    return log


def told_by(attempt: RecordedAttempt, key: str) -> list[tuple[int, Any]]:
    """Step and value of every record with `key`, in the order they were logged."""
    return [(record["step"], record[key]) for record in attempt.records if key in record]


@pytest.fixture
def mirror(corpus: Corpus, tmp_path: Path) -> Callable[[str, RunSpec], RecordedAttempt]:
    """Trains a run that the mirror of a name shows."""

    def train_with(name: str, spec: RunSpec) -> RecordedAttempt:
        needs(name)
        attempt = RecordedAttempt(tmp_path / "attempt")
        attempt.path.mkdir()
        with mirrored(attempt, spec, (name,)) as logged:
            train(spec, corpus, attempt=logged, resume_from=(), on_progress=lambda progress: None, stop=lambda: False)
        if name == "wandb":
            # Its own process writes the file; it is waited for at the end of ours, or here.
            importlib.import_module("wandb").teardown()
        return attempt

    return train_with


Mirror = Callable[[str, RunSpec], RecordedAttempt]


@pytest.mark.parametrize("name", MIRRORS)
def test_a_mirror_holds_what_the_log_of_the_run_holds(
    name: str, mirror: Mirror, make_spec: Callable[..., RunSpec], capsys: pytest.CaptureFixture[str]
) -> None:
    spec = make_spec(steps=20, evaluation_points=3)
    attempt = mirror(name, spec)
    assert "left out" not in capsys.readouterr().err
    log = log_of(name, attempt.path)
    for key in ("tokens", "loss", "learning_rate", "seconds"):
        series, told = log.series[key], told_by(attempt, key)
        assert list(series.steps) == [step for step, _ in told]
        assert list(series.values) == pytest.approx([value for _, value in told], rel=1e-6)
    evaluations = told_by(attempt, "evaluation")
    assert [step for step, _ in evaluations] == list(log.series["held-out/loss"].steps)
    # As a user reads it; of a run of W&B the vocabulary is known too, and a loss beyond a guess is left out.
    table = read_runs(attempt.path, rows="checkpoints")
    table = table.select(table["loss"] < math.log(spec.shape.vocab))
    learned = [told for _, told in evaluations if told["loss"] < math.log(spec.shape.vocab)]
    assert len(learned) == 2 and learned[-1]["step"] == 20
    for column in ("step", "tokens", "loss"):
        assert table[column].tolist() == pytest.approx([told[column] for told in learned], rel=1e-6)


@pytest.mark.parametrize("name", MIRRORS)
def test_a_branch_takes_nothing_of_its_run_out_of_a_mirror(
    name: str, mirror: Mirror, make_spec: Callable[..., RunSpec]
) -> None:
    attempt = mirror(name, make_spec(steps=40, branches=(256 * 30,)))
    log = log_of(name, attempt.path)
    assert len(log.series["loss"].values) == len(told_by(attempt, "loss"))
    held_out = {told["step"]: told["loss"] for _, told in told_by(attempt, "evaluation")}
    assert set(held_out) == {30, 40}
    found = log.series["held-out/loss"]
    steps = found.steps
    if name == "wandb":
        # Its own steps only rise: they count rows, in which the run's stand.
        row = list(log.series["step"].steps).index
        steps = [log.series["step"].values[row(step)] for step in found.steps]
        assert [log.series["tokens"].values[row(step)] for step in found.steps] == [256 * step for step in steps]
    assert dict(zip(steps, found.values, strict=True)) == pytest.approx(held_out, rel=1e-6)
