"""Several processes train one run as one does: same batches, same curve, same checkpoints, whatever the strategy.

All cases of a family are trained by one group of two processes, since it takes seconds to start one.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from isoflop.accounting.shape import Shape
from isoflop.errors import MissingExtraError, UsageError
from isoflop.lab.corpus import Corpus, save_corpus
from isoflop.lab.ranks import ALONE, Ranks
from isoflop.lab.strategies import build_strategy
from isoflop.lab.training import Interrupted, train
from isoflop.lab.zero import ZeroRedundancy
from isoflop.runs.run import Run
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec, StrategyName
from tests.lab import together
from tests.lab.conftest import RecordedAttempt, train_whole

HAS_DEEPSPEED = importlib.util.find_spec("deepspeed") is not None
FAMILIES = {"torch": ("ddp", "fsdp"), "deepspeed": ("deepspeed-zero1", "deepspeed-zero2", "deepspeed-zero3")}
CLOSE = 1e-4
# Muon orthogonalises in bfloat16, whose rounding is coarse.
ROUGHLY = 2e-3
STOPPED_AT = 25


def spec_of(corpus: Corpus, *, steps: int = 40, **others: Any) -> RunSpec:
    shape = Shape(layers=2, width=16, heads=2, feedforward=64, vocab=corpus.spec.vocab, context=32)
    shape = dataclasses.replace(shape, **others.pop("shape", {}))
    told = {"optimizer": OptimizerSpec(8e-3), "schedule": ScheduleSpec(), "seed": 0, "evaluation_windows": 50}
    return RunSpec(shape=shape, text=corpus.spec, tokens=256 * steps, batch_tokens=256, **{**told, **others})


def specs_of(corpus: Corpus) -> dict[str, RunSpec]:
    everything = {"branches": (256 * 20,), "evaluation_points": 3, "probes": ("noise-scale",)}
    modern = {"tied": True, "norm": "rms", "activation": "swiglu", "heads_per_kv": 2, "reuse": 2}
    return {
        "plain": spec_of(corpus),
        "micro-batches": spec_of(corpus, micro_batches=2),
        "everything": spec_of(corpus, **everything),
        "modern": spec_of(corpus, steps=20, shape=modern),
        "bfloat16": spec_of(corpus, steps=20, precision="bfloat16"),
        "lstm": spec_of(corpus, steps=20, shape={"family": "lstm", "heads": 1}),
        "muon": spec_of(corpus, steps=15, optimizer=OptimizerSpec(8e-3, name="muon")),
    }


def can(strategy: str, name: str) -> bool:
    return not (strategy.startswith("deepspeed") and name == "muon")


def train_here(spec: RunSpec, corpus: Corpus, place: Path, *resume_from: Path, stop_after: int = 0) -> Run:
    updates = iter(range(1, 10**6))
    return train_whole(spec, corpus, place, resume_from, stop=lambda: next(updates) == stop_after)


def cases_of(specs: dict[str, RunSpec], strategies: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every spec with every strategy that can; one stopped with each, and gone on with by the next."""
    cases: list[dict[str, Any]] = []
    for before, how in zip(("alone", *strategies), strategies, strict=False):
        cases += [{"name": f"{how}-{name}", "spec": specs[name].to_dict(), "strategy": how, "like": name}
                  for name in specs if can(how, name)]  # fmt: skip
        plain = {"spec": specs["plain"].to_dict(), "strategy": how, "like": "plain"}
        cases.append({**plain, "name": how, "stop_after": STOPPED_AT})
        cases.append({**plain, "name": f"{before}-to-{how}", "resume_from": [f"{before}/checkpoint-{STOPPED_AT:08d}"]})
    return cases


def train_together(place: Path, cases: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What comes out of cases that two processes train, by name."""
    (place / "cases.json").write_text(json.dumps(cases))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ended = subprocess.run(
        [*torchrun, together.__file__, str(place)], capture_output=True, text=True, timeout=900, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4000:]
    return {case["name"]: json.loads((place / f"{case['name']}.json").read_text()) for case in cases}


def differences(name: str, found: dict[str, Any], alone: Run, strategy: str, close: float) -> list[str]:
    """In what a run of two processes is not that of one."""
    steps, losses = found["curve"]
    largest = max(abs(loss - other) for loss, other in zip(losses, alone.curve.loss, strict=True))
    print(f"{name:40} losses differ by {largest:.1e} at most")
    evaluations = list(zip(found["evaluations"], alone.evaluations, strict=True))
    told = {
        "steps": tuple(steps) == alone.curve.step,
        "curve": losses == pytest.approx(alone.curve.loss, abs=close),
        "loss": found["loss"] == pytest.approx(alone.loss, abs=close),
        "evaluations": all(item["loss"] == pytest.approx(other.loss, abs=close) for item, other in evaluations),
        "measures": all(item["measures"] == pytest.approx(other.measures, rel=1e-3) for item, other in evaluations),
        "environment": found["environment"] == {**alone.environment, "processes": "2", "strategy": strategy},
    }
    return [what for what, holds in told.items() if not holds]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_train_stop_and_go_on_as_one_does(corpus: Corpus, tmp_path: Path, family: str) -> None:
    """Same curve and scores; a stop that the last of them alone was asked for; checkpoints from any number to any."""
    if family == "deepspeed" and not HAS_DEEPSPEED:
        pytest.skip("DeepSpeed is not installed: make test-deepspeed")
    specs, strategies = specs_of(corpus), FAMILIES[family]
    save_corpus(corpus, tmp_path / "corpus")
    alone = {name: train_here(spec, corpus, tmp_path / f"alone-{name}") for name, spec in specs.items()}
    with pytest.raises(Interrupted):
        train_here(specs["plain"], corpus, tmp_path / "alone", stop_after=STOPPED_AT)
    cases = cases_of(specs, strategies)
    found = train_together(tmp_path, cases)
    assert {name: found.pop(name) for name in strategies} == {name: {"interrupted": STOPPED_AT} for name in strategies}
    for case in cases:
        if (name := case["name"]) in found:
            close = ROUGHLY if case["like"] in ("muon", "bfloat16") else CLOSE
            assert differences(name, found[name], alone[case["like"]], case["strategy"], close) == [], name
    for how in strategies:
        (checkpoint,) = (tmp_path / how).glob("checkpoint-*")
        run = train_here(specs["plain"], corpus, tmp_path / "rest", checkpoint)
        assert run.curve.loss == pytest.approx(alone["plain"].curve.loss, abs=CLOSE)
        assert run.loss == pytest.approx(alone["plain"].loss, abs=CLOSE)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_the_shares_of_a_batch_are_the_batch(size: int) -> None:
    batch = torch.arange(24).reshape(8, 3)
    assert torch.equal(torch.cat([Ranks(rank, size).share(batch) for rank in range(size)]), batch)


def test_a_single_process_talks_to_nobody() -> None:
    values = torch.tensor([1.0, 2.0])
    assert ALONE.mean(values) is values
    assert ALONE.any(True, False) == (True, False)
    assert ALONE.told("a word") == "a word"
    assert ALONE.writes and not Ranks(1, 2).writes


@pytest.mark.parametrize(
    ("strategy", "others", "complaint"),
    [
        ("ddp", {}, r"devices.processes=3 .* batch_tokens=256 must be a multiple of 3 x context=32\."),
        ("ddp", {"micro_batches": 4}, r"processes=3 .* multiple of 3 x context=32 x micro_batches=4\."),
        ("deepspeed-zero2", {"optimizer": OptimizerSpec(1e-2, name="muon")}, "knows AdamW only: use ddp or fsdp"),
    ],
)
def test_what_a_strategy_cannot_do_is_said(
    corpus: Corpus, tmp_path: Path, strategy: StrategyName, others: dict[str, Any], complaint: str
) -> None:
    size = 3 if "processes=3" in complaint or not others else 2
    with pytest.raises(UsageError, match=complaint):
        train(
            spec_of(corpus, **others), corpus, attempt=RecordedAttempt(tmp_path), resume_from=(),
            on_progress=lambda progress: None, stop=lambda: False, ranks=Ranks(0, size), strategy=strategy,
        )  # fmt: skip


@pytest.mark.skipif(not HAS_DEEPSPEED, reason="DeepSpeed is not installed: make test-deepspeed")
@pytest.mark.filterwarnings("ignore")
def test_deepspeed_trains_in_the_precision_of_the_run(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed disables the autocast around its engine where torch says that one is on: as a rule on CUDA alone."""
    asked = torch.is_autocast_enabled
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *device: asked(*device) if device else True)
    monkeypatch.setenv("LOCAL_RANK", "0")
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        assert dtype_inside(spec_of(corpus, precision="bfloat16")) == torch.bfloat16
        assert dtype_inside(spec_of(corpus)) == torch.float32
    finally:
        torch.distributed.destroy_process_group()


def dtype_inside(spec: RunSpec) -> torch.dtype:
    strategy = ZeroRedundancy(spec, ALONE, stage=1)
    seen: list[torch.dtype] = []
    linear = next(part for part in strategy.model.modules() if isinstance(part, torch.nn.Linear))
    linear.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    with torch.autocast("cpu", torch.bfloat16, enabled=spec.precision == "bfloat16"):
        strategy.loss_of(torch.zeros(8, spec.shape.context + 1, dtype=torch.int64))
    return seen[0]


@pytest.mark.skipif(HAS_DEEPSPEED, reason="DeepSpeed is installed")
def test_without_deepspeed_its_extra_is_named(corpus: Corpus) -> None:
    with pytest.raises(MissingExtraError, match=r"isoflop\[deepspeed\]"):
        build_strategy(spec_of(corpus), Ranks(0, 2), "deepspeed-zero3")
