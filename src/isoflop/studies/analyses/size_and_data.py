"""How loss falls with model size, data, compute and steps: the figures of [kaplan2020] that are laws."""

from __future__ import annotations

import math

import numpy as np

from isoflop.errors import Refusal
from isoflop.fitting.fit import Fit, predict
from isoflop.runs.table import RunTable
from isoflop.studies.analyses.analysis import (
    Analysis,
    Array,
    Evidence,
    Measured,
    Panel,
    along,
    best_of_each_run,
    cells,
    crossing,
    derived,
    fits_of,
    lower_frontier,
    parameter,
    plain,
    refusal,
    resting_on,
    run_names,
    spread_over_seeds,
)
from isoflop.studies.analyses.directions import above, against_published, trusted, where

KAPLAN_TABLE_5 = "kaplan2020, table 5"
CRITICAL_BATCH = "the critical batch"
_ONE_LINE = 0.9  # rank correlation
NO_NOISE_SCALE = "the runs carry no gradient noise scale: add probes = ['noise-scale']."


def model_size(evidence: Evidence) -> Analysis:
    """L(N) at the largest budget: the slope of figure 1, with the count that it uses and with all parameters."""
    rows = evidence.rows()
    longest = rows.select(rows.numbers("run_tokens") >= 0.9 * rows.numbers("run_tokens").max())
    slope = evidence.fit("kaplan-n", longest, x=("params_non_embedding",))
    total = evidence.fit("kaplan-n", longest, x=("params_total",))
    floor = evidence.fit("power-floor-n", longest, x=("params_total",))
    return Analysis(
        "model-size",
        "L = (N_c/N)^alpha",
        (
            parameter("alpha_N, embeddings not counted", slope, "alpha", 0.076, KAPLAN_TABLE_5),
            parameter("alpha_N, embeddings counted", total, "alpha"),
            parameter("alpha_N with a floor, embeddings counted", floor, "alpha"),
            *spread_over_seeds(longest),
        ),
        (shown_rows(longest, ("params_non_embedding", "params_total", "tokens", "loss", "loss_se")),),
        "Without a floor the slope depends on how far above it the runs are: small models on easy text are steeper.",
        fits_of(model_size=slope, model_size_total=total, with_floor=floor),
    )


def data_size(evidence: Evidence) -> Analysis:
    """L(D), every run stopped where held-out loss was least: the slope of figure 1."""
    rows = best_of_each_run(evidence.rows(cooled=None))
    found = evidence.fit("kaplan-d", rows, x=("unique_tokens",))
    going = int(np.sum(rows.numbers("tokens") >= rows.numbers("run_tokens")))
    unfinished = (
        f", which for {going} of {len(rows)} was their end: with more steps these would come lower, and the slope be "
        "steeper"
    )
    return Analysis(
        "data-size",
        "L = (D_c/D)^alpha, stopped early",
        (parameter("alpha_D", found, "alpha", 0.095, KAPLAN_TABLE_5),),
        (shown_rows(rows, ("unique_tokens", "tokens", "loss", "loss_se")),),
        "Each run reads its own distinct tokens again and again and counts at its best moment"
        f"{unfinished if going else ''}.",
        fits_of(data_size=found),
    )


def compute(evidence: Evidence) -> Analysis:
    """L(C) along the frontier of learning curves, and L(C_min) with the batch taken out by the noise scale."""
    frontier = lower_frontier(after_warm_up(evidence.rows(cooled=None)))
    naive = evidence.fit("kaplan-c", frontier)
    critical = critical_batch(evidence)
    least: Fit | str = critical if isinstance(critical, str) else ""
    if not isinstance(critical, str):
        batch_share = frontier.numbers("batch_tokens") / _predicted(critical, frontier.numbers("loss"))
        adjusted = frontier.with_columns({"compute": frontier.numbers("compute") / (1.0 + batch_share)})
        least = evidence.fit("kaplan-c", lower_frontier(adjusted))
    used = parameter("alpha_C, at the batch that was used", naive, "alpha_C", 0.057, KAPLAN_TABLE_5)
    small = resting_on(
        parameter("alpha_C_min, batch far below critical", least, "alpha_C", 0.050, KAPLAN_TABLE_5),
        (CRITICAL_BATCH, critical),
    )  # fmt: skip
    direction = against_published(
        "taking the batch out lowers the exponent",
        above(trusted(used, naive), trusted(small, least, critical), "taking it out does not lower the exponent"),
    )
    return Analysis(
        "compute",
        "L = (C_c/C)^alpha; C_min = C/(1 + B/B_crit(L))",
        (used, small),
        (shown_rows(frontier, ("params_total", "tokens", "compute", "loss")),),
        f"{direction} C is the exact FLOP of the shape; the critical batch is the gradient noise scale measured in the "
        "same runs.",
        fits_of(compute=naive, compute_min=least, critical_batch=critical),
    )


def overfit(evidence: Evidence) -> Analysis:
    """L(N, D) of models that see few distinct tokens, and whether the loss that costs collapses on one line."""
    rows = best_of_each_run(evidence.rows(cooled=None))
    found = evidence.fit("kaplan-nd", rows, x=("params_non_embedding", "unique_tokens"))
    excess = _excess(rows)
    spread = math.nan
    if not isinstance(found, str):
        ratio = found.params["alpha_N"].value / found.params["alpha_D"].value
        place = ratio * np.log(rows.numbers("params_non_embedding")) - np.log(rows.numbers("unique_tokens"))
        spread = _rank_correlation(place[excess > 0], excess[excess > 0])
    table = rows.with_columns({"excess": excess})
    direction = against_published(
        "the excess falls on one line",
        where(spread >= _ONE_LINE, "the excess does not fall on one line", spread),
    )
    return Analysis(
        "overfit",
        "L = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D",
        (
            parameter("alpha_N", found, "alpha_N", 0.076, "kaplan2020, table 2"),
            parameter("alpha_D", found, "alpha_D", 0.103, "kaplan2020, table 2"),
            derived("alpha_N / alpha_D", found, lambda it: it["alpha_N"] / it["alpha_D"], 0.74, "kaplan2020, eq. 4.4"),
            resting_on(
                Measured("rank correlation of the excess loss with N^ratio/D", plain(spread), 1.0,
                         "kaplan2020, figure 9"), ("the law", found)),
        ),
        (shown_rows(table, ("params_non_embedding", "unique_tokens", "tokens", "loss", "excess")),),
        f"{direction} Excess is the loss relative to the same model on the most distinct tokens; one line means a "
        "correlation of 1.",
        fits_of(overfit=found),
    )  # fmt: skip


def steps(evidence: Evidence) -> Analysis:
    """L(N, S) of learning curves after warm-up, in steps and in the steps that a very large batch would take."""
    warm = after_warm_up(evidence.rows(cooled=None))
    plain_steps = evidence.fit("kaplan-ns", warm, x=("params_non_embedding", "step"))
    critical = critical_batch(evidence)
    least: Fit | str = critical if isinstance(critical, str) else ""
    if not isinstance(critical, str):
        share = _predicted(critical, warm.numbers("loss")) / warm.numbers("batch_tokens")
        adjusted = warm.with_columns({"step": warm.numbers("step") / (1.0 + share)})
        least = evidence.fit("kaplan-ns", adjusted, x=("params_non_embedding", "step"))
    source = "kaplan2020, table 3"
    return Analysis(
        "steps",
        "L = (N_c/N)^alpha_N + (S_c/S_min)^alpha_S; S_min = S/(1 + B_crit(L)/B)",
        (
            *(resting_on(parameter(f"{key} over S_min", least, key, published, source), (CRITICAL_BATCH, critical))
              for key, published in (("alpha_N", 0.077), ("alpha_S", 0.76))),
            parameter("alpha_N over S", plain_steps, "alpha_N"),
            parameter("alpha_S over S", plain_steps, "alpha_S"),
        ),
        (shown_rows(warm, ("params_non_embedding", "step", "loss")),),
        "Losses are those of the curves as they are, the learning rate not yet decayed.",
        fits_of(steps=plain_steps, steps_min=least, critical_batch=critical),
    )  # fmt: skip


def sample_efficiency(evidence: Evidence) -> Analysis:
    """Tokens and steps that models of each size need to reach one loss."""
    rows = evidence.rows(cooled=None)
    curves = [along(rows, name) for name in run_names(rows)]
    target = max(float(curve.numbers("loss").min()) for curve in curves) * 1.01
    needed, steps = (np.array([crossing(curve, target, axis) for curve in curves]) for axis in ("tokens", "step"))
    size = np.array([float(curve.numbers("params_non_embedding")[0]) for curve in curves])
    reached = np.isfinite(needed)
    found: Fit | str = "fewer than three sizes reach one loss."
    if reached.sum() >= 3:
        table = RunTable.from_columns({"params": size[reached], "loss": needed[reached]}, source=("runs",))
        found = evidence.fit("power", table, x=("params",), cluster="none")
    order = np.flatnonzero(reached)[np.argsort(size[reached])]
    fewer = [float(values[order[0]] / values[order[-1]]) if len(order) else math.nan for values in (needed, steps)]
    panel = Panel(
        f"Tokens and steps to reach a loss of {target:.3f}",
        ("params_non_embedding", "tokens", "steps"),
        tuple(cells(size[place], needed[place], steps[place]) for place in order),
    )
    exponent = parameter("exponent of tokens in model size", found, "a", -0.10, "kaplan2020, -alpha_N/alpha_S")
    direction = against_published(
        "larger models need fewer tokens for one loss",
        above(0.0, trusted(exponent, found), "larger models do not need fewer tokens for one loss"),
    )
    return Analysis(
        "sample-efficiency",
        "D(L) = K N^a",
        (
            exponent,
            Measured("times fewer tokens, largest against smallest model", plain(fewer[0]), 100.0,
                     "kaplan2020, figure 19"),
            Measured("times fewer steps, largest against smallest model", plain(fewer[1]), None,
                     "kaplan2020, figure 19", "published: these fall, too; with one batch for all, by the same factor"),
        ),
        (panel,),
        f"{direction} The factors grow with the range of sizes.",
        fits_of(sample_efficiency=found),
    )  # fmt: skip


def stop_early(evidence: Evidence) -> Analysis:
    """Compute that each size needs for one loss, and how far above its converged loss the cheapest one stops."""
    rows = evidence.rows(cooled=None)
    curves = [along(rows, name) for name in run_names(rows)]
    last = [float(curve.numbers("loss").min()) for curve in curves]
    target = sorted(last)[len(last) // 2] * 1.005
    price = np.array([crossing(curve, target, "compute") for curve in curves])
    reached = np.isfinite(price)
    if not reached.any():
        raise Refusal("no run reaches the loss of the middle one: train longer or use more sizes.")
    cheapest = int(np.nanargmin(price))
    converged = int(
        np.flatnonzero(reached)[np.argmin([curves[i].numbers("params")[0] for i in np.flatnonzero(reached)])]
    )
    panel = Panel(
        f"Compute to reach a loss of {target:.3f}",
        ("params_non_embedding", "compute", "loss at the end"),
        tuple(
            cells(curve.numbers("params_non_embedding")[0], cost, end)
            for curve, cost, end in zip(curves, price, last, strict=True)
            if math.isfinite(cost)
        ),
    )
    sizes = [float(curves[i].numbers("params_non_embedding")[0]) for i in (cheapest, converged)]
    direction = against_published(
        "a larger model stopped early reaches the loss for less than the smallest that does",
        where(sizes[0] > sizes[1], "the smallest model that reaches the loss is the cheapest"),
    )
    return Analysis(
        "stop-early",
        "C(N) at a loss of L; stop at (1 + alpha_N/alpha_S) L(N, inf)",
        (
            Measured("compute relative to the smallest model", plain(price[cheapest] / price[converged]), 0.35,
                     "kaplan2020, eq. B.14"),
            Measured("model size relative to it", plain(sizes[0] / sizes[1]), 2.7, "kaplan2020, eq. B.12"),
            Measured("stopped above its own last loss by", plain(target / last[cheapest] - 1.0), 0.10,
                     "kaplan2020, eq. B.5"),
        ),
        (panel,),
        f"{direction} The published ratios compare stopping 10 % above convergence with 2 %; here convergence is the "
        "end of a run.",
    )  # fmt: skip


def power_against_log(evidence: Evidence) -> Analysis:
    """Power laws and a logarithm fitted to the smaller sizes, judged by their error on the largest ones."""
    rows = evidence.rows()
    longest = rows.select(rows.numbers("run_tokens") >= 0.9 * rows.numbers("run_tokens").max())
    size = longest.numbers("params_total")
    sizes = np.unique(size)
    hidden_sizes = max(1, len(sizes) // 3)
    seen = longest.select(size < sizes[-hidden_sizes])
    hidden = longest.select(size >= sizes[-hidden_sizes])
    found = {
        "power law": evidence.fit("kaplan-n", seen, x=("params_total",)),
        "power law with a floor": evidence.fit("power-floor-n", seen, x=("params_total",)),
        "logarithm": evidence.fit("c - b*log(params_total)", seen),
    }
    errors = {name: _held_out_error(item, hidden) for name, item in found.items()}
    gain = errors["logarithm"] / errors["power law"]
    error = Measured("error of the logarithm relative to the power law's", plain(gain), None, "kaplan2020, figure 23",
                     "published: the power law fits better")  # fmt: skip
    direction = against_published(
        "the power law is closer on the hidden sizes",
        above(trusted(error, found["power law"], found["logarithm"]), 1.0, "the logarithm is closer to them"),
    )
    return Analysis(
        "power-vs-log",
        "L = (N_c/N)^alpha against L = c - b log N",
        (
            *(Measured(f"error on the hidden sizes: {name}", plain(value),
                       note=item if isinstance(item := found[name], str) else refusal(item))
              for name, value in errors.items()),
            error,
        ),
        (shown_rows(longest, ("params_total", "tokens", "loss")),),
        f"{direction} Fitted to {len(seen)} runs of the smaller sizes, judged on {len(hidden)} of the largest.",
        fits_of(power_law=found["power law"], with_floor=found["power law with a floor"], logarithm=found["logarithm"]),
    )  # fmt: skip


def _held_out_error(found: Fit | str, hidden: RunTable) -> float:
    """Mean relative error of a fit on runs it has not seen."""
    if isinstance(found, str):
        return math.nan
    forecast = predict(found.law, found.theta, {name: hidden.numbers(name) for name in found.law.columns})[0]
    return float(np.abs(forecast / hidden.numbers("loss") - 1.0).mean())


def shown_rows(rows: RunTable, columns: tuple[str, ...]) -> Panel:
    """Rows of a table as a panel, at most thirty of them, evenly spread."""
    shown = np.unique(np.linspace(0, len(rows) - 1, min(30, len(rows))).round().astype(int))
    values = [rows.numbers(name)[shown] for name in columns]
    return Panel("Runs", columns, tuple(cells(*row) for row in zip(*values, strict=True)))


def critical_batch(evidence: Evidence) -> Fit | str:
    """B_crit(L) = B_*/L^(1/alpha_B) fitted to the noise scale measured in the runs after their warm-up."""
    table = noise_scales(after_warm_up(evidence.rows(cooled=None)))
    if len(table) < 4:
        return NO_NOISE_SCALE
    return evidence.fit("kaplan-critical-batch", table, y="critical_batch_tokens", draws=0)


def after_warm_up(rows: RunTable) -> RunTable:
    """The evaluations past the first tenth of their runs: before, the warm-up of the rate shapes the curves."""
    return rows.select(rows.numbers("tokens") > 0.1 * rows.numbers("run_tokens"))


def noise_scales(rows: RunTable) -> RunTable:
    """The evaluations at which a noise scale came out positive, with it as `critical_batch_tokens`."""
    if not rows.has("measure:gradient_noise"):
        return rows.select(np.zeros(len(rows), dtype=bool))
    squared, noise = rows.numbers("measure:gradient_squared"), rows.numbers("measure:gradient_noise")
    usable = (squared > 0) & (noise > 0)
    chosen = rows.select(usable)
    return chosen.with_columns({"critical_batch_tokens": noise[usable] / squared[usable]})


def _predicted(found: Fit, loss: Array) -> Array:
    return np.asarray(predict(found.law, found.theta, {"loss": loss})[0])


def _excess(rows: RunTable) -> Array:
    """Loss relative to the same model on the most distinct tokens, minus one."""
    size, data, loss = (rows.numbers(name) for name in ("params_non_embedding", "unique_tokens", "loss"))
    best = {n: loss[size == n][np.argmax(data[size == n])] for n in np.unique(size)}
    return np.array([value / best[n] - 1.0 for n, value in zip(size, loss, strict=True)])


def _rank_correlation(first: Array, second: Array) -> float:
    """Spearman's: the correlation of ranks."""
    if len(first) < 3:
        return math.nan
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
