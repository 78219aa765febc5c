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
    run_names,
)

KAPLAN_TABLE_5 = "kaplan2020, table 5"


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
        ),
        (shown_rows(longest, ("params_non_embedding", "params_total", "tokens", "loss", "loss_se")),),
        "Without a floor the slope depends on how far above it the runs are: small models on easy text are steeper.",
        fits_of(model_size=slope, with_floor=floor),
    )


def data_size(evidence: Evidence) -> Analysis:
    """L(D), every run stopped where held-out loss was least: the slope of figure 1."""
    rows = best_of_each_run(evidence.rows(cooled=None))
    found = evidence.fit("kaplan-d", rows, x=("unique_tokens",))
    going = int(np.sum(rows.numbers("tokens") >= rows.numbers("run_tokens")))
    return Analysis(
        "data-size",
        "L = (D_c/D)^alpha, stopped early",
        (parameter("alpha_D", found, "alpha", 0.095, KAPLAN_TABLE_5),),
        (shown_rows(rows, ("unique_tokens", "tokens", "loss", "loss_se")),),
        "Each run reads its own distinct tokens again and again and counts at its best moment, which for "
        f"{going} of {len(rows)} was their end: with more steps these would come lower, and the slope be steeper.",
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
    return Analysis(
        "compute",
        "L = (C_c/C)^alpha; C_min = C/(1 + B/B_crit(L))",
        (
            parameter("alpha_C, at the batch that was used", naive, "alpha_C", 0.057, KAPLAN_TABLE_5),
            parameter("alpha_C_min, batch far below critical", least, "alpha_C", 0.050, KAPLAN_TABLE_5),
        ),
        (shown_rows(frontier, ("params_total", "tokens", "compute", "loss")),),
        "C is the exact FLOP of the shape; the critical batch is the gradient noise scale measured in the same runs.",
        fits_of(compute=naive, compute_min=least),
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
    return Analysis(
        "overfit",
        "L = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D",
        (
            parameter("alpha_N", found, "alpha_N", 0.076, "kaplan2020, table 2"),
            parameter("alpha_D", found, "alpha_D", 0.103, "kaplan2020, table 2"),
            derived("alpha_N / alpha_D", found, lambda it: it["alpha_N"] / it["alpha_D"], 0.74, "kaplan2020, eq. 4.4"),
            Measured("rank correlation of the excess loss with N^ratio/D", plain(spread), 1.0, "kaplan2020, figure 9"),
        ),
        (shown_rows(table, ("params_non_embedding", "unique_tokens", "tokens", "loss", "excess")),),
        "Excess is the loss relative to the same model on the most distinct tokens; one line means a correlation of 1.",
        fits_of(overfit=found),
    )


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
            parameter("alpha_N over S_min", least, "alpha_N", 0.077, source),
            parameter("alpha_S over S_min", least, "alpha_S", 0.76, source),
            parameter("alpha_N over S", plain_steps, "alpha_N"),
            parameter("alpha_S over S", plain_steps, "alpha_S"),
        ),
        (shown_rows(warm, ("params_non_embedding", "step", "loss")),),
        "Losses are those of the curves as they are, the learning rate not yet decayed.",
        fits_of(steps=plain_steps, steps_min=least),
    )


def sample_efficiency(evidence: Evidence) -> Analysis:
    """Tokens that models of each size need to reach one loss."""
    rows = evidence.rows(cooled=None)
    curves = [along(rows, name) for name in run_names(rows)]
    target = max(float(curve.numbers("loss").min()) for curve in curves) * 1.01
    needed = np.array([crossing(curve, target, "tokens") for curve in curves])
    size = np.array([float(curve.numbers("params_non_embedding")[0]) for curve in curves])
    reached = np.isfinite(needed)
    found: Fit | str = "fewer than three sizes reach one loss."
    if reached.sum() >= 3:
        table = RunTable.from_columns({"params": size[reached], "loss": needed[reached]}, source=("runs",))
        found = evidence.fit("power", table, x=("params",), cluster="none")
    factor = needed[reached].max() / needed[reached].min() if reached.any() else math.nan
    panel = Panel(
        f"Tokens to reach a loss of {target:.3f}",
        ("params_non_embedding", "tokens"),
        tuple(cells(n, d) for n, d in zip(size[reached], needed[reached], strict=True)),
    )
    return Analysis(
        "sample-efficiency",
        "D(L) = K N^a",
        (
            parameter("exponent of tokens in model size", found, "a", -0.10, "kaplan2020, -alpha_N/alpha_S"),
            Measured("fewer tokens, smallest to largest model", plain(factor), 100.0, "kaplan2020, figure 19"),
        ),
        (panel,),
        "Larger models need fewer tokens for the same loss; the factor grows with the range of sizes.",
        fits_of(sample_efficiency=found),
    )


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
        "The published ratios compare stopping 10 % above convergence with 2 %; here convergence is the end of a run.",
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
    return Analysis(
        "power-vs-log",
        "L = (N_c/N)^alpha against L = c - b log N",
        (
            *(Measured(f"error on the hidden sizes: {name}", plain(error),
                       note=item if isinstance(item := found[name], str) else "")
              for name, error in errors.items()),
            Measured("error of the logarithm relative to the power law's", plain(gain), None, "kaplan2020, figure 23",
                     "published: the power law fits better, with no number"),
        ),
        (shown_rows(longest, ("params_total", "tokens", "loss")),),
        f"Fitted to {len(seen)} runs of the smaller sizes, judged on {len(hidden)} of the largest.",
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
    """B_crit(L) = B_*/L^(1/alpha_B) fitted to the noise scale measured in the runs."""
    table = noise_scales(evidence.rows(cooled=None))
    if len(table) < 4:
        return "the runs carry no gradient noise scale: add probes = ['noise-scale']."
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
