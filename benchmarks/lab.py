"""`python -m benchmarks.lab [--quick]`: the speed of the lab beside others', to docs/reference/lab-speed.md.

Times are CPU seconds of one thread; what is compared takes turns in one process, and the median step counts. Run it
where transformers is installed (`make bench-lab` sees to that); without it those rows are left out.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before torch is loaded

import numpy as np
import torch

from benchmarks.__main__ import machine
from benchmarks.plain_gpt import HuggingFaceLoop, PlainGpt, PlainLoop
from isoflop.accounting.flops import training_flops_per_token
from isoflop.accounting.shape import Shape
from isoflop.lab.corpus import Corpus, split_tokens
from isoflop.lab.environment import use_one_thread
from isoflop.lab.training import _Loop, train
from isoflop.runs.spec import OptimizerSpec, RunSpec, ScheduleSpec
from isoflop.studies.begin import begin_study
from isoflop.studies.driver import engine_for, prepare_study, train_role
from isoflop.studies.progress import QuietReporter

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "lab-speed.md"
CONTEXT, BATCH, VOCAB = 128, 32, 128
SHAPES = ((16, 2, 2), (64, 3, 4), (128, 4, 8), (192, 6, 8), (256, 4, 8))
HEAD = """# Speed of the laboratory

Written by `make bench-lab`; do not edit. {machine}, {date}; Python {python}, torch {torch}. The load on the machine was
{load:.1f} when it ended: ratios carry over to other machines, seconds do not.

CPU milliseconds of a training step of {tokens} tokens (context {context}) on one thread, median of {steps}; what is
compared takes turns in one process. Learned positions on all sides.

| what | isoflop | other | ratio | at least | |
|---|---|---|---|---|---|
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


def spec_of(corpus: Corpus, width: int, layers: int, heads: int, precision: str, steps: int = 1000) -> RunSpec:
    shape = Shape(layers, width, heads, 4 * width, VOCAB, CONTEXT, positions="learned")
    return RunSpec(
        shape, corpus.spec, steps * BATCH * CONTEXT, BATCH * CONTEXT, OptimizerSpec(1e-3), ScheduleSpec(), 0, 64,
        precision="bfloat16" if precision == "bfloat16" else "float32",
    )  # fmt: skip


def medians(contenders: Sequence[Callable[[], object]], steps: int) -> list[float]:
    """Median CPU seconds of each, taking turns, the first two turns left out."""
    seen: list[list[float]] = [[] for _ in contenders]
    for turn in range(steps + 2):
        for place, step in enumerate(contenders):
            begun = time.process_time()
            step()
            if turn >= 2:
                seen[place].append(time.process_time() - begun)
    return [statistics.median(times) for times in seen]


def step_rows(steps: int, shapes: Sequence[tuple[int, int, int]] = SHAPES) -> list[Row]:
    corpus = corpus_of_noise()
    text = torch.from_numpy(np.ascontiguousarray(corpus.train))
    has_transformers = importlib.util.find_spec("transformers") is not None
    rows = []
    peak = matmul_peak()
    for width, layers, heads in shapes:
        found: dict[str, list[float]] = {}
        for precision in ("float32", "bfloat16"):
            is_half = precision == "bfloat16"
            ours = _Loop(spec_of(corpus, width, layers, heads, precision), corpus, Nowhere(), ())  # type: ignore[arg-type]
            plain = PlainLoop(PlainGpt(VOCAB, width, layers, heads, CONTEXT), text, BATCH, CONTEXT, is_half, fused=True)
            contenders: list[Callable[[], object]] = [lambda ours=ours: ours.update(1e-3), plain.step]
            if has_transformers:
                shape = (VOCAB, width, layers, heads)
                contenders.append(HuggingFaceLoop(text, BATCH, CONTEXT, is_half, shape).step)
            found[precision] = medians(contenders, steps)
        single, half = found["float32"], found["bfloat16"]
        name = f"width {width}, {layers} layers"
        rows.append(row(f"{name}, float32, against a plain GPT", single[0], single[1], 0.95))
        if width >= 128:
            rows.append(row(f"{name}, best precision of each, against a plain GPT", min(single[0], half[0]),
                            min(single[1], half[1]), 1.5))  # fmt: skip
        if has_transformers:
            rows.append(row(f"{name}, float32, against GPT2LMHeadModel", single[0], single[2], 1.2))
            if width >= 64:
                rows.append(row(f"{name}, bfloat16, against GPT2LMHeadModel", half[0], half[2], 2.0))
        if width in (64, 256):
            spec = spec_of(corpus, width, layers, heads, "float32")
            rate = training_flops_per_token(spec.shape) * BATCH * CONTEXT / single[0]
            rows.append(Row(f"{name}, float32, share of the matmul peak", f"{rate / 1e9:.0f} GFLOP/s",
                            f"{peak / 1e9:.0f} GFLOP/s", rate / peak, {64: 0.35, 256: 0.6}[width]))  # fmt: skip
    return rows


def row(what: str, ours: float, other: float, least: float) -> Row:
    return Row(what, f"{1e3 * ours:.1f} ms", f"{1e3 * other:.1f} ms", other / ours, least)


def matmul_peak() -> float:
    """The best FLOP per CPU second of large float32 products, of 4096 x 128 x 512 and squares."""
    best = 0.0
    for rows, inner, columns in ((4096, 128, 512), (1024, 1024, 1024), (4096, 256, 1024)):
        first, second = torch.randn(rows, inner), torch.randn(inner, columns)
        for _ in range(30):
            begun = time.process_time()
            first @ second
            best = max(best, 2.0 * rows * inner * columns / (time.process_time() - begun))
    return best


def overhead_row(steps: int) -> Row:
    """CPU time of whole runs against that of their updates alone."""
    corpus = corpus_of_noise()
    spec = spec_of(corpus, 64, 3, 4, "float32", steps)
    with tempfile.TemporaryDirectory() as place:
        attempt = Nowhere()
        attempt.path = Path(place)
        begun = time.process_time()
        train(spec, corpus, attempt=attempt, resume_from=(), on_progress=lambda p: None, stop=lambda: False)
        whole = time.process_time() - begun
    loop = _Loop(spec, corpus, Nowhere(), ())  # type: ignore[arg-type]
    begun = time.process_time()
    for _ in range(steps):
        loop.update(1e-3)
    bare = time.process_time() - begun
    return Row("width 64, 3 layers, whole run against its updates alone", f"{whole:.1f} s", f"{bare:.1f} s",
               bare / whole, 0.95)  # fmt: skip


def packing_row() -> Row:
    """A ladder in one-thread runs on all cores, longest first, against one run after another; wall time."""
    seconds = {}
    for name in ("inline", "local"):
        with tempfile.TemporaryDirectory() as place:
            study_file = begin_study(Path(place), "parametric", size="smoke")
            study_file.write_text(study_file.read_text().replace('"4k", "8k", "16k", "32k"', '"64k", "256k"'))
            engine = engine_for(name, study_file.parent)
            prepared = prepare_study(study_file, engine.slots)
            begun = time.monotonic()
            train_role(prepared, "ladder", engine, QuietReporter())
            seconds[name] = time.monotonic() - begun
            engine.close()
    what = f"a ladder packed on {os.cpu_count()} cores against one after another (wall)"
    packed, alone = seconds["local"], seconds["inline"]
    return Row(what, f"{packed:.1f} s", f"{alone:.1f} s", alone / packed, 1.8)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="few steps, printed and not written")
    parser.add_argument("--steps", type=int, default=20, help="of which the median counts")
    parser.add_argument("--widths", type=int, nargs="+", default=[shape[0] for shape in SHAPES])
    chosen = parser.parse_args()
    quick = chosen.quick
    use_one_thread()
    steps = 3 if quick else chosen.steps
    rows = step_rows(steps, [shape for shape in SHAPES if shape[0] in chosen.widths and (shape[0] < 128 or not quick)])
    rows += [overhead_row(50 if quick else 25 * steps), packing_row()]
    head = HEAD.format(
        machine=machine(), date=datetime.datetime.now(datetime.UTC).date().isoformat(), load=os.getloadavg()[0],
        python=platform.python_version(), torch=torch.__version__, tokens=BATCH * CONTEXT, context=CONTEXT, steps=steps,
    )  # fmt: skip
    missing = [str(shape[0]) for shape in SHAPES if shape[0] not in chosen.widths]
    if missing:
        rows_left = f"\nWidths {', '.join(missing)} were left out of this measurement.\n"
    else:
        rows_left = ""
    page = head + "\n".join(map(str, rows)) + "\n" + rows_left
    print(page)
    if not quick:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
