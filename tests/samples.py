"""Values that several tests use."""

from __future__ import annotations

from isoflop.accounting.shape import Shape
from isoflop.runs.run import Run, State
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec, TextSpec


def run_of(state: State, loss: float | None, seed: int = 0) -> Run:
    spec = RunSpec(
        shape=Shape(layers=2, width=8, heads=1, feedforward=32, vocab=96, context=64),
        text=TextSpec("synthetic", "0" * 64, 96, 10_000, 1_000),
        tokens=6400,
        batch_tokens=640,
        optimizer=OptimizerSpec(0.01),
        schedule=ScheduleSpec(),
        seed=seed,
        evaluation_windows=4,
    )
    error = None if loss is None else 0.01
    return Run(spec, state, 3152, 1616, 1e9, loss, error, 1.0, 1.0, "2026-01-01T00:00:00Z", "loss became NaN")
