"""`python -m benchmarks.lab [--again PART...]`: the speed of the lab beside others', to docs/reference/lab-speed.md.

Times are CPU seconds of one thread; what is compared takes turns in one process, and the median step counts. Parts
that are measured are kept (see `parts.py`), so it may be stopped and goes on. Run it where transformers is installed
(`make bench-lab` sees to that); without it those rows are left out.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before torch is loaded

import numpy as np
import torch

from benchmarks.__main__ import machine
from benchmarks.lab_agreement import measure_agreement
from benchmarks.lab_ladders import KINDS, STACKS, measure_packing, measure_stack
from benchmarks.parts import ROOT, run_parts
from benchmarks.plain_gpt import HuggingFaceLoop, PlainGpt, PlainLoop
from isoflop.accounting.flops import training_flops_per_token
from isoflop.accounting.shape import Shape
from isoflop.lab.corpus import Corpus, split_tokens
from isoflop.lab.environment import use_one_thread, warm_up
from isoflop.lab.training import SECONDS_BETWEEN_CHECKPOINTS, Loop, finished_run
from isoflop.runs.directory import Attempt
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec

PAGE = ROOT / "docs" / "reference" / "lab-speed.md"
CONTEXT, BATCH, VOCAB = 128, 32, 128
SHAPES = {16: (2, 2), 64: (3, 4), 128: (4, 8), 192: (6, 8), 256: (4, 8)}
STEPS = {16: 100, 64: 20, 128: 10, 192: 6, 256: 5}
PEAK_SHARE = {64: 0.35, 256: 0.6}
SOURCES = [Path(__file__).with_name(f"{name}.py") for name in ("lab", "lab_agreement", "lab_ladders", "plain_gpt")]
MODULES = ["isoflop.lab.training", "isoflop.lab.stack"]
HEAD = """# Speed of the laboratory

Written by `make bench-lab`; do not edit. {machine}, {date}; Python {python}, torch {torch}. The load on the machine was
{load:.1f} when it ended: ratios carry over to other machines, seconds do not.

CPU milliseconds of a training step of {tokens:,} tokens (context {context}) on one thread, in the median; what is
compared takes turns in one process. Learned positions on all sides. The plain GPT is `benchmarks/plain_gpt.py`; the
peak is that of large float32 products, taken between the steps.

| what | isoflop | other | ratio | at least | |
|---|---|---|---|---|---|
"""
FOOT = """
A step holds everything from reading the batch to the optimizer. A whole run of 300 steps also logs, saves every 20
seconds, and is scored on 600 held-out contexts, a sixteenth of the tokens it is trained on. Recipes at their small size
are scored on 2,048 contexts at ten to thirty moments, for precise curves: more than the run measured here, and their
choice, not the trainer's.

Ladders are told in CPU seconds: all that the workers took, starting Python and torch too, divided by the cores, times
how much longer the busiest core works than the mean. On an idle machine that is wall time; on a busy one, wall time
tells of the others. Run after run is one worker at a time. The sweep is of learning rates and seeds at widths 8 and 16
(context 16, 512 tokens a step), with `stack = 8` in the study file.

Where a figure is missed here: four fifths of a bfloat16 step of width 256 are matrix products, which everybody makes
with the same library. In float32 ours runs near their peak, so no step can be much faster; in bfloat16 the products of
this processor are 2.4 times as fast as in float32, not six times as on one with matrix units (AMX), for which these
ratios were asked.

## Whether stacked models are the same

Held-out losses of stacked models against those of the same runs alone: the largest difference in nats over two seeds
of a model of width 16 after 500 steps on the source of Python's library. Beside it, what comes of changing the last bit
of a single weight before training alone: near divergence both are amplified alike.

| peak rate, of the recipes' | stacked | one bit changed |
|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    what: str
    ours: str
    other: str
    ratio: float
    least: float

    def __str__(self) -> str:
        verdict = "met" if self.ratio >= self.least else "missed"
        return f"| {self.what} | {self.ours} | {self.other} | {self.ratio:.2f} | {self.least:g} | {verdict} |"


class Nowhere:
    """An attempt that keeps nothing."""

    path = Path()

    def log(self, record: object) -> None:
        return None


def corpus_of_noise() -> Corpus:
    tokens = np.random.default_rng(0).integers(0, VOCAB, 1_000_000).astype(np.uint8)
    return split_tokens("tokens", tokens, VOCAB, "noise")


def spec_of(corpus: Corpus, width: int, precision: str, steps: int = 1000) -> RunSpec:
    layers, heads = SHAPES[width]
    shape = Shape(layers, width, heads, 4 * width, VOCAB, CONTEXT, positions="learned")
    return RunSpec(
        shape, corpus.spec, steps * BATCH * CONTEXT, BATCH * CONTEXT, OptimizerSpec(1e-3), ScheduleSpec(), 0, 600,
        precision="bfloat16" if precision == "bfloat16" else "float32",
    )  # fmt: skip


def medians(contenders: Sequence[Callable[[], object]], turns: int) -> list[float]:
    """Median CPU seconds of each, taking turns, the first two turns left out."""
    seen: list[list[float]] = [[] for _ in contenders]
    for turn in range(turns + 2):
        for place, step in enumerate(contenders):
            begun = time.process_time()
            step()
            if turn >= 2:
                seen[place].append(time.process_time() - begun)
    return [statistics.median(times) for times in seen]


def measure_step(part: tuple[int, str]) -> dict[str, float]:
    """Seconds of a step of ours, the plain GPT's, Hugging Face's, and FLOP per second of ours and of the peak."""
    width, precision = part
    use_one_thread()
    corpus = corpus_of_noise()
    text = torch.from_numpy(np.ascontiguousarray(corpus.train))
    layers, heads = SHAPES[width]
    is_half = precision == "bfloat16"
    spec = spec_of(corpus, width, precision)
    ours = Loop(spec, corpus, Nowhere(), ())  # type: ignore[arg-type]
    plain = PlainLoop(PlainGpt(VOCAB, width, layers, heads, CONTEXT), text, BATCH, CONTEXT, is_half, fused=True)
    products = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in ((4096, 128, 512), (4096, 256, 1024))]
    contenders: dict[str, Callable[[], object]] = {"ours": lambda: ours.update(1e-3, 0), "plain": plain.step}
    for place, (first, second) in enumerate(products):
        contenders[f"product {place}"] = lambda first=first, second=second: first @ second
    if importlib.util.find_spec("transformers") is not None:
        shape = (VOCAB, width, layers, heads)
        contenders["hugging face"] = HuggingFaceLoop(text, BATCH, CONTEXT, is_half, shape).step
    found = dict(zip(contenders, medians(list(contenders.values()), STEPS[width]), strict=True))
    rates = [2.0 * a.numel() * b.shape[1] / found[f"product {place}"] for place, (a, b) in enumerate(products)]
    rate = training_flops_per_token(spec.shape) * BATCH * CONTEXT / found["ours"]
    return {**found, "rate": rate, "peak": max(rates)}


def step_rows(found: dict[str, dict[str, float]], width: int) -> Iterator[Row]:
    single, half = found[f"step {width} float32"], found[f"step {width} bfloat16"]
    name = f"width {width}, {SHAPES[width][0]} layers"
    yield row(f"{name}, float32, against a plain GPT", single["ours"], single["plain"], 0.95)
    if width >= 128:
        ours, other = (min(single[who], half[who]) for who in ("ours", "plain"))
        yield row(f"{name}, best precision of each, against a plain GPT", ours, other, 1.5)
    if "hugging face" in single:
        yield row(f"{name}, float32, against GPT2LMHeadModel", single["ours"], single["hugging face"], 1.2)
        if width >= 64:
            yield row(f"{name}, bfloat16, against GPT2LMHeadModel", half["ours"], half["hugging face"], 2.0)
    if width in PEAK_SHARE:
        rate, peak = single["rate"], single["peak"]
        told = f"{rate / 1e9:.0f} GFLOP/s", f"{peak / 1e9:.0f} GFLOP/s"
        yield Row(f"{name}, float32, share of the matmul peak", *told, rate / peak, PEAK_SHARE[width])


def row(what: str, ours: float, other: float, least: float) -> Row:
    return Row(what, f"{1e3 * ours:.1f} ms", f"{1e3 * other:.1f} ms", other / ours, least)


def measure_overhead(width: int) -> dict[str, float]:
    """CPU seconds of a whole run with its log, checkpoints and evaluation, and those spent in its updates."""
    use_one_thread()
    corpus = corpus_of_noise()
    spec = spec_of(corpus, width, "float32", steps=300)
    warm_up()
    updates = 0.0

    def timed(act: Callable[[], object]) -> None:
        nonlocal updates
        begun = time.process_time()
        act()
        updates += time.process_time() - begun

    with tempfile.TemporaryDirectory() as place:
        begun = time.process_time()
        attempt = Attempt(Path(place), 1)
        loop = Loop(spec, corpus, attempt, ())
        for rate, step in loop.updates(lambda progress: None, lambda: False, SECONDS_BETWEEN_CHECKPOINTS):
            timed(lambda rate=rate, step=step: loop.update(rate, step))
        finished_run(spec, "done", loop.memory)
        whole = time.process_time() - begun
    return {"whole": whole, "updates": updates}


def ladder_rows(found: dict[str, dict[str, float]]) -> Iterator[Row]:
    for width in (16, 64):
        told = found[f"overhead {width}"]
        what = f"width {width}, {SHAPES[width][0]} layers: a run's updates alone against the whole run"
        yield Row(what, f"{told['whole']:.1f} s", f"{told['updates']:.1f} s", told["updates"] / told["whole"], 0.95)
    for width, layers, least in STACKS:
        told = found[f"stack {width}"]
        what = f"width {width}, {layers} layers: 8 models stacked against one after another, 512 tokens a step each"
        yield row(what, told["stacked"], told["alone"], least)
    for kind, least in (("packed", 1.8), ("stacked", 2.3)):
        told = found[kind]
        what = f"a {'sweep' if kind == 'stacked' else 'ladder'} {kind} on {os.cpu_count()} cores against run after run"
        yield Row(what, f"{told['ours']:.1f} s", f"{told['alone']:.1f} s", told["alone"] / told["ours"], least)


def agreement_table(found: dict[str, Any]) -> str:
    return "".join(f"| {factor} | {told['stacked']:.0e} | {told['one bit']:.0e} |\n" for factor, told in found.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", nargs="+", default=[], metavar="PART", help="measure these anew: 'step 64 float32'")
    again = parser.parse_args().again
    steps = [(f"step {width} {kind}", (width, kind)) for width in SHAPES for kind in ("float32", "bfloat16")]
    parts: list[tuple[Callable[[Any], Any], str, Any]] = [(measure_step, key, part) for key, part in steps]
    parts += [(measure_overhead, f"overhead {width}", width) for width in (16, 64)]
    parts += [(measure_stack, f"stack {width}", (width, layers)) for width, layers, _ in STACKS]
    parts += [(measure_packing, kind, kind) for kind in KINDS]
    parts += [(measure_agreement, "agreement", None)]
    found: dict[str, dict[str, float]] = {}
    # One part at a time: each has the machine to itself as far as we can see to it.
    for work, key, part in parts:
        found.update(run_parts("lab", work, [(key, part)], MODULES, *SOURCES, again=key in again))
    rows = [line for width in SHAPES for line in step_rows(found, width)] + list(ladder_rows(found))
    head = HEAD.format(
        machine=machine(), date=datetime.datetime.now(datetime.UTC).date().isoformat(), load=os.getloadavg()[0],
        python=platform.python_version(), torch=torch.__version__, tokens=BATCH * CONTEXT, context=CONTEXT,
    )  # fmt: skip
    page = head + "\n".join(map(str, rows)) + "\n" + FOOT + agreement_table(found["agreement"])
    PAGE.write_text(page, encoding="utf-8")
    print(page)
    sys.exit(0 if all(line.ratio >= line.least for line in rows) else 1)


if __name__ == "__main__":
    main()
