"""What depends on how one trains: batch, learning rate, schedule, optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from isoflop.fitting.fit import Fit
from isoflop.runs.table import RunTable
from isoflop.studies.analyses.analysis import (
    Analysis,
    Array,
    Evidence,
    Measured,
    Panel,
    along,
    cells,
    crossing,
    derived,
    fits_of,
    parameter,
    plain,
    refusal,
    run_names,
)
from isoflop.studies.analyses.directions import above, against_published, trusted, where
from isoflop.studies.analyses.size_and_data import NO_NOISE_SCALE, noise_scales, shown_rows

_TARGETS = 5
_AS_GOOD = 0.01  # loss above another's that is none yet


def batch(evidence: Evidence) -> Analysis:
    """The critical batch at several losses, from steps against tokens, and from the gradient noise scale."""
    rows = evidence.rows(cooled=None)
    curves = [along(rows, name) for name in run_names(rows)]
    highest = max(float(curve.numbers("loss").min()) for curve in curves)
    start = min(float(curve.numbers("loss").max()) for curve in curves)
    found, refusals = [], []
    for target in np.geomspace(highest * 1.002, math.sqrt(highest * start), _TARGETS):
        steps = np.array([crossing(curve, float(target), "step") for curve in curves])
        size = np.array([float(curve.numbers("batch_tokens")[0]) for curve in curves])
        fitted = _hyperbola(evidence, steps, steps * size)
        if not isinstance(fitted, str):
            values = {key: fitted.params[key].value for key in ("E_min", "S_min")}
            found.append((float(target), values["E_min"] / values["S_min"], values["S_min"], values["E_min"]))
            refusals.append(refusal(fitted))
    sound = [row for row, refused in zip(found, refusals, strict=True) if not refused]
    hyperbola: Fit | str = "fewer than three losses gave a hyperbola of steps and tokens that is not refused."
    if len(sound) >= 3:
        table = RunTable.from_columns(
            {"loss": [row[0] for row in sound], "critical_batch_tokens": [row[1] for row in sound]},
            source=("runs",),
        )
        hyperbola = evidence.fit("kaplan-critical-batch", table, y="critical_batch_tokens", cluster="none")
    noise = noise_scales(rows)
    scale = (
        evidence.fit("kaplan-critical-batch", noise, y="critical_batch_tokens")
        if len(noise) >= 4 else NO_NOISE_SCALE
    )  # fmt: skip
    panel = Panel(
        "Critical batch where the hyperbola (S/S_min - 1)(E/E_min - 1) = 1 has its knee",
        ("loss", "B_crit, tokens", "S_min", "E_min, tokens", "noise scale near that loss, tokens", "left out as"),
        tuple(cells(*row, _near(noise, row[0]), refused) for row, refused in zip(found, refusals, strict=True)),
    )
    source = "kaplan2020, table 5"
    return Analysis(
        "batch",
        "(S/S_min - 1)(E/E_min - 1) = 1; B_crit(L) = E_min/S_min = B_*/L^(1/alpha_B)",
        (
            parameter("alpha_B, from steps and tokens", hyperbola, "alpha_B", 0.21, source),
            parameter("B_*, from steps and tokens", hyperbola, "B_star", 2.1e8, source),
            parameter("alpha_B, from the noise scale", scale, "alpha_B", 0.21, source),
            parameter("B_*, from the noise scale", scale, "B_star", 2.1e8, source),
        ),
        (panel,),
        "B_* is in tokens at a loss of 1 nat and depends on tokenizer and text, so only the exponent can be compared.",
        fits_of(batch=hyperbola, noise_scale=scale),
    )


def learning_rate(evidence: Evidence) -> Analysis:
    """The best learning rate of every size, budget and batch, a law of these optima, and whether muP holds it still."""
    rows = evidence.rows()
    optima = list(_optima(rows))
    inner = [item for item in optima if item["edge"] == 0.0 and item["arm"] != "mup"]
    law: Fit | str = f"only {len(inner)} optima lie inside the sweep: widen learning_rate_factors."
    batch_law: Fit | str = "fewer than three budgets have a best batch inside the sweep."
    if len(inner) >= 4:
        names = ("params", "tokens", "learning_rate")
        table = RunTable.from_columns({name: [item[name] for item in inner] for name in names}, source=("runs",))
        law = evidence.fit("steplaw-lr", table, y="learning_rate", cluster="none")
    best = list(_best_batches(inner))
    if len({item["tokens"] for item in best}) >= 3:
        pairs = {name: [item[name] for item in best] for name in ("tokens", "batch_tokens")}
        chosen = RunTable.from_columns(pairs, source=("runs",))
        batch_law = evidence.fit("steplaw-batch", chosen, y="batch_tokens", cluster="none")
    columns = ("arm", "params", "tokens", "batch_tokens", "learning_rate", "loss")
    panel = Panel(
        "Best learning rate of each size, budget and batch, from a parabola in its logarithm",
        (*columns, "in the sweep"),
        tuple(cells(*(item[name] for name in columns), "edge" if item["edge"] else "inside") for item in optima),
    )
    edges = sum(bool(item["edge"]) for item in optima)
    warning = f" {edges} of {len(optima)} optima lie at the edge of the sweep and are left out." if edges else ""
    drift = {arm: _drift(optima, arm) for arm in evidence.arms}
    by_size = parameter("a, learning rate in model size", law, "a", -0.713, "steplaw2025")
    by_tokens = parameter("b, learning rate in tokens", law, "b", 0.307, "steplaw2025")
    batches = parameter("a, batch in tokens", batch_law, "a", 0.571, "steplaw2025")
    moved = [abs(math.log(drift.get(arm, math.nan))) for arm in ("standard", "mup")]
    direction = against_published(
        "the best rate falls with size and rises with tokens, the best batch rises with tokens, and muP holds the "
        "best rate still",
        above(0.0, trusted(by_size, law), "the best rate does not fall with size"),
        above(trusted(by_tokens, law), 0.0, "the best rate does not rise with tokens"),
        above(trusted(batches, batch_law), 0.0, "the best batch does not rise with tokens"),
        above(moved[0], moved[1], "under muP the best rate moves no less with width"),
    )
    return Analysis(
        "learning-rate",
        "lr = K N^a D^b; batch = K D^a",
        (
            by_size,
            by_tokens,
            batches,
            *(Measured(f"best rate, widest relative to narrowest model, {arm or 'standard'}", plain(value),
                       1.0 if arm == "mup" else None, "yang2022" if arm == "mup" else "")
              for arm, value in drift.items()),
        ),
        (panel,),
        f"{direction} Under muP the best base rate should not move with width (a ratio of 1).{warning}",
        fits_of(learning_rate=law, batch=batch_law),
    )  # fmt: skip


def schedule(evidence: Evidence) -> Analysis:
    """Loss under cosines made for longer runs, and a stable stretch with cooldown branches, beside a matched cosine."""
    rows = evidence.rows()
    matched = _by_size_and_tokens(evidence.rows("cosine"))
    told, panel_rows = [], []
    for arm in evidence.arms:
        arm_rows = evidence.rows(arm)
        for horizon in np.unique(arm_rows.numbers("horizon")):
            here = _by_size_and_tokens(arm_rows.select(arm_rows.numbers("horizon") == horizon))
            ratios = [here[key] / matched[key] for key in here if key in matched]
            if ratios:
                name = arm if horizon == 1.0 else f"{arm}, made for {horizon:g} times the tokens"
                told.append((arm, horizon, name, float(np.mean(ratios)) - 1.0))
                panel_rows.append(cells(name, float(np.mean(ratios)) - 1.0, len(ratios)))
    decays = {arm.name: arm.training.schedule.decay for arm in evidence.study.arms}
    steps = {arm: _steps_trained(evidence.rows(arm), decays[arm]) for arm in ("cosine", "wsd") if arm in evidence.arms}
    saved = steps["wsd"] / steps["cosine"] if len(steps) == 2 else math.nan
    late = next((value for arm, horizon, _, value in told if arm == "cosine-long" and horizon > 1.25), math.nan)
    wsd = next((value for arm, _, _, value in told if arm == "wsd"), math.nan)
    direction = against_published(
        "a cosine made for more than 1.25 times the tokens hurts, and a stable stretch with cooldown does not",
        where(late > 0.0, f"a cosine made for more than 1.25 times the tokens does not hurt ({late:+.1%})", late),
        where(wsd <= _AS_GOOD, f"a stable stretch with cooldown is {wsd:.1%} above a matched cosine", wsd),
    )
    return Analysis(
        "schedule",
        "loss relative to a cosine that ends with the run",
        (
            Measured("loss above matched, cosine more than 1.25 times too long", plain(late), None,
                     "hoffmann2022, appendix B", "published: it hurts beyond 1.25"),
            Measured("loss above matched, stable stretch with cooldown", plain(wsd), 0.0, "hagele2024"),
            Measured("steps for all budgets, branches relative to separate runs", plain(saved), 0.5, "hagele2024"),
        ),
        (Panel("Loss relative to a matched cosine of the same size and tokens", ("schedule", "excess", "pairs"),
               tuple(panel_rows)), shown_rows(rows, ("params_total", "tokens", "horizon", "loss"))),
        f"{direction} All arms have the same peak learning rate; the last rate differs between kinds: no pure test of "
        "shape.",
    )  # fmt: skip


def optimizer(evidence: Evidence) -> Analysis:
    """AdamW against Muon: one law with shared exponents, and how much compute the better one is worth.

    That separate laws are ill-determined, and that shared exponents with a factor on N and one on D are not, is what
    [volkova2026] found over five optimizers.
    """
    rows = evidence.rows()
    is_muon = np.array([str(name) == "muon" for name in rows["optimizer"]], dtype=float)
    table = rows.with_columns({"G": is_muon + 1.0, "N": rows.numbers("params_total"), "D": rows.numbers("tokens")})
    shared = evidence.fit("E + A/N^alpha + B/(D*exp(m*(G - 1)))^beta", table)
    both = evidence.fit("E + A/(N*exp(n*(G - 1)))^alpha + B/(D*exp(m*(G - 1)))^beta", table)
    apart = {name: evidence.fit("chinchilla", table.select(table["optimizer"] == name))
             for name in ("adamw", "muon")}  # fmt: skip
    muon, adamw = (_by_size_and_tokens(table.select(table["optimizer"] == name)) for name in ("muon", "adamw"))
    pairs = [muon[key] / adamw[key] - 1.0 for key in muon if key in adamw]
    worth = derived("tokens that one token under Muon is worth, g", shared, lambda it: np.exp(it["m"]), None,
                    "jordan2024")  # fmt: skip
    direction = against_published(
        "a token is worth more under Muon", above(trusted(worth, shared), 1.0, "a token is worth no more under Muon")
    )
    return Analysis(
        "optimizer",
        "L = E + A/N^alpha + B/(g D)^beta and L = E + A/(rho_N N)^alpha + B/(rho_D D)^beta; all 1 for AdamW",
        (
            worth,
            derived("with a factor on both: on tokens, rho_D", both, lambda it: np.exp(it["m"]), None, "volkova2026"),
            derived("with a factor on both: on parameters, rho_N", both, lambda it: np.exp(it["n"]), None,
                    "volkova2026"),
            *(parameter(f"beta, {name} alone", found, "beta") for name, found in apart.items()),
            *(parameter(f"alpha, {name} alone", found, "alpha") for name, found in apart.items()),
            Measured("mean difference in loss, Muon to AdamW", plain(float(np.mean(pairs)) if pairs else math.nan)),
        ),
        (shown_rows(table, ("params_total", "tokens", "G", "loss")),),
        f"{direction} Exponents are shared in the first rows, as in volkova2026; whether they may be is what the "
        "separate fits below them show. At equal size a factor on tokens is one on compute, too; Muon's own arithmetic "
        "is not counted.",
        fits_of(optimizer=shared, optimizer_factors=both, **apart),
    )  # fmt: skip


Optimum = dict[str, float | str]

_SAME_BUDGET = 1.05
"""Budgets closer than this factor are one, rounded to whole batches of several sizes."""


def _hyperbola(evidence: Evidence, steps: Array, examples: Array) -> Fit | str:
    reached = np.isfinite(steps)
    if reached.sum() < 3:
        return "fewer than three batches reach this loss."
    table = RunTable.from_columns({"step": steps[reached], "examples": examples[reached]}, source=("runs",))
    return evidence.fit("kaplan-steps-examples", table, y="examples", draws=0, cluster="none")


def _near(noise: RunTable, loss: float) -> float:
    """The median noise scale among the five evaluations whose loss is nearest."""
    if not len(noise):
        return math.nan
    nearest = np.argsort(np.abs(noise.numbers("loss") - loss))[:5]
    return float(np.median(noise.numbers("critical_batch_tokens")[nearest]))


def _optima(rows: RunTable) -> Iterator[Optimum]:
    """For each arm, size, budget and batch the least of a parabola of loss in log learning rate about the best rate."""
    keys = list(zip(*(rows[name] for name in ("arm", "params_total", "run_tokens", "batch_tokens")), strict=True))
    for key in dict.fromkeys(keys):
        group = rows.select(np.array([other == key for other in keys]))
        rate, loss = group.numbers("learning_rate"), group.numbers("loss")
        best, least, is_edge = _least(rate, loss)
        yield {
            "arm": str(key[0]), "params": float(key[1]), "tokens": float(key[2]), "batch_tokens": float(key[3]),
            "learning_rate": best, "loss": least, "edge": float(is_edge), "width": float(group.numbers("width")[0]),
        }  # fmt: skip


def _best_batches(optima: list[Optimum]) -> Iterator[Optimum]:
    """For each size and budget the least of a parabola of loss in log batch, where it is not at the edge of the sweep.

    Budgets that differ only by their rounding to whole batches are one.
    """
    budgets: list[float] = []
    for tokens in sorted(float(item["tokens"]) for item in optima):
        if not budgets or tokens > _SAME_BUDGET * budgets[-1]:
            budgets.append(tokens)
    groups: dict[tuple[float, float], list[Optimum]] = {}
    for item in optima:
        budget = max(known for known in budgets if known <= float(item["tokens"]))
        groups.setdefault((float(item["params"]), budget), []).append(item)
    for (size, budget), group in groups.items():
        batch, loss = (np.array([float(item[name]) for item in group]) for name in ("batch_tokens", "loss"))
        best, least, is_edge = _least(batch, loss)
        if not is_edge:
            yield {"params": size, "tokens": budget, "batch_tokens": best, "loss": least}


def _least(place: Array, loss: Array) -> tuple[float, float, bool]:
    """Where a parabola in log `place` about the least loss is least, that loss, and whether it lies at an edge."""
    order = np.argsort(place)
    place, loss = place[order], loss[order]
    lowest = int(np.argmin(loss))
    if lowest in (0, len(loss) - 1):
        return float(place[lowest]), float(loss[lowest]), True
    around = slice(lowest - 1, lowest + 2)
    square, slope, level = np.polyfit(np.log(place[around]), loss[around], 2)
    if square <= 0:
        return float(place[lowest]), float(loss[lowest]), False
    return float(np.exp(-slope / (2.0 * square))), float(level - slope**2 / (4.0 * square)), False


def _drift(optima: list[Optimum], arm: str) -> float:
    """The best rate of the widest model over that of the narrowest, geometric mean over budgets and batches."""
    mine = [item for item in optima if item["arm"] == arm]
    ratios = []
    for key in dict.fromkeys((item["tokens"], item["batch_tokens"]) for item in mine):
        group = sorted((it for it in mine if (it["tokens"], it["batch_tokens"]) == key), key=lambda it: it["width"])
        if len(group) > 1:
            ratios.append(math.log(float(group[-1]["learning_rate"]) / float(group[0]["learning_rate"])))
    return math.exp(float(np.mean(ratios))) if ratios else math.nan


def _by_size_and_tokens(rows: RunTable) -> dict[tuple[float, float], float]:
    """Mean loss over seeds of every size and number of tokens."""
    found: dict[tuple[float, float], list[float]] = {}
    for size, tokens, loss in zip(*(rows.numbers(name) for name in ("params_total", "tokens", "loss")), strict=True):
        found.setdefault((size, tokens), []).append(loss)
    return {key: float(np.mean(losses)) for key, losses in found.items()}


def _steps_trained(rows: RunTable, decay: float) -> float:
    """Steps that all runs of these rows took: whole runs, and of branches the share `decay` in which they cool."""
    total = 0.0
    for step, tokens, run_tokens in zip(
        *(rows.numbers(name) for name in ("step", "tokens", "run_tokens")), strict=True
    ):
        total += step if tokens == run_tokens else decay * step
    return total
