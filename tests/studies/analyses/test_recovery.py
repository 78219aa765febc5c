"""Every analysis on runs made from a known law: it finds the numbers they were made with."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from isoflop.errors import Refusal
from isoflop.lab.corpus import KnownEntropy
from isoflop.runs.table import RunTable
from isoflop.studies.analyses.analysis import crossing, lower_frontier
from tests.studies.analyses.made import SIZES, Row, answer, chinchilla, curve, number, panel, row, without_floor


def test_model_size_and_data_size() -> None:
    sized = answer("model-size", [row(n, 1e8, (8e13 / n) ** 0.076) for n in SIZES])
    assert number(sized, "alpha_N, embeddings not counted") == pytest.approx(0.076, rel=1e-3)
    assert {"model-size", "model-size-total", "with-floor"} == set(sized.fits)
    rows = [
        row(
            1e6,
            t,
            (5e13 / u) ** 0.095 * (1 + 0.1 * abs(math.log(t / 1e6))),
            unique_tokens=u,
            run_tokens=4e6,
            cooled=0.0,
        )
        for u in np.geomspace(1e4, 1e6, 6)
        for t in (2.5e5, 1e6, 4e6)
    ]
    stopped = answer("data-size", rows)
    assert number(stopped, "alpha_D") == pytest.approx(0.095, rel=1e-3)
    assert "was their end" not in stopped.verdict
    unfinished = answer("data-size", [item for item in rows if item["tokens"] != 4e6] + [
        {**item, "run_tokens": 1e6, "run": f"short {item['run']}"} for item in rows if item["tokens"] == 1e6
    ])  # fmt: skip
    assert "for 6 of 12 was their end" in unfinished.verdict


def test_the_frontier_of_curves_and_the_batch_taken_out() -> None:
    """Without a floor the frontier is a power law; a batch worth a share of the tokens hides it until it is undone."""
    exponent = 0.34 * 0.28 / (0.34 + 0.28)
    sizes = np.geomspace(1e4, 1e8, 25)
    plain, hidden = ([item for n in sizes for item in curve(n, 1e4 * n, without_floor)] for _ in range(2))
    assert number(answer("compute", plain), "alpha_C, at the batch that was used") == pytest.approx(exponent, rel=0.03)
    for item in hidden:
        critical = 2e3 / float(item["loss"]) ** (1 / 0.21)
        wasted = 1.0 + float(item["batch_tokens"]) / critical
        item |= {"measure:gradient_noise": critical, "measure:gradient_squared": 1.0}
        item |= {"tokens": float(item["tokens"]) * wasted, "compute": float(item["compute"]) * wasted}
        if float(item["tokens"]) <= 0.1 * float(item["run_tokens"]):
            item["measure:gradient_noise"] = 50.0  # what is measured in the warm-up is of no use
    found = answer("compute", hidden)
    assert "critical-batch" in found.fits and found.verdict.startswith("As published: taking the batch out lowers")
    assert number(found, "alpha_C_min") == pytest.approx(exponent, rel=0.03)
    assert number(found, "alpha_C, at the batch that was used") > 1.03 * exponent


def test_overfit_finds_both_exponents_and_the_line() -> None:
    rows = [
        row(n, 1e7, ((6e7 / n) ** (0.076 / 0.103) + 1e6 / d) ** 0.103, unique_tokens=d)
        for n, d in product(SIZES, (1e4, 1e5, 1e6, 1e9))
    ]
    found = answer("overfit", rows)
    assert number(found, "alpha_N") == pytest.approx(0.076, rel=0.01)
    assert number(found, "alpha_D") == pytest.approx(0.103, rel=0.01)
    assert number(found, "alpha_N / alpha_D") == pytest.approx(0.738, rel=0.01)
    assert number(found, "rank correlation") == pytest.approx(1.0, abs=0.02)


def test_steps_finds_the_exponents_of_s_min() -> None:
    critical = {"B": 3000.0, "alpha_B": 0.21}

    def loss(size: float, tokens: float) -> float:
        """L solves L = f(S_min(L)): the batch is not far above the critical one."""
        value = 3.0
        for _ in range(200):
            least = tokens / 512 / (1 + critical["B"] / value ** (1 / critical["alpha_B"]) / 512)
            value = (6.5e8 / size) ** 0.077 + (2e2 / least) ** 0.76
        return float(value)

    rows = [item for n in SIZES for item in curve(n, 3e7, loss)]
    for item in rows:
        item |= {"measure:gradient_noise": critical["B"] / float(item["loss"]) ** (1 / critical["alpha_B"]),
                 "measure:gradient_squared": 1.0}  # fmt: skip
    found = answer("steps", rows)
    assert {"steps", "steps-min", "critical-batch"} == set(found.fits)
    assert number(found, "alpha_N over S_min") == pytest.approx(0.077, rel=0.02)
    assert number(found, "alpha_S over S_min") == pytest.approx(0.76, rel=0.02)


def test_the_hyperbola_of_steps_and_tokens_gives_the_critical_batch() -> None:
    def tokens_for(batch: float, loss: float) -> float:
        critical = 2000 / loss ** (1 / 0.21)
        least_steps = 500 * (loss - 1.0) ** (-1.3)
        return least_steps * (batch + critical)

    rows = []
    for batch in (64.0, 256.0, 1024.0, 4096.0):
        for loss in np.linspace(2.6, 1.4, 25):
            tokens = tokens_for(batch, float(loss))
            noise = {"measure:gradient_noise": 900 / float(loss) ** (1 / 0.3), "measure:gradient_squared": 1.0}
            told = {"batch_tokens": batch, "step": tokens / batch, "run_tokens": 1e9}
            rows.append(row(1e5, tokens, float(loss), **told, **noise))
    found = answer("batch", rows)
    assert number(found, "alpha_B, from steps and tokens") == pytest.approx(0.21, rel=0.03)
    assert number(found, "B_*, from steps and tokens") == pytest.approx(2000, rel=0.1)
    assert number(found, "alpha_B, from the noise scale") == pytest.approx(0.3, rel=1e-3)
    assert number(found, "B_*, from the noise scale") == pytest.approx(900, rel=1e-3)
    for loss, critical, least_steps, least_tokens in panel(found, "loss", "B_crit", "S_min", "E_min"):
        assert critical == pytest.approx(2000 / loss ** (1 / 0.21), rel=0.05)
        assert least_steps == pytest.approx(500 * (loss - 1.0) ** (-1.3), rel=0.05)
        assert least_tokens == pytest.approx(critical * least_steps, rel=1e-2)


def test_a_hyperbola_that_is_refused_is_shown_and_left_out() -> None:
    rows = []
    for place, batch in enumerate((64.0, 256.0, 1024.0, 4096.0)):
        for loss in np.linspace(2.6, 1.4, 25):
            tokens = 500 * float(loss - 1.0) ** (-1.3) * (batch + 2000 / float(loss) ** (1 / 0.21))
            # At the lowest losses the curves of the batches cross, which no hyperbola does.
            tokens *= (30.0, 1.0, 30.0, 1.0)[place] if loss < 1.43 else 1.0
            rows.append(row(1e5, tokens, float(loss), batch_tokens=batch, step=tokens / batch, run_tokens=1e9))
    found = answer("batch", rows)
    refusals = [line[-1] for line in found.panels[0].rows]
    assert refusals[0].startswith("refused: ") and refusals[1:] == [""] * 4
    assert number(found, "alpha_B, from steps and tokens") == pytest.approx(0.21, rel=0.03)


def test_three_approaches_agree_on_runs_that_follow_one_law() -> None:
    sizes = np.geomspace(1e5, 1e9, 13)
    rows = [
        item
        for n in sizes
        for end in (2e8, 1e9, 5e9, 2.5e10)
        for item in curve(n, end, chinchilla)
    ]  # fmt: skip
    for compute in np.geomspace(3e15, 3e18, 4):
        rows += [row(n, compute / (6 * n), chinchilla(n, compute / (6 * n))) for n in np.geomspace(3e6, 3e8, 9)]
    found = answer("allocation", rows)
    expected = 0.28 / (0.34 + 0.28)
    assert number(found, "a of N* ~ C^a, approach 3") == pytest.approx(expected, abs=0.005)
    assert number(found, "a of N* ~ C^a, approach 1") == pytest.approx(expected, abs=0.06)
    assert number(found, "a of N* ~ C^a, approach 2") == pytest.approx(expected, abs=0.02)
    assert number(found, "alpha") == pytest.approx(0.34, abs=0.005)
    assert number(found, "beta") == pytest.approx(0.28, abs=0.005)
    budget = max(float(item["compute"]) for item in rows if item["cooled"]) / 6
    best = (0.34 * 40 / (0.28 * 150)) ** (1 / 0.62) * budget**expected
    assert number(found, "tokens per parameter") == pytest.approx(budget / best**2, rel=0.05)


def test_leaving_embeddings_out_raises_the_exponent() -> None:
    """With N = k n^(1/2) the law in n has half the exponent of size, so the best n grows faster by a known amount."""
    rows = [
        row(1000 * math.sqrt(n), tokens, chinchilla(1000 * math.sqrt(n), tokens), params_non_embedding=n)
        for n, tokens in product(np.geomspace(1e3, 1e8, 8), np.geomspace(1e6, 1e8, 5))
    ]
    found = answer("embedding", rows)
    assert number(found, "a, all parameters counted") == pytest.approx(0.28 / 0.62, abs=0.005)
    assert number(found, "a, embeddings not counted") == pytest.approx(0.28 / (0.17 + 0.28), abs=0.005)
    assert number(found, "how far the count moves a") == pytest.approx(0.28 / 0.45 - 0.28 / 0.62, abs=0.01)


def test_every_correction_from_kaplan_to_chinchilla_moves_the_exponent() -> None:
    """Each arm is made from a law of its own; each step must find that of its arm, counted as the step counts."""
    rows = []
    for arm, beta in (("long warm-up", 0.6), ("short warm-up", 0.5), ("matched decay", 0.42), ("tuned", 0.34)):
        for n, d, cooled in product(np.geomspace(1e3, 1e8, 6), np.geomspace(1e6, 1e9, 5), (0.0, 1.0)):
            size = 1000 * math.sqrt(n)
            loss = 1.7 + 40 / size**0.34 + 150 / d**beta
            # What has not cooled yet is of no use to the last two steps.
            worse = 1.5 if not cooled and arm in ("matched decay", "tuned") else 1.0
            rows.append(row(size, d, worse * loss, params_non_embedding=n, arm=arm, cooled=cooled))
    found = answer("kaplan-vs-chinchilla", rows, ("long warm-up", "short warm-up", "matched decay", "tuned"))
    expected = [0.6 / 0.77, 0.6 / 0.94, 0.5 / 0.84, 0.42 / 0.76, 0.5]
    for place, value in enumerate(expected, start=1):
        assert number(found, f"step {place}") == pytest.approx(value, abs=0.01)


def test_repeats_are_worth_what_the_law_says() -> None:
    def loss(size: float, unique: float, tokens: float) -> float:
        fresh = min(unique, tokens)
        effective = fresh * (1 + 15.0 * (1 - math.exp((1 - tokens / fresh) / 15.0)))
        return 1.7 + 40 / size**0.34 + 150 / effective**0.28

    rows = [
        row(n, d, loss(n, u, d), unique_tokens=u)
        for n, d, u in product(SIZES, (1e6, 1e7, 1e8), (1e5, 5e5, 1e6, 1e7, 1e8))
    ]
    found = answer("repeat", rows)
    assert number(found, "R_D, size left alone") == pytest.approx(15.0, rel=0.05)
    assert number(found, "worth of a token on average after 4") == pytest.approx(0.930, abs=0.005)


def test_the_floor_of_a_known_source() -> None:
    rows = [row(n, d, chinchilla(n, d)) for n, d in product(SIZES, np.geomspace(1e6, 1e9, 5))]
    found = answer("known-entropy", rows, known=KnownEntropy(1.7, 1.7))
    assert number(found, "E") == pytest.approx(1.7, rel=0.002)
    assert "from it" in found.verdict
    with pytest.raises(Refusal, match="not known"):
        answer("known-entropy", rows)


@pytest.mark.parametrize("on_size", [1.0, 1.4])
def test_a_better_optimizer_is_worth_its_factors(on_size: float) -> None:
    factors = {"adamw": (1.0, 1.0), "muon": (on_size, 1.8)}
    rows = [
        row(n, d, chinchilla(n * factors[name][0], d * factors[name][1]), optimizer=name, arm=name)
        for n, d, name in product(SIZES, np.geomspace(1e6, 1e8, 4), factors)
    ]
    found = answer("optimizer", rows, ("adamw", "muon"))
    assert number(found, "with a factor on both: on tokens") == pytest.approx(1.8, rel=0.01)
    assert number(found, "with a factor on both: on parameters") == pytest.approx(on_size, rel=0.01)
    assert number(found, "beta, muon alone") == pytest.approx(0.28, rel=0.01)
    if on_size == 1.0:
        assert number(found, "tokens that one token under Muon is worth") == pytest.approx(1.8, rel=0.01)


def test_best_learning_rates_and_their_law() -> None:
    rows = []
    for size, tokens, factor in product((1e5, 3e5, 1e6), (1e7, 1e8), np.geomspace(0.125, 8, 7)):
        best = 5.0 * size**-0.6 * tokens**0.2
        loss = chinchilla(size, tokens) + 0.02 * math.log(factor) ** 2
        rows.append(row(size, tokens, loss, learning_rate=best * factor, width=size, arm="standard"))
    found = answer("learning-rate", rows, ("standard", "mup"))
    assert number(found, "a, learning rate in model size") == pytest.approx(-0.6, abs=0.01)
    assert number(found, "b, learning rate in tokens") == pytest.approx(0.2, abs=0.01)
    assert number(found, "best rate, widest relative to narrowest model, standard") == pytest.approx(10**-0.6, rel=0.01)
    edges = [item | {"loss": float(item["learning_rate"])} for item in rows]
    assert "6 of 6 optima lie at the edge" in answer("learning-rate", edges, ("standard",)).verdict


def test_the_best_batch_and_a_rate_that_stays_where_it_is() -> None:
    rows = []
    for size, tokens, batch, factor in product((1e5, 1e6), (1e6, 1e7, 1e8), 2.0 ** np.arange(6, 15), (0.5, 1.0, 2.0)):
        best = 0.5 * tokens**0.5
        loss = chinchilla(size, tokens) + 0.02 * math.log(factor) ** 2 + 0.01 * math.log(batch / best) ** 2
        whole = round(tokens / batch) * batch
        rows += [
            row(size, whole, loss, learning_rate=rate * factor, width=size, arm=arm, batch_tokens=batch)
            for arm, rate in (("standard", 0.01), ("mup", 0.03))
        ]
    found = answer("learning-rate", rows, ("standard", "mup"))
    # Budgets are rounded to whole batches, so the same one has several numbers of tokens.
    assert number(found, "a, batch in tokens") == pytest.approx(0.5, abs=0.005)
    assert number(found, "best rate, widest relative to narrowest model, mup") == pytest.approx(1.0, abs=1e-6)


def test_schedules_are_compared_at_equal_size_and_tokens() -> None:
    rows = [row(n, 1e7, chinchilla(n, 1e7), arm="cosine") for n in SIZES]
    rows += [row(n, 1e7, chinchilla(n, 1e7) * 1.03, arm="cosine-long", horizon=2.0) for n in SIZES]
    rows += [row(n, 1e7, chinchilla(n, 1e7) * 0.99, arm="wsd") for n in SIZES]
    found = answer("schedule", rows, ("cosine", "cosine-long", "wsd"))
    assert number(found, "loss above matched, cosine") == pytest.approx(0.03)
    assert number(found, "loss above matched, stable") == pytest.approx(-0.01)


def test_branches_cost_the_decay_that_the_study_says() -> None:
    budgets = (2.5e6, 5e6, 1e7)
    rows = [row(1e5, d, chinchilla(1e5, d), arm="cosine") for d in budgets]
    rows += [row(1e5, d, chinchilla(1e5, d), arm="wsd", run_tokens=1e7) for d in budgets]
    found = answer("schedule", rows, ("cosine", "wsd"), last_arm="training = { schedule = { decay = 0.5 } }\n")
    assert number(found, "steps for all budgets") == pytest.approx((10 + 0.5 * (5 + 2.5)) / (10 + 5 + 2.5))


def test_samples_and_compute_to_reach_a_loss() -> None:
    rows = [item for n in SIZES for item in curve(n, 1e9, lambda n, d: 1.7 + 150 / (d * n**0.25) ** 0.28)]
    found = answer("sample-efficiency", rows)
    assert number(found, "exponent of tokens in model size") == pytest.approx(-0.25, abs=0.01)
    factor = (SIZES[-1] / SIZES[0]) ** 0.25
    assert number(found, "times fewer tokens, largest") == pytest.approx(factor, rel=0.03)
    assert number(found, "times fewer steps, largest") == pytest.approx(factor, rel=0.03)
    for tokens, taken in panel(found, "tokens", "steps"):
        assert taken == pytest.approx(tokens / 512, rel=1e-3)


def test_stopping_early_costs_what_the_law_says() -> None:
    """The price C = 6 N D(N) of one loss is known for every size, so is the size for which it is least."""
    rows = [item for n in SIZES for item in curve(n, 1e9, chinchilla)]
    target = sorted(chinchilla(n, 1e9) for n in SIZES)[len(SIZES) // 2] * 1.005
    reached = [n for n in SIZES if chinchilla(n, 1e9) <= target]
    price = {n: 6 * n * (150 / (target - 1.7 - 40 / n**0.34)) ** (1 / 0.28) for n in reached}
    cheapest = min(price, key=lambda n: price[n])
    found = answer("stop-early", rows)
    assert number(found, "compute relative to the smallest") == pytest.approx(
        price[cheapest] / price[reached[0]], rel=0.05
    )
    assert number(found, "model size relative to it") == pytest.approx(cheapest / reached[0])
    assert number(found, "stopped above its own last loss") == pytest.approx(target / chinchilla(cheapest, 1e9) - 1)


def test_a_power_law_beats_a_logarithm_on_runs_that_follow_one() -> None:
    found = answer("power-vs-log", [row(n, 1e8, (8e13 / n) ** 0.076) for n in np.geomspace(1e4, 1e9, 12)])
    assert number(found, "error on the hidden sizes: power law") < 1e-4
    assert number(found, "error of the logarithm relative") > 10.0


def test_positions_recurrence_and_shape() -> None:
    rows: list[Row] = []
    for size, arm in product(SIZES[:3], ("transformer", "lstm")):
        positions = {
            f"position:{t}": (1.0 + 2.0 / t**0.5) * (1.08 if arm == "lstm" and t > 28 else 1.0) for t in range(1, 33)
        }
        rows.append(row(size, 1e7, chinchilla(size, 1e7), arm=arm, **positions))
    found = answer("lstm", rows, ("transformer", "lstm"))
    assert number(found, "LSTM above the transformer, first") == pytest.approx(0.0, abs=1e-9)
    assert number(found, "LSTM above the transformer, last") == pytest.approx(0.08, abs=1e-9)
    along = answer("context", [item for item in rows if item["arm"] == "transformer"])
    assert number(along, f"exponent in position, N = {SIZES[0]:.0f}") == pytest.approx(0.5, rel=0.01)
    reused = [
        row(n, 1e7, (8e13 / (n * factor)) ** 0.076, arm=arm, compute=6 * n * 1e7 * passes)
        for n in np.geomspace(1e4, 1e6, 6)
        for arm, factor, passes in (("plain", 1.0, 1), ("reused", 1.5, 3))
    ]
    found = answer("recurrent", reused, ("plain", "reused"))
    assert number(found, "reused above plain at equal parameters") == pytest.approx(1.5**-0.076 - 1, rel=0.01)
    assert number(found, "reused above plain at equal compute") == pytest.approx((3 / 1.5) ** 0.076 - 1, rel=0.01)
    shapes = answer(
        "shape", [row(1e5, 1e7, loss, arm="depth", layers=n) for n, loss in ((1, 2.02), (2, 2.0), (4, 2.1))], ("depth",)
    )
    assert number(shapes, "spread of loss over depth") == pytest.approx(0.05)


def test_parts_of_a_text() -> None:
    rows: list[Row] = []
    for size, (part, offset) in product(SIZES, (("", 0.0), ("code", 0.0), ("prose", 0.3))):
        loss = (8e13 / size) ** 0.076 * math.exp(offset)
        rows.append(row(size, 1e7, loss, part=part, **{"mix:code": 1.0, "mix:prose": 0.0}))
    found = answer("transfer", rows)
    assert number(found, "exponent on prose relative to code") == pytest.approx(1.0, rel=1e-3)
    shares = {"mix:code": 1.0, "mix:prose": 0.0}
    offsets = {"": 0.0, "code": 0.0, "prose": 0.3}
    apart = [row(n, 1e7, 2.0 + n**-0.1 + offsets[part], part=part, **shares) for n, part in product(SIZES, offsets)]
    assert panel(answer("transfer", apart), "mean offset", "its spread") == [(0.0, 0.0), (0.3, 0.0)]


def test_the_best_mixture_is_found_where_it_is() -> None:
    mixed: list[Row] = []
    for arm, size, share in product(("small", "large"), (1e4,), np.linspace(0.1, 0.9, 9)):
        losses = {"code": 1 + 2 * math.exp(-3 * share), "prose": 1 + math.exp(-2 * (1 - share))}
        for part in ("code", "prose"):
            told = {"mix:code": share, "mix:prose": 1 - share, "learning_rate": share}
            mixed.append(row(size, 1e7, losses[part], part=part, arm=arm, **told))
    found = answer("mixture", mixed, ("small", "large"))
    # Where 6 exp(-3 s) = 2 exp(-2 (1 - s)).
    assert number(found, "best share of code, predicted") == pytest.approx((2 + math.log(3)) / 5, abs=0.01)
    assert number(found, "best share of code among those tried") == pytest.approx(0.6)
    assert number(found, "t, loss on code") == pytest.approx(-3.0, rel=0.01)
    assert number(found, "t, loss on prose") == pytest.approx(-2.0, rel=0.01)


def test_exact_match_jumps_where_loss_does_not() -> None:
    rows: list[Row] = []
    for task in ("copy", "modular", "addition", "recall"):
        for place, size in enumerate(np.geomspace(1e4, 1e8, 9)):
            probability = 0.5 + 0.06 * place
            rows.append(row(size, 1e7, -math.log(probability), part=task, **{"measure:exact": float(place >= 6)}))
    found = answer("emergence", rows)
    assert number(found, "addition: largest step of exact match") == 1.0
    smooth = math.log(0.56 / 0.50) / math.log(0.98 / 0.50)
    assert number(found, "addition: largest step of loss per token") == pytest.approx(smooth)


def test_crossings_and_frontiers_of_curves() -> None:
    table = RunTable.from_columns({"loss": [4.0, 2.0, 1.0], "step": [1.0, 10.0, 100.0], "compute": [1.0, 2.0, 3.0]})
    assert crossing(table, 2.0, "step") == pytest.approx(10.0)
    assert crossing(table, math.sqrt(2.0), "step") == pytest.approx(math.sqrt(1000.0))
    assert math.isnan(crossing(table, 0.5, "step"))
    assert lower_frontier(table)["loss"].tolist() == [4.0, 2.0, 1.0]


def test_a_study_without_a_finished_run_is_refused() -> None:
    with pytest.raises(Refusal, match="no finished run of arm 'transformer'"):
        answer("lstm", [row(1e4, 1e6, 2.0)], ("transformer", "lstm"))
