"""Random studies of two recipes of known worth, and how a comparison of them fares; at full size in benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.fitting.fit import predict
from isoflop.forecasting.families import OBJECTIVE
from isoflop.forecasting.joint_fit import Settings, fit_jointly, match
from isoflop.forecasting.joint_law import Freedom
from isoflop.forecasting.twins import Ladders, Pair
from isoflop.laws.catalogue import find
from isoflop.runs.table import RunTable

LAW = find("chinchilla")
TRUTH = np.array([1.8172, 477.8, 2143.0, 0.3473, 0.3672])
MULTIPLIER, TREND = 1.3, 1.1  # at 1e20 FLOP, and per decade of compute
AT = 1e20


@dataclass(frozen=True)
class Design:
    """Sizes x ratios of tokens to parameters for either recipe, and the noise of log-loss.

    `shared` is what twins have in common, `own` what each run has of its own; without `twins`, the sizes of the second
    recipe lie between those of the first. `heavy` draws from Student's t with three degrees of freedom.
    """

    name: str
    sizes: int
    ratios: int
    shared: float
    own: float
    twins: bool = True
    heavy: bool = False
    pair: Pair = "auto"
    objective: str = OBJECTIVE


DESIGNS = (
    Design("20 and 20 runs of other sizes", 5, 4, 0.0, 0.004, twins=False),
    Design("20 and 20 runs of other sizes, noise with heavy tails", 5, 4, 0.0, 0.004, twins=False, heavy=True),
    Design("20 and 20 runs of other sizes, huber:1e-3", 5, 4, 0.0, 0.004, twins=False, objective="huber:1e-3"),
    Design("20 pairs of twins", 5, 4, 0.01, 0.003),
    Design("the same twins, not paired", 5, 4, 0.01, 0.003, pair="none"),
    Design("8 pairs of twins", 4, 2, 0.01, 0.003),
)
APART, TWINS, UNPAIRED, FEW_TWINS = DESIGNS[0], DESIGNS[3], DESIGNS[4], DESIGNS[5]


@dataclass(frozen=True)
class Trial:
    """Whether the intervals of a study held the truth, and how wide they were, in logarithms."""

    multiplier_held: bool
    trend_held: bool
    multiplier_width: float
    trend_width: float


def study(design: Design, seed: int) -> RunTable:
    """The runs of recipes `plain` and `better`, the second worth MULTIPLIER times the compute at AT."""
    generator = np.random.default_rng(seed)
    ratio = np.geomspace(10.0, 80.0, design.ratios)
    steps = np.geomspace(5e7, 2e9, design.sizes)
    between = 1.0 if design.twins else (steps[1] / steps[0]) ** 0.5
    common = design.shared * _noise(generator, design)
    columns: dict[str, list[float]] = {"params": [], "tokens": [], "loss": []}
    for sizes, worth in ((steps, 0.0), (steps / between, 1.0)):
        size = np.repeat(sizes, design.ratios)
        data = size * np.tile(ratio, design.sizes)
        log_gain = worth * (np.log(MULTIPLIER) + np.log(TREND) * np.log10(6.0 * size * data / AT))
        grown = np.exp(0.5 * log_gain)
        loss = predict(LAW, TRUTH, {"params": size * grown, "tokens": data * grown})[0]
        noise = common + design.own * _noise(generator, design)
        for name, values in (("params", size), ("tokens", data), ("loss", loss * np.exp(noise))):
            columns[name] += values.tolist()
    names = ["plain"] * (len(columns["loss"]) // 2) + ["better"] * (len(columns["loss"]) // 2)
    return RunTable.from_columns({**columns, "family": names})


def trial(design: Design, seed: int, draws: int = 100) -> Trial:
    """One study compared; the checks that only warn are left out, since they do not move the intervals."""
    runs = study(design, seed)
    ladders = Ladders(runs, runs["family"] == "better", runs.compute(), LAW)
    settings = Settings("shared", design.pair, design.objective, draws, 0.9, "auto", seed)
    meter = fit_jointly(match(ladders, ("plain", "better"), settings), Freedom(), draws)
    multiplier = meter.estimate(lambda theta: meter.log_multiplier(theta, AT), 0.9)
    trend = meter.estimate(lambda theta: meter.slope(theta, 1e19, 1e21), 0.9)
    assert multiplier.low and multiplier.high and trend.low and trend.high
    return Trial(
        multiplier.low <= MULTIPLIER <= multiplier.high,
        trend.low <= TREND <= trend.high,
        float(np.log(multiplier.high / multiplier.low)),
        float(np.log(trend.high / trend.low)),
    )


def _noise(generator: np.random.Generator, design: Design) -> np.ndarray:
    count = design.sizes * design.ratios
    return generator.standard_t(3, count) / np.sqrt(3.0) if design.heavy else generator.normal(size=count)
