"""Studies with nothing wrong: random Chinchilla truths, sensible designs, even noise, with and without metadata.

Sizes and data span a decade or more and are not in proportion; 12 to 60 runs with log-normal noise of 0.3 to 2 %. The
grids are those that ladders have: every size at every length, slices of equal compute about their optimum, or sizes and
tokens per parameter at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.conventions import training_flops_under
from isoflop.accounting.parameters import count_architecture
from isoflop.fitting.fit import predict
from isoflop.laws.catalogue import find
from isoflop.laws.graph import Array
from isoflop.laws.surface import GeneralSurface, to_log
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable

LAW = find("chinchilla")
VOCAB, CONTEXT = 32768, 1024
HIGHEST_LOSS = 9.0  # nats; above, a model has hardly learnt anything
MOST_FLOOR_ERROR = 0.1  # of E, relative: the design can tell the floor


@dataclass(frozen=True)
class Study:
    """A truth (E, A, B, alpha, beta), the noise of log-loss, and the columns of the runs."""

    truth: Array
    noise: float
    columns: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.columns["params"])

    def table(self, **options: Any) -> RunTable:
        """The runs, read and checked as a file of them would be."""
        return read_runs(dict(self.columns), param_count="total", **options)

    def with_columns(self, **columns: Any) -> Study:
        """The study with columns replaced or added."""
        return replace(self, columns={**self.columns, **columns})

    def with_cell(self, column: str, place: int, value: Any) -> Study:
        """The study with one cell changed."""
        values = np.array(self.columns[column], dtype=object)
        values[place] = value
        return self.with_columns(**{column: values})


def random_truth(generator: np.random.Generator) -> Array:
    """(E, A, B, alpha, beta) whose terms are 0.1 to 1 nats at 300 million parameters and 10 billion tokens."""
    alpha, beta = generator.uniform(0.2, 0.6, 2)
    sizes = np.exp(generator.uniform(np.log(0.1), 0.0, 2))
    return np.array([generator.uniform(1.0, 2.5), sizes[0] * 3e8**alpha, sizes[1] * 1e10**beta, alpha, beta])


def loss_of(truth: Array, params: Array, tokens: Array) -> Array:
    """The loss (n,) without noise."""
    return predict(LAW, truth, {"params": params, "tokens": tokens})[0]


def grid(generator: np.random.Generator) -> tuple[Array, Array]:
    """Every one of 3 to 8 sizes at every one of 3 to 8 lengths."""
    sizes, lengths = generator.integers(3, 9, 2)
    while not 12 <= sizes * lengths <= 60:
        sizes, lengths = generator.integers(3, 9, 2)
    smallest, fewest = 10 ** generator.uniform(6.5, 8.0), 10 ** generator.uniform(8.5, 10.0)
    params = smallest * np.geomspace(1.0, 10 ** generator.uniform(1.0, 2.5), sizes)
    tokens = fewest * np.geomspace(1.0, 10 ** generator.uniform(1.0, 2.5), lengths)
    both = np.meshgrid(params, tokens, indexing="ij")
    return both[0].ravel(), both[1].ravel()


def slices(generator: np.random.Generator) -> tuple[Array, Array]:
    """3 to 6 budgets with 4 to 10 sizes each."""
    budgets, sizes = int(generator.integers(3, 7)), int(generator.integers(4, 11))
    compute = 10 ** generator.uniform(17.0, 19.0) * np.geomspace(1.0, 10 ** generator.uniform(1.5, 2.5), budgets)
    reach = 10 ** generator.uniform(0.5, 0.8)
    middles = np.sqrt(compute / 6.0 / np.exp(generator.uniform(np.log(10.0), np.log(40.0))))
    params = (middles[:, None] * np.geomspace(1.0 / reach, reach, sizes)).ravel()
    return params, np.repeat(compute, sizes) / (6.0 * params)


def scattered(generator: np.random.Generator) -> tuple[Array, Array]:
    """12 to 60 runs of sizes over 1.5 to 2.5 decades, with 3 to 300 tokens per parameter."""
    runs = int(generator.integers(12, 61))
    params = 10 ** (generator.uniform(6.5, 8.0) + generator.uniform(0.0, generator.uniform(1.5, 2.5), runs))
    return params, params * np.exp(generator.uniform(np.log(3.0), np.log(300.0), runs))


DESIGNS: tuple[Callable[[np.random.Generator], tuple[Array, Array]], ...] = (grid, slices, scattered)


def is_sensible(params: Array, tokens: Array) -> bool:
    """A decade or more in size and in data, which do not follow each other."""
    correlation = abs(np.corrcoef(np.log(params), np.log(tokens))[0, 1])
    return bool(min(np.ptp(np.log10(params)), np.ptp(np.log10(tokens))) >= 1.0 - 1e-9 and correlation < 0.9)


def floor_error(truth: Array, params: Array, tokens: Array, noise: float) -> float:
    """The standard error of log E that least squares can reach with this design and noise."""
    surface = GeneralSurface(LAW, {"N": params, "D": tokens}, log_output=True)
    slopes = surface.linearise(to_log(LAW.parameters, truth[None]), second=False).jacobian[0].T
    lengths = np.linalg.norm(slopes, axis=0)
    return float(noise * np.sqrt(np.linalg.pinv((slopes / lengths).T @ (slopes / lengths))[0, 0]) / lengths[0])


def clean_study(
    seed: int,
    *,
    design: Callable[[np.random.Generator], tuple[Array, Array]] | None = None,
    noise: tuple[float, float] = (0.003, 0.02),
    least_runs: int = 12,
    metadata: bool | None = None,
) -> Study:
    """A study by its seed; `metadata` says whether architectures and recipes are given, one study in two otherwise."""
    generator = np.random.default_rng([seed, 4])
    chosen = design or DESIGNS[int(generator.integers(len(DESIGNS)))]
    described = bool(generator.random() < 0.5) if metadata is None else metadata
    while True:
        truth = random_truth(generator)
        params, tokens = chosen(generator)
        if len(params) < least_runs or not is_sensible(params, tokens):
            continue
        if described:
            params, told = architectures(params)
        spread = float(np.exp(generator.uniform(*np.log(noise))))
        if is_sensible(params, tokens) and loss_of(truth, params, tokens).max() < HIGHEST_LOSS:
            if floor_error(truth, params, tokens, spread) < MOST_FLOOR_ERROR:
                break
    loss = loss_of(truth, params, tokens) * np.exp(spread * generator.normal(size=len(params)))
    columns: dict[str, Any] = {"params": params, "tokens": tokens, "loss": loss}
    if described:
        columns |= told | recipe(params, tokens, told)
    return Study(truth, spread, columns)


def architectures(params: Array) -> tuple[Array, dict[str, Any]]:
    """Transformers of about these sizes: their exact parameters, and the columns that describe them."""
    shapes = [_shape(wanted) for wanted in params.tolist()]
    counted = [count_architecture(shape) for shape in shapes]
    columns: dict[str, Any] = {
        name: [getattr(shape, name) for shape in shapes]
        for name in ("layers", "width", "heads", "feedforward", "vocab", "context")
    }
    columns["params_total"] = [item.total for item in counted]
    columns["params_non_embedding"] = [item.non_embedding for item in counted]
    return np.array([float(item.total) for item in counted]), columns


def _shape(params: float) -> Architecture:
    """A tied transformer of head width 16 and four times as wide as it is deep in units of 16."""
    heads = 1
    while count_architecture(_of_heads(heads)).total < params:
        heads += 1
    return _of_heads(heads)


def _of_heads(heads: int) -> Architecture:
    width = 16 * heads
    return Architecture(
        layers=max(2, heads // 2),
        width=width,
        heads=heads,
        kv_heads=heads,
        head_width=16,
        feedforward=4 * width,
        vocab=VOCAB if heads > 12 else 512,
        context=CONTEXT,
        embeddings="tied",
    )


def recipe(params: Array, tokens: Array, told: Mapping[str, Any]) -> dict[str, Any]:
    """How the runs were trained, by rules that hold along the whole ladder."""
    runs = len(params)
    batch = 2.0 ** np.round(np.log2(2e4 * (tokens / 1e9) ** 0.5))
    steps = np.ceil(tokens / batch)
    names = ("layers", "width", "heads", "feedforward", "vocab", "context")
    shapes = [
        Architecture(**dict(zip(names, values, strict=True)), kv_heads=values[2], head_width=16, embeddings="tied")
        for values in zip(*(told[name] for name in names), strict=True)
    ]
    compute = [training_flops_under(shape, float(seen), "matmul") for shape, seen in zip(shapes, tokens, strict=True)]
    return {
        "run": [f"run-{number:02d}" for number in range(runs)],
        "compute": compute,
        "batch_tokens": batch,
        "learning_rate": 0.02 * (params / 1e6) ** -0.3,
        "total_steps": steps,
        "warmup_steps": np.minimum(np.round(0.02 * steps), 2000.0),
        "schedule": ["cosine"] * runs,
        "horizon_tokens": tokens,
        "unique_tokens": np.maximum(tokens, 5e9),
        "tokenizer": ["bpe-32k"] * runs,
        "dataset": ["web-2"] * runs,
        "eval_set": ["web-2-held-out"] * runs,
        "loss_unit": ["nats per token"] * runs,
        "seed": np.arange(runs),
        "state": ["finished"] * runs,
    }
