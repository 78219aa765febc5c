"""How far the losses of stacked models are from those of the same runs alone, and what one changed bit does to them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from isoflop.accounting.shape import Shape
from isoflop.lab.corpus import Corpus
from isoflop.lab.environment import use_one_thread
from isoflop.lab.loading import load_text
from isoflop.lab.source import TextSource
from isoflop.lab.stack import Member, train_stack
from isoflop.lab.training import Loop
from isoflop.runs.directory import Attempt
from isoflop.runs.run import Run
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec

FACTORS = (0.5, 1.0, 2.0, 4.0)
STEPS, RATE, SEEDS = 500, 0.0782 * 16**-0.75, 2


def measure_agreement(_: None) -> dict[str, dict[str, float]]:
    """The largest difference in held-out loss over seeds, by factor of the peak rate: stacked, and one bit changed."""
    use_one_thread()
    corpus = load_text(TextSource("python-stdlib", limit=4_000_000))
    shape = Shape(2, 16, 2, 64, corpus.spec.vocab, 16)
    base = RunSpec(shape, corpus.spec, STEPS * 512, 512, OptimizerSpec(RATE), ScheduleSpec(), 0, 4096)
    specs = {
        (factor, seed): replace(base, seed=seed, optimizer=OptimizerSpec(factor * RATE))
        for factor in FACTORS
        for seed in range(SEEDS)
    }
    stacked: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as place:
        attempt = Attempt(Path(place), 1)
        members = [Member(spec, attempt, ()) for spec in specs.values()]
        train_stack(
            members, corpus, on_finished=lambda spec, run: stacked.update({spec.identifier: run}), stop=lambda: False
        )
        alone = {key: _loss(spec, corpus, attempt, bits=0) for key, spec in specs.items()}
        changed = {key: _loss(spec, corpus, attempt, bits=1) for key, spec in specs.items()}
    found: dict[str, dict[str, float]] = {}
    for factor in FACTORS:
        keys = [(factor, seed) for seed in range(SEEDS)]
        found[f"{factor:g}"] = {
            "stacked": max(abs((stacked[specs[key].identifier].loss or 0.0) - alone[key]) for key in keys),
            "one bit": max(abs(changed[key] - alone[key]) for key in keys),
        }
    return found


def _loss(spec: RunSpec, corpus: Corpus, attempt: Attempt, bits: int) -> float:
    """Held-out loss of a run alone, the last bit of one of its first weights changed or not."""
    loop = Loop(spec, corpus, attempt, ())
    weight = next(loop.model.parameters())
    with torch.no_grad():
        for _ in range(bits):
            weight[0, 0] = torch.nextafter(weight[0, 0], torch.tensor(torch.inf))
    for rate, step in loop.updates(lambda progress: None, lambda: False, 1e9):
        loop.update(rate, step)
    return float(loop.memory.evaluations[-1]["loss"])
