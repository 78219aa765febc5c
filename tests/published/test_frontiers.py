"""Published frontiers and fits, derived again from the public data: number, tolerance, known cause of any gap.

The tables are found through the `public_data` fixture and skipped, saying so, where they are not at hand.
"""

import csv
import itertools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from isoflop.fitting.envelope import fit_envelope
from isoflop.fitting.estimation import fit
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.fitting.minima import Curve
from isoflop.fitting.power_law import power_law
from isoflop.readers.read import read_runs
from isoflop.runs.table import RunTable

STEPS = {
    "Kaplan's setting": ("base", "long", "kaplan", "kaplan", "train"),
    "last layer's FLOP counted": ("base", "long", "kaplan", "standard", "val"),
    "shorter warm-up": ("base", "short", "kaplan", "standard", "val"),
    "cosine matched to the budget": ("base", "short", "chinchilla", "standard", "val"),
    "tuned, constant learning rate": ("tuned", "short", "const", "standard", "val"),
}
STEP_COLUMNS = ("hparams", "warmup", "decay", "param_count", "val")
INTERPOLATION = "they interpolate losses (Akima) and take the minimum; a curve is fitted here"
ROUNDED = "printed with this many digits"
WIDE = "the default: parabolas through slices that reach 10 times from the optimum, which the command warns of"
FOUR_OPTIMA = "the log does not say how; this is the straight line through its own four optima"
ROUND_CONSTANTS = "none: the round numbers that the noise-free course data turn out to be made from"


@dataclass(frozen=True)
class Published:
    """A published number, how it is derived here, how far apart the two may be, and why they are not equal."""

    name: str
    printed: float
    ours: Callable[[Path], float]
    tolerance: float
    cause: str


def rows_of(path: Path, **wanted: str) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if all(row[name] == value for name, value in wanted.items())]


def numbers(rows: list[dict[str, str]], column: str) -> np.ndarray:
    return np.array([float(row[column] or "nan") for row in rows])


def step(name: str) -> dict[str, str]:
    return {"dataset": "rw", "file": "summary_df", **dict(zip(STEP_COLUMNS, STEPS[name], strict=True))}


def from_pairs(name: str) -> Callable[[Path], float]:
    """The exponent of N through the published optima, weighted by their published errors."""

    def ours(data: Path) -> float:
        rows = [row for row in rows_of(data / "porian/optimal_pairs.csv", **step(name)) if row["n"]]
        weights = 1.0 / numbers(rows, "n_star_std") ** 2
        return float(power_law(numbers(rows, "flops"), numbers(rows, "n"), weights)[1][0])

    return ours


def from_points(name: str, curve: Curve = "cubic", window: float = 4.0) -> Callable[[Path], float]:
    """The exponent of N from the final losses of the runs.

    Cubics within a factor of four of the optimum come nearest to what was published, of two curves and five windows
    that were tried with these numbers in sight; the default of the command stands beside them in the table.
    """

    def ours(data: Path) -> float:
        condition = " and ".join(f"{column} == '{value}'" for column, value in step(name).items())
        runs = read_runs(data / "porian/isoflop_points.csv", where=condition)
        return float(fit_isoflops(runs, curve=curve, window=window, draws=0).theta[1])

    return ours


def nanochat(convention: str, column: str) -> Callable[[Path], float]:
    def ours(data: Path) -> float:
        rows = rows_of(data / "nanochat-isoflop/optima.csv", convention=convention)
        return float(power_law(numbers(rows, "C"), numbers(rows, column))[1][0])

    return ours


@cache
def scalefit(data: Path, objective: str) -> tuple[float, ...]:
    """Chinchilla's law on the 217 digitised points below 1e21 FLOP, the five highest losses left out."""
    rows = rows_of(data / "chinchilla-epoch/svg_extracted_data.csv")
    rows = sorted(rows, key=lambda row: float(row["loss"]))[:-5]
    rows = [row for row in rows if float(row["C"]) < 1e21]
    size, compute = numbers(rows, "N"), numbers(rows, "C")
    columns = {"params": size / 1e6, "tokens": compute / (6 * size) / 1e9, "loss": numbers(rows, "loss")}
    assert len(rows) == 217
    return tuple(fit("chinchilla", RunTable.from_columns(columns), objective=objective, draws=0).theta.tolist())


@cache
def marin(data: Path, corpus: str) -> tuple[float, ...]:
    condition = f"dataset == '{corpus}' and outlier == 'False'"
    return tuple(fit("chinchilla", read_runs(data / "marin-isoflop/isoflops.csv", where=condition), draws=0).theta)


@cache
def gemstones(data: Path, name: str) -> RunTable:
    """Checkpoints of 22 models, their compute counted from matrix products (grouped queries, gated feed-forward)."""
    rows = rows_of(data / f"gemstones/{name}.csv")
    width, depth, tokens = (numbers(rows, column) for column in ("width", "depth", "tokens"))
    vocabulary, context = 50304, 2048
    products = 3 * (30 * width**2 * depth + 2 * width * vocabulary)
    scores = (3 + 2.5 * 3) * width * context * depth  # causal forward, and a backward pass of 2.5 forward passes
    columns = {"run": [row["run_name"] for row in rows], "params": numbers(rows, "params_active_precise")}
    columns = {**columns, "tokens": tokens, "compute": (products + scores) * tokens}
    return RunTable.from_columns({**columns, "loss": numbers(rows, "final_loss")})


def gemstones_hull(name: str, column: str) -> Callable[[Path], float]:
    """The exponent through the checkpoints on the lower convex hull of log loss over log compute, as they fit it."""

    def ours(data: Path) -> float:
        from scipy.spatial import ConvexHull

        runs = gemstones(data, name)
        compute, loss = runs["compute"], runs["loss"]
        corner = np.array([[2.0 * compute.max(), 2.0 * loss.max()]])
        vertices = ConvexHull(np.log(np.vstack([np.stack([compute, loss], axis=1), corner]))).vertices
        lower = sorted((place for place in vertices if place < len(runs)), key=lambda place: compute[place])
        pairs = itertools.pairwise(lower)
        falling = [lower[0], *(place for before, place in pairs if loss[place] < loss[before])]
        return float(power_law(compute[falling], runs[column][falling])[1][0])

    return ours


def gemstones_envelope(name: str) -> Callable[[Path], float]:
    return lambda data: float(fit_envelope(gemstones(data, name), smoothing=0, draws=0).theta[1])


def hoffmann_slices(data: Path) -> float:
    condition = "source == 'epochai_chinchilla'"
    runs = read_runs(data / "isoflop-collection/isoflops.csv", where=condition)
    return float(fit_isoflops(runs, draws=0).theta[1])


def cs336(parameter: str) -> Callable[[Path], float]:
    def ours(data: Path) -> float:
        fitted = fit_isoflops(data / "cs336-isoflop/isoflops_curves.json", draws=0)
        found = {"exponent": fitted.theta[1], "exact": fitted.bias.exact_exponent, **fitted.bias.surface}
        return float(found[parameter])

    return ours


PORIAN = {"Kaplan's setting": (0.8353000425, 0.8338), "last layer's FLOP counted": (0.7064699122, 0.7009),
          "shorter warm-up": (0.6020375267, 0.6035), "cosine matched to the budget": (0.5714947856, 0.5714),
          "tuned, constant learning rate": (0.4968950782, 0.4970)}  # fmt: skip
SCALEFIT_MSE = (1.9051308632, 4.0012307168, 1.0509706736, 0.3511055410, 0.4587344527)
SCALEFIT_HUBER = (1.8249557018, 3.6983783245, 1.0395994186, 0.3238927722, 0.4057898819)
# Nobody has published constants for these runs: an earlier refit of them with another program, kept as a reference.
MARIN = {"comma": (2.684, 0.710, 0.349), "dclm": (2.567, 0.683, 0.397), "nemotron": (2.500, 0.662, 0.396)}
NANOCHAT = {"kaplan_proj_plus_lm_head": (0.54, 0.49), "chinchilla_all_params": (0.37, 0.50),
            "transformer_only": (0.70, 0.41)}  # fmt: skip

GEMSTONES = {"hot_477": (0.499380, 0.480989), "hot_100b+_477": (0.457903, 0.524899)}
UNCOUNTED = "they also count norms, softmax and rotations"
HULL = (
    "they fit 21 to 28 checkpoints on the convex hull, its ends included, where one size alone was trained; here every "
    "compute counts equally, and only where a smaller and a larger model compete"
)

TABLE = [
    *(
        Published(f"Porian, {name}, from optima", weighted, from_pairs(name), 1e-9, "none: the same regression")
        for name, (weighted, _) in PORIAN.items()
    ),
    *(
        Published(f"Porian, {name}, from runs", plain, from_points(name), 0.02, INTERPOLATION)
        for name, (_, plain) in PORIAN.items()
    ),
    *(
        Published(f"Porian, {name}, default", plain, from_points(name, "parabola", math.inf), 0.085, WIDE)
        for name, (_, plain) in PORIAN.items()
    ),
    *(
        Published(f"nanochat, {convention}, {column}", printed, nanochat(convention, column), 0.02, FOUR_OPTIMA)
        for convention, pair in NANOCHAT.items()
        for column, printed in zip(("N_opt", "D_opt"), pair, strict=True)
    ),
    *(
        Published(
            f"ml-scalefit, {objective}, {letter}", printed, lambda data, o=objective, p=place: scalefit(data, o)[p],
            2e-3,
            "single precision and a gradient that has not vanished: its own optimisers differ by as much",
        )
        for objective, values in (("ls@value", SCALEFIT_MSE), ("huber:1e-3@value", SCALEFIT_HUBER))
        for place, (letter, printed) in enumerate(zip(("E", "A", "B", "alpha", "beta"), values, strict=True))
    ),
    *(
        Published(
            f"Marin, {corpus}, {letter}, reference refit", printed,
            lambda data, c=corpus, p=place: marin(data, c)[p], 5e-4, ROUNDED,
        )
        for corpus, values in MARIN.items()
        for (place, letter), printed in zip(((0, "E"), (3, "alpha"), (4, "beta")), values, strict=True)
    ),
    Published("Hoffmann, approach 2, a", 0.49, hoffmann_slices, 0.01, "runs digitised from a figure; printed to 0.01"),
    Published("CS336, a of the surface", 0.36 / 0.70, cs336("exact"), 1e-7, ROUND_CONSTANTS),
    Published("CS336, E", 2.69, cs336("E"), 1e-6, ROUND_CONSTANTS),
    Published("CS336, a by parabola", 0.36 / 0.70, cs336("exponent"), 5e-4, "the parabola's bias, measured as 0.0003"),
    *(
        Published(f"Gemstones, {name}, {column}, hull", printed, gemstones_hull(name, column), 5e-4, UNCOUNTED)
        for name, pair in GEMSTONES.items()
        for column, printed in zip(("params", "tokens"), pair, strict=True)
    ),
    *(
        Published(f"Gemstones, {name}, envelope", pair[0], gemstones_envelope(name), 0.1, HULL)
        for name, pair in GEMSTONES.items()
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_a_published_number_is_derived_again(public_data: Path, case: Published) -> None:
    assert case.ours(public_data) == pytest.approx(case.printed, abs=case.tolerance), case.cause


def test_the_exponents_of_the_table_are_those_of_the_published_files(public_data: Path) -> None:
    for name, pair in PORIAN.items():
        for kind, printed in zip(("bs_median_weighted", "bs_median"), pair, strict=True):
            (row,) = rows_of(public_data / "porian/published_fits.csv", kind=kind, **step(name))
            assert float(row["n_exponent"]) == pytest.approx(printed, abs=5e-5)
    fits = {row["config"]: row for row in rows_of(public_data / "isoflop-collection/ml_scalefit_reference_fits.csv")}
    for config, values in (("mse+basinhopping", SCALEFIT_MSE), ("huber+basinhopping", SCALEFIT_HUBER)):
        columns = ("bias", "bias_size", "bias_tokens", "pow_size", "pow_tokens")
        assert [float(fits[config][column]) for column in columns] == pytest.approx(values, abs=1e-9)
    approach_1 = json.loads((public_data / "gemstones/approach1_published.json").read_text(encoding="utf-8"))
    for part, pair in (("", GEMSTONES["hot_477"]), ("_100b+", GEMSTONES["hot_100b+_477"])):
        for column, printed in zip(("params", "tokens"), pair, strict=True):
            (coefficient,) = approach_1[f"approach_1_linear_regression_{column}{part}.json"]["coef"]
            assert coefficient == pytest.approx(printed, abs=1e-6)


def test_the_published_intervals_of_porians_steps_hold_our_exponents_from_the_runs(public_data: Path) -> None:
    """Four of five lie inside; the matched cosine falls 0.003 below, since curves are fitted where they interpolate."""
    outside = []
    for name in STEPS:
        (row,) = rows_of(public_data / "porian/published_fits.csv", kind="bs_median", **step(name))
        low, high = float(row["n_exponent_ci_lo"]), float(row["n_exponent_ci_hi"])
        exponent = from_points(name)(public_data)
        if not low <= exponent <= high:
            outside.append((name, min(abs(exponent - low), abs(exponent - high))))
    assert [name for name, _ in outside] == ["cosine matched to the budget"]
    assert outside[0][1] < 0.005


def test_the_three_conventions_of_nanochat_order_the_exponents(public_data: Path) -> None:
    exponents = {name: nanochat(name, "N_opt")(public_data) for name in NANOCHAT}
    assert exponents["chinchilla_all_params"] < exponents["kaplan_proj_plus_lm_head"] < exponents["transformer_only"]
