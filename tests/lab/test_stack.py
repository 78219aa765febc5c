"""Runs side by side: what comes out is what each would have been alone, and none can harm another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isoflop.accounting.shape import Shape
from isoflop.lab.corpus import Corpus
from isoflop.lab.stack import Member, train_stack
from isoflop.lab.stackable import stacking_key
from isoflop.lab.stacked_update import Stack
from isoflop.lab.training import Interrupted, Loop
from isoflop.runs.run import Run
from isoflop.runs.spec import Devices, MaximalUpdate, OptimizerSpec, RunSpec, ScheduleSpec
from tests.lab.conftest import RecordedAttempt, train_whole

MakeSpec = Callable[..., RunSpec]
# What was measured over 60 steps at these rates: 3e-7.
ROUNDING = 1e-5


def side_by_side(
    specs: Sequence[RunSpec], corpus: Corpus, path: Path, stop: Callable[[], bool] = lambda: False,
    checkpoints: Callable[[RunSpec], Sequence[Path]] = lambda spec: (),
) -> tuple[list[Run], list[RecordedAttempt]]:  # fmt: skip
    """The runs in the order of `specs`, and the attempts they were logged to."""
    runs: dict[str, Run] = {}
    attempts = [RecordedAttempt(path / spec.identifier) for spec in specs]
    members = [Member(spec, attempt, checkpoints(spec)) for spec, attempt in zip(specs, attempts, strict=True)]
    train_stack(members, corpus, on_finished=lambda spec, run: runs.update({spec.identifier: run}), stop=stop)
    return [runs[spec.identifier] for spec in specs], attempts


def test_runs_side_by_side_are_those_alone_to_rounding(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    """They differ in all that may differ; one is shorter, one has branches, one a branch from its start, one clips."""
    specs = [
        make_spec(seed=3),
        make_spec(steps=25, learning_rate=2e-3),
        make_spec(optimizer=OptimizerSpec(4e-3, weight_decay=0.3, beta1=0.8, beta2=0.99, clip=0.2)),
        make_spec(branches=(256 * 20, 256 * 40), evaluation_points=4, schedule=ScheduleSpec(0.0, warmup_steps=5)),
        make_spec(seed=4, branches=(256 * 10,), schedule=ScheduleSpec(warmup=0.0, decay=1.0)),
        make_spec(unique_tokens=5_000, probes=("positions", "noise-scale")),
    ]
    together, attempts = side_by_side(specs, corpus, tmp_path / "together")
    for spec, run, attempt in zip(specs, together, attempts, strict=True):
        single = train_whole(spec, corpus, tmp_path / "alone")
        assert run.spec == spec and run.state == "done"
        assert run.curve.step == single.curve.step
        assert run.curve.loss == pytest.approx(single.curve.loss, abs=ROUNDING)
        assert [item.step for item in run.evaluations] == [item.step for item in single.evaluations]
        assert [item.loss for item in run.evaluations] == pytest.approx(
            [item.loss for item in single.evaluations], abs=ROUNDING
        )
        assert [record["step"] for record in attempt.records if "evaluation" not in record] == list(run.curve.step)


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": "rms", "activation": "swiglu"},
        {"heads": 4, "heads_per_kv": 2, "tied": True},
        {"reuse": 2, "layers": 1},
    ],
)
@pytest.mark.parametrize("mup", [None, MaximalUpdate(8, 8)])
def test_every_kind_of_transformer_takes_the_same_step(
    make_spec: MakeSpec, corpus: Corpus, changes: dict[str, object], mup: MaximalUpdate | None
) -> None:
    specs = [make_spec(seed=seed, learning_rate=rate, maximal_update=mup) for seed, rate in ((0, 1e-2), (1, 3e-3))]
    specs = [replace(spec, shape=replace(spec.shape, **changes)) for spec in specs]
    stacked, single = ([Loop(spec, corpus, RecordedAttempt(Path()), ()) for spec in specs] for _ in range(2))
    stack = Stack([(loop.spec, loop.model, loop.strategy.optimizer) for loop in stacked])
    rates = [spec.optimizer.learning_rate for spec in specs]
    for step in range(5):
        losses = stack.update(torch.stack([loop.batch(step) for loop in stacked]), rates)
        for loop, rate in zip(single, rates, strict=True):
            loop.update(rate, step)
        assert losses.tolist() == pytest.approx([loop.losses[-1].item() for loop in single], abs=1e-5)
    for one, other in zip(stacked, single, strict=True):
        for first, second in zip(one.model.parameters(), other.model.parameters(), strict=True):
            torch.testing.assert_close(first, second, atol=1e-5, rtol=0.0)


def test_a_run_that_diverges_leaves_and_harms_no_other(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    specs = [make_spec(steps=120), make_spec(steps=120, learning_rate=100.0), make_spec(steps=120, seed=1)]
    (first, wild, second), _ = side_by_side(specs, corpus, tmp_path)
    assert wild.state == "diverged" and wild.loss is None and wild.compute < first.compute
    assert "lower the learning rate" in wild.message
    for run in (first, second):
        assert run.loss == pytest.approx(train_whole(run.spec, corpus, tmp_path / "alone").loss, abs=ROUNDING)


def test_a_weight_that_is_no_number_stays_in_its_own_row(make_spec: MakeSpec, corpus: Corpus) -> None:
    loops = [Loop(make_spec(seed=seed), corpus, RecordedAttempt(Path()), ()) for seed in range(3)]
    stack = Stack([(loop.spec, loop.model, loop.strategy.optimizer) for loop in loops])
    with torch.no_grad():
        next(loops[1].model.parameters()).fill_(math.nan)
    for step in range(2):
        losses = stack.update(torch.stack([loop.batch(step) for loop in loops]), [1e-2] * 3)
    assert losses.isnan().tolist() == [False, True, False]
    assert all(weight.isfinite().all() for loop in (loops[0], loops[2]) for weight in loop.model.parameters())


def test_an_interrupted_stack_goes_on_as_a_stack_or_alone(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    """Even from different steps: one checkpoint of the two is older."""
    specs = [make_spec(seed=seed, steps=60 + 10 * seed) for seed in range(3)]
    whole, _ = side_by_side(specs, corpus, tmp_path / "whole")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3 * 30

    with pytest.raises(Interrupted):
        side_by_side(specs, corpus, tmp_path / "part", stop)

    def saved(spec: RunSpec) -> list[Path]:
        found = sorted((tmp_path / "part" / spec.identifier).glob("checkpoint-*"))
        return [] if spec is specs[1] else found

    assert len(saved(specs[0])) == len(saved(specs[2])) == 1
    again, _ = side_by_side(specs, corpus, tmp_path / "again", checkpoints=saved)
    for run, other in zip(again, whole, strict=True):
        assert run.loss == pytest.approx(other.loss, abs=ROUNDING)
        assert run.curve.step == other.curve.step
        single = train_whole(run.spec, corpus, tmp_path / "single", saved(run.spec))
        assert single.loss == pytest.approx(other.loss, abs=ROUNDING)


def test_where_memory_does_not_suffice_for_all_they_take_turns(
    make_spec: MakeSpec, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    specs = [make_spec(seed=seed, steps=10) for seed in range(2)]
    expected = [train_whole(spec, corpus, tmp_path / "alone") for spec in specs]
    monkeypatch.setattr("isoflop.lab.stacked_update.stacked_losses", refuse)
    runs, _ = side_by_side(specs, corpus, tmp_path)
    assert [(run.loss, run.curve) for run in runs] == [(run.loss, run.curve) for run in expected], "bit for bit"


def test_the_time_of_a_stack_is_shared_by_its_runs(make_spec: MakeSpec, corpus: Corpus, tmp_path: Path) -> None:
    specs = [make_spec(seed=seed) for seed in range(4)]
    runs, _ = side_by_side(specs, corpus, tmp_path)
    single = train_whole(specs[0], corpus, tmp_path / "alone")
    assert sum(run.cpu_seconds for run in runs) < 4 * single.cpu_seconds
    assert max(run.cpu_seconds for run in runs) < 2 * min(run.cpu_seconds for run in runs)


def test_what_cannot_be_stacked_has_no_key(make_spec: MakeSpec) -> None:
    spec = make_spec()
    assert stacking_key(spec) == stacking_key(make_spec(seed=4, learning_rate=1.0, steps=7))
    assert stacking_key(spec) != stacking_key(replace(spec, batch_tokens=128))
    learned = Shape(2, 16, 2, 64, spec.text.vocab, 32, positions="learned")
    recurrent = Shape(2, 16, 1, 64, spec.text.vocab, 32, family="lstm")
    for other in (
        make_spec(precision="bfloat16"), make_spec(micro_batches=2), make_spec(compile=True),
        make_spec(optimizer=OptimizerSpec(1e-3, name="muon")), replace(spec, shape=learned),
        replace(spec, shape=recurrent),
    ):  # fmt: skip
        assert stacking_key(other) is None
    for devices in (Devices(processes=2), Devices("fsdp", 2), Devices("fsdp")):
        assert stacking_key(spec, devices) is None
