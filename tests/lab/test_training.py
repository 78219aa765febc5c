"""The training loop: it learns, it repeats itself exactly, it stops, goes on, and knows when it has diverged."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isoflop.accounting.flops import training_flops
from isoflop.errors import InputError
from isoflop.lab.corpus import Corpus
from isoflop.lab.moments import log_steps
from isoflop.lab.training import Interrupted, Progress, train
from isoflop.runs.run import Run
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec
from isoflop.runs.table import RunTable
from isoflop.runs.versions import sources_digest
from isoflop.studies.study import PlannedRun
from tests.lab.conftest import RecordedAttempt, train_whole

MakeSpec = Callable[..., RunSpec]


def run_until(spec: RunSpec, corpus: Corpus, path: Path, stop_after: int) -> Path:
    """Interrupt after `stop_after` updates and return the checkpoint."""
    updates = 0

    def stop() -> bool:
        nonlocal updates
        updates += 1
        return updates == stop_after

    with pytest.raises(Interrupted) as interruption:
        train(
            spec,
            corpus,
            attempt=RecordedAttempt(path),
            resume_from=(),
            on_progress=lambda progress: None,
            stop=stop,
        )
    assert interruption.value.step == stop_after
    return path / f"checkpoint-{stop_after:08d}"


def test_a_run_learns_and_says_what_it_did(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    spec, seen = make_spec(steps=150), list[Progress]()
    attempt = RecordedAttempt(tmp_path)
    run = train(spec, corpus, attempt=attempt, resume_from=(), on_progress=seen.append, stop=lambda: False)
    assert run.state == "done"
    assert run.loss is not None
    assert run.loss < 0.5 * math.log(corpus.spec.vocab)
    assert run.loss_standard_error is not None
    assert 0 < run.loss_standard_error < 0.2
    assert run.compute == training_flops(spec.shape, spec.tokens)
    assert run.curve.tokens[-1] == spec.tokens
    assert run.curve.loss[-1] < run.curve.loss[0]
    evaluation = attempt.records.pop()
    assert evaluation["evaluation"]["loss"] == run.loss
    assert [record["step"] for record in attempt.records] == list(run.curve.step) == [point.step for point in seen]
    assert set(attempt.records[0]) == {"step", "tokens", "loss", "learning_rate", "seconds"}
    assert run.environment["threads"] == "1"
    assert run.environment["sources"] == sources_digest()
    assert Run.from_dict(run.to_dict(), run.curve) == run


def test_same_spec_same_bits_other_seed_other_bits(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    first, again = (train_whole(make_spec(), corpus, tmp_path / name) for name in ("first", "again"))
    other = train_whole(make_spec(seed=1), corpus, tmp_path / "other")
    assert first.loss == again.loss
    assert first.curve == again.curve
    assert first.loss != other.loss


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_ends_with_the_same_bits(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path, precision: str
) -> None:
    spec = make_spec(precision=precision)
    whole = train_whole(spec, corpus, tmp_path / "whole")
    stop_after = int(np.random.default_rng().integers(1, spec.steps))
    checkpoint = run_until(spec, corpus, tmp_path / "part", stop_after)
    resumed = train_whole(spec, corpus, tmp_path / "rest", (checkpoint,))
    assert resumed.loss == whole.loss, f"resumed after {stop_after} steps"
    assert resumed.curve == whole.curve, f"resumed after {stop_after} steps"


def test_a_damaged_checkpoint_costs_only_what_came_after_the_one_before(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path
) -> None:
    spec = make_spec()
    whole = train_whole(spec, corpus, tmp_path / "whole")
    older, newer = (run_until(spec, corpus, tmp_path / f"part{step}", step) for step in (20, 40))
    state = newer / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1] + b"\0")
    attempt = RecordedAttempt(tmp_path / "rest")
    resumed = train(
        spec,
        corpus,
        attempt=attempt,
        resume_from=(newer, older),
        on_progress=lambda progress: None,
        stop=lambda: False,
    )
    assert resumed.loss == whole.loss
    assert 20 < attempt.records[0]["step"] < 40


def test_checkpoints_come_by_the_clock_and_two_are_kept(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    spec = make_spec(steps=10)
    train(
        spec,
        corpus,
        attempt=RecordedAttempt(tmp_path),
        resume_from=(),
        on_progress=lambda progress: None,
        stop=lambda: False,
        checkpoint_seconds=0.0,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00000008", "checkpoint-00000009"]


def test_an_absurd_learning_rate_is_told_apart_from_a_result(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path
) -> None:
    run = train_whole(make_spec(learning_rate=100.0, steps=120), corpus, tmp_path)
    assert run.state == "diverged"
    assert run.loss is None
    assert "lower the learning rate" in run.message
    assert run.compute < training_flops(run.spec.shape, run.spec.tokens)


def test_a_run_is_never_trained_on_another_text(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    spec = make_spec()
    other = dataclasses.replace(spec, text=dataclasses.replace(spec.text, sha256="0" * 64))
    with pytest.raises(InputError, match="another text"):
        train_whole(other, corpus, tmp_path)


@pytest.mark.parametrize("steps", [1, 7, 977, 15_625])
def test_the_log_is_short_even_for_long_runs_and_holds_the_last_step(steps: int) -> None:
    chosen = log_steps(steps)
    assert max(chosen) == steps
    assert min(chosen) == 1
    assert len(chosen) <= 150


def test_branches_cost_their_decay_alone_and_change_nothing_else(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path
) -> None:
    """A branch is a run of its own that shares the trunk's stable stretch; the trunk does not notice."""
    schedule = ScheduleSpec(warmup=0.0, warmup_steps=5)
    plain = train_whole(make_spec(steps=80, schedule=schedule), corpus, tmp_path / "plain")
    spec = make_spec(steps=80, schedule=schedule, branches=(256 * 20, 256 * 40))
    branched = train_whole(spec, corpus, tmp_path / "branched")
    assert (branched.loss, branched.curve) == (plain.loss, plain.curve)
    assert [item.step for item in branched.evaluations if item.cooled] == [20, 40, 80]
    assert branched.compute == PlannedRun("ladder", spec).compute > plain.compute
    row, alone_row = (RunTable.from_runs([run]).compute().tolist() for run in (branched, plain))
    assert row == alone_row, "its row says what its loss took"
    for steps, found in zip((20, 40), branched.evaluations, strict=False):
        alone = train_whole(make_spec(steps=steps, schedule=schedule), corpus, tmp_path / f"alone{steps}")
        assert found.loss == alone.loss, "bit for bit the run of that length"


@pytest.mark.parametrize("stop_after", [17, 19, 25, 37])
def test_a_run_with_branches_and_evaluations_resumes_to_the_same_bits(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path, stop_after: int
) -> None:
    spec = make_spec(
        steps=60, branches=(256 * 20, 256 * 40), evaluation_points=4, probes=("positions", "noise-scale"),
        optimizer=OptimizerSpec(8e-3, name="muon"), unique_tokens=20_000, micro_batches=2,
    )  # fmt: skip
    whole = train_whole(spec, corpus, tmp_path / "whole")
    updates = 0

    def stop() -> bool:
        nonlocal updates
        updates += 1
        return updates == stop_after

    place = tmp_path / "part"
    with pytest.raises(Interrupted):
        train(spec, corpus, attempt=RecordedAttempt(place), resume_from=(), on_progress=lambda p: None, stop=stop)
    (checkpoint,) = place.glob("checkpoint-*")
    resumed = train_whole(spec, corpus, tmp_path / "rest", (checkpoint,))
    assert resumed.evaluations == whole.evaluations
    assert resumed.compute == whole.compute
    assert resumed.curve == whole.curve


def test_evaluations_carry_positions_and_the_noise_scale(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    spec = make_spec(steps=64, evaluation_points=3, probes=("positions", "noise-scale"))
    attempt = RecordedAttempt(tmp_path)
    run = train(spec, corpus, attempt=attempt, resume_from=(), on_progress=lambda p: None, stop=lambda: False)
    assert [(item.step, item.cooled) for item in run.evaluations] == [(1, False), (8, False), (64, True)]
    last = run.evaluations[-1]
    assert last.loss == run.loss
    assert np.mean(last.positions) == pytest.approx(last.loss, rel=1e-12)
    assert last.positions[0] > last.positions[-1], "the first token of a window is the hardest"
    assert last.measures["gradient_noise"] > 0.0
    logged = [record["evaluation"] for record in attempt.records if "evaluation" in record]
    assert [item["loss"] for item in logged] == [item.loss for item in run.evaluations]
    assert Run.from_dict(run.to_dict(), run.curve) == run


def test_micro_batches_and_whole_batches_agree(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    whole, pieces = (train_whole(make_spec(steps=20, micro_batches=n), corpus, tmp_path / str(n)) for n in (1, 4))
    assert whole.loss is not None
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-4)


def test_memory_that_does_not_suffice_is_the_state_of_the_run(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    monkeypatch.setattr("isoflop.lab.training.windows_of_step", refuse)
    run = train_whole(make_spec(), corpus, tmp_path)
    assert run.state == "failed" and run.loss is None
    assert "out of memory after 0 of 60 steps" in run.message


def test_an_error_that_is_none_of_these_is_not_hidden(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("a mistake in the program")

    monkeypatch.setattr("isoflop.lab.training.windows_of_step", fail)
    with pytest.raises(RuntimeError, match="mistake"):
        train_whole(make_spec(), corpus, tmp_path)
