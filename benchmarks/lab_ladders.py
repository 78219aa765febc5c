"""What packing and stacking save: whole studies in one process, in one worker a core, and in stacks."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from isoflop.accounting.shape import Shape
from isoflop.lab.corpus import split_tokens
from isoflop.lab.environment import use_one_thread
from isoflop.lab.stack import Member, train_stack
from isoflop.lab.training import train
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec
from isoflop.studies.cost import wall_seconds
from isoflop.studies.driver import prepare_study, train_role
from isoflop.studies.processes import ProcessEngine
from isoflop.studies.progress import QuietReporter

STACKS = ((8, 1, 1.6), (16, 2, 1.6))
TURNS, STEPS, MODELS = 1, 150, 8
STUDY = """
name = "speed"
stack = {stack}
[text]
source = "python-stdlib"
limit = "4M"
[ladder]
widths = {widths}
layers = 2
head_width = 8
tokens = ["{tokens}"]
seeds = {seeds}
[training]
context = 16
batch_tokens = 512
[training.learning_rate]
coefficient = 0.0782
width_power = -0.75
[sweep]
learning_rate_factors = [0.25, 0.5, 1.0, 2.0]
[evaluation]
windows = 1024
[fit]
law = "chinchilla"
"""
KINDS = {"packed": ([16, 24, 32, 48], "80k", 1, 1), "stacked": ([8, 16], "120k", 4, 8)}


def measure_stack(part: tuple[int, int]) -> dict[str, float]:
    """CPU seconds of a step of eight models, stacked and one after another, in turns."""
    width, layers = part
    use_one_thread()
    tokens = np.random.default_rng(0).integers(0, 128, 1_000_000).astype(np.uint8)
    corpus = split_tokens("tokens", tokens, 128, "noise")
    shape = Shape(layers, width, width // 8, 4 * width, 128, 32)
    specs = [
        RunSpec(shape, corpus.spec, STEPS * 512, 512, OptimizerSpec(2e-3), ScheduleSpec(), seed, 64)
        for seed in range(MODELS)
    ]
    seconds: dict[str, list[float]] = {"stacked": [], "alone": []}
    for turn in range(TURNS + 1):
        with tempfile.TemporaryDirectory() as place:
            attempts = [Attempt(Path(place), number) for number in range(MODELS)]
            members = [Member(spec, attempt, ()) for spec, attempt in zip(specs, attempts, strict=True)]
            begun = time.process_time()
            train_stack(members, corpus, on_finished=lambda spec, run: None, stop=lambda: False)
            between = time.process_time()
            for spec, attempt in zip(specs, attempts, strict=True):
                train(spec, corpus, attempt=attempt, resume_from=(), on_progress=lambda told: None, stop=lambda: False)
            if turn:
                seconds["stacked"].append((between - begun) / STEPS)
                seconds["alone"].append((time.process_time() - between) / STEPS)
    return {name: sorted(times)[TURNS // 2] for name, times in seconds.items()}


def measure_packing(kind: str) -> dict[str, float]:
    """CPU seconds of a study run after run, and its time on all cores as CPU seconds tell it; wall seconds of both."""
    with tempfile.TemporaryDirectory() as place:
        alone = _train(Path(place) / "alone", kind, slots=1, stack=1)
        ours = _train(Path(place) / "ours", kind, slots=os.cpu_count() or 1, stack=KINDS[kind][3])
    return {"alone": alone["time"], "ours": ours["time"], "alone wall": alone["wall"], "ours wall": ours["wall"]}


def _train(place: Path, kind: str, slots: int, stack: int) -> dict[str, float]:
    widths, tokens, seeds, _ = KINDS[kind]
    place.mkdir()
    study_file = place / "study.toml"
    study_file.write_text(STUDY.format(widths=widths, tokens=tokens, seeds=seeds, stack=stack))
    engine = ProcessEngine(place, slots)
    prepared = prepare_study(study_file, slots)
    begun, cpu = time.monotonic(), _cpu_seconds()
    train_role(prepared, "ladder", engine, QuietReporter())
    engine.close()
    wall, cpu = time.monotonic() - begun, _cpu_seconds() - cpu
    workers: dict[int, float] = {}
    for run in prepared.of("ladder"):
        directory = RunDirectory(place / "runs" / run.spec.identifier)
        result, owner = directory.result(), directory.attempts()[-1].owner()
        assert result is not None and owner is not None
        workers[owner.pid] = workers.get(owner.pid, 0.0) + result.cpu_seconds
    unevenness = wall_seconds(list(workers.values()), slots) / (sum(workers.values()) / slots)
    return {"wall": wall, "cpu": cpu, "time": cpu / slots * unevenness}


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
