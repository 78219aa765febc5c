"""Every analysis on runs made from a known law: it finds the numbers they were made with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest

from isoflop.errors import Refusal
from isoflop.lab.corpus import KnownEntropy
from isoflop.runs.table import RunTable
from isoflop.studies.analyses.analysis import Analysis, Evidence, crossing, lower_frontier
from isoflop.studies.analyses.catalogue import ANALYSES
from isoflop.studies.study_file import parse_study

STUDY = """
name = "made"
analysis = "{analysis}"
[text]
source = "synthetic"
[ladder]
widths = [8]
head_width = 8
tokens = [1024]
[training]
context = 32
batch_tokens = 512
[training.learning_rate]
coefficient = 0.1
[evaluation]
windows = 16
[fit]
draws = 40
"""
SIZES = np.geomspace(1e4, 3e6, 7)
Row = dict[str, float | str]


def row(size: float, tokens: float, loss: float, **told: float | str) -> Row:
    """One evaluation at the end of a run, as `evaluation_table` has it."""
    return {
        "run": f"{size:.0f}-{told.get('run_tokens', tokens):.0f}-{told.get('unique_tokens', 1e12):.0f}"
        f"-{told.get('arm', '')}-{told.get('batch_tokens', 512)}-{told.get('learning_rate', 0)}",
        "arm": "", "part": "", "cooled": 1.0, "step": tokens / 512, "tokens": tokens, "loss": loss, "loss_se": 0.001,
        "compute": 6 * size * tokens, "params": size, "params_total": size, "params_non_embedding": size,
        "layers": 2.0, "width": 16.0, "heads": 2.0, "feedforward": 64.0, "context": 32.0, "batch_tokens": 512.0,
        "run_tokens": tokens, "unique_tokens": 1e12, "learning_rate": 0.01, "horizon": 1.0, "reuse": 1.0,
        "optimizer": "adamw",
        **told,
    }  # fmt: skip


def answer(name: str, rows: Sequence[Row], arms: Sequence[str] = (), known: KnownEntropy | None = None) -> Analysis:
    told = STUDY.format(analysis=name) + "".join(f'[[arms]]\nname = "{arm}"\n' for arm in arms)
    columns = list(dict.fromkeys(key for item in rows for key in item))
    table = RunTable.from_columns(
        {key: [item.get(key, math.nan) for item in rows] for key in columns}, param_count="total", source=("made",)
    )
    return ANALYSES[name](Evidence(parse_study(told, "made"), table, known))


def number(analysis: Analysis, name: str) -> float:
    item = next(item for item in analysis.measured if item.name.startswith(name))
    assert item.ours is not None, item.note
    return item.ours.value


def chinchilla(size: float, tokens: float) -> float:
    return float(1.7 + 40 / size**0.34 + 150 / tokens**0.28)


def curve(size: float, end: float, loss: Callable[[float, float], float], **told: float | str) -> list[Row]:
    """A learning curve of twelve evaluations, the last of them cooled."""
    tokens = np.geomspace(end / 64, end, 12)
    return [row(size, t, loss(size, t), run_tokens=end, cooled=float(t == end), **told) for t in tokens]


def test_model_size_and_data_size() -> None:
    sized = answer("model-size", [row(n, 1e8, (8e13 / n) ** 0.076) for n in SIZES])
    assert number(sized, "alpha_N, embeddings not counted") == pytest.approx(0.076, rel=1e-3)
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
    assert number(answer("data-size", rows), "alpha_D") == pytest.approx(0.095, rel=1e-3)


def test_the_frontier_of_curves_and_the_batch_taken_out() -> None:
    def loss(size: float, tokens: float) -> float:
        return float(chinchilla(size, tokens))

    rows = [item for n in SIZES for item in curve(n, 3e8, loss)]
    for item in rows:
        critical = 2e5 / float(item["loss"]) ** (1 / 0.21)
        item |= {"measure:gradient_noise": critical, "measure:gradient_squared": 1.0}
    found = answer("compute", rows)
    naive, least = number(found, "alpha_C,"), number(found, "alpha_C_min")
    assert 0.02 < least < naive < 0.1


def test_overfit_finds_both_exponents_and_the_line() -> None:
    rows = [
        row(n, 1e7, ((6e7 / n) ** (0.076 / 0.103) + 1e6 / d) ** 0.103, unique_tokens=d)
        for n, d in product(SIZES, (1e4, 1e5, 1e6, 1e9))
    ]
    found = answer("overfit", rows)
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
            rows.append(row(1e5, tokens, float(loss), batch_tokens=batch, step=tokens / batch, run_tokens=1e9))
    found = answer("batch", rows)
    assert number(found, "alpha_B, from steps and tokens") == pytest.approx(0.21, rel=0.03)
    assert number(found, "B_*, from steps and tokens") == pytest.approx(2000, rel=0.1)


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
    assert number(found, "alpha") == pytest.approx(0.34, abs=0.005)


def test_leaving_embeddings_out_raises_the_exponent() -> None:
    rows = []
    for without, tokens in product(np.geomspace(1e3, 1e6, 8), np.geomspace(1e6, 1e8, 5)):
        total = without + 4000 * without ** (1 / 3)
        loss = chinchilla(total, tokens)
        rows.append(row(total, tokens, loss, params_non_embedding=without))
    found = answer("embedding", rows)
    assert number(found, "a, all parameters counted") == pytest.approx(0.28 / 0.62, abs=0.005)
    assert number(found, "how far the count moves a") > 0.1


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


def test_a_better_optimizer_is_worth_its_factor_in_tokens() -> None:
    rows = [
        row(n, d, chinchilla(n, d * (1.8 if name == "muon" else 1.0)), optimizer=name, arm=name)
        for n, d, name in product(SIZES, np.geomspace(1e6, 1e8, 4), ("adamw", "muon"))
    ]
    found = answer("optimizer", rows, ("adamw", "muon"))
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
    edges = [item | {"loss": float(item["learning_rate"])} for item in rows]
    assert "6 of 6 optima lie at the edge" in answer("learning-rate", edges, ("standard",)).verdict


def test_schedules_are_compared_at_equal_size_and_tokens() -> None:
    rows = [row(n, 1e7, chinchilla(n, 1e7), arm="cosine") for n in SIZES]
    rows += [row(n, 1e7, chinchilla(n, 1e7) * 1.03, arm="cosine-long", horizon=2.0) for n in SIZES]
    rows += [row(n, 1e7, chinchilla(n, 1e7) * 0.99, arm="wsd") for n in SIZES]
    found = answer("schedule", rows, ("cosine", "cosine-long", "wsd"))
    assert number(found, "loss above matched, cosine") == pytest.approx(0.03)
    assert number(found, "loss above matched, stable") == pytest.approx(-0.01)


def test_samples_and_compute_to_reach_a_loss() -> None:
    rows = [item for n in SIZES for item in curve(n, 1e9, lambda n, d: 1.7 + 150 / (d * n**0.25) ** 0.28)]
    found = answer("sample-efficiency", rows)
    assert number(found, "exponent of tokens in model size") == pytest.approx(-0.25, abs=0.01)
    early = answer("stop-early", [item for n in SIZES for item in curve(n, 1e9, chinchilla)])
    assert 0.0 < number(early, "compute relative to the smallest") <= 1.0


def test_a_power_law_beats_a_logarithm_on_runs_that_follow_one() -> None:
    found = answer("power-vs-log", [row(n, 1e8, (8e13 / n) ** 0.076) for n in np.geomspace(1e4, 1e9, 12)])
    assert number(found, "error on the hidden sizes: power law") < 1e-4
    assert number(found, "error of the logarithm relative") > 10.0


def test_positions_recurrence_and_shape() -> None:
    rows: list[Row] = []
    for size, arm, late in product(SIZES[:3], ("transformer", "lstm"), (0.0,)):
        positions = {
            f"position:{t}": 1.0 + 2.0 / t**0.5 + (0.1 if arm == "lstm" and t > 28 else late) for t in range(1, 33)
        }
        rows.append(row(size, 1e7, chinchilla(size, 1e7), arm=arm, **positions))
    found = answer("lstm", rows, ("transformer", "lstm"))
    assert number(found, "LSTM above the transformer, first") == pytest.approx(0.0, abs=1e-9)
    assert number(found, "LSTM above the transformer, last") > 0.05
    along = answer("context", [item for item in rows if item["arm"] == "transformer"])
    assert number(along, f"exponent in position, N = {SIZES[0]:.0f}") == pytest.approx(0.5, rel=0.01)
    reused = [
        row(n, 1e7, chinchilla(n * factor, 1e7), arm=arm, compute=6 * n * 1e7 * passes)
        for n in np.geomspace(1e4, 1e6, 6)
        for arm, factor, passes in (("plain", 1.0, 1), ("reused", 1.5, 3))
    ]
    found = answer("recurrent", reused, ("plain", "reused"))
    assert (
        number(found, "reused above plain at equal parameters") < 0 < number(found, "reused above plain at equal comp")
    )
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
    mixed: list[Row] = []
    for arm, size, share in product(("small", "large"), (1e4,), np.linspace(0.1, 0.9, 9)):
        losses = {"code": 1 + math.exp(-3 * share), "prose": 1 + math.exp(-3 * (1 - share))}
        for part in ("code", "prose"):
            told = {"mix:code": share, "mix:prose": 1 - share, "learning_rate": share}
            mixed.append(row(size, 1e7, losses[part], part=part, arm=arm, **told))
    found = answer("mixture", mixed, ("small", "large"))
    assert number(found, "best share of code, predicted") == pytest.approx(0.5, abs=0.02)
    assert number(found, "best share of code among those tried") == pytest.approx(0.5)


def test_exact_match_jumps_where_loss_does_not() -> None:
    rows: list[Row] = []
    for task in ("copy", "modular", "addition", "recall"):
        for place, size in enumerate(np.geomspace(1e4, 1e8, 9)):
            probability = 0.5 + 0.06 * place
            rows.append(row(size, 1e7, -math.log(probability), part=task, **{"measure:exact": float(place >= 6)}))
    found = answer("emergence", rows)
    assert number(found, "addition: largest step of exact match") == 1.0
    assert number(found, "addition: largest step of loss per token") < 0.25


def test_crossings_and_frontiers_of_curves() -> None:
    table = RunTable.from_columns({"loss": [4.0, 2.0, 1.0], "step": [1.0, 10.0, 100.0], "compute": [1.0, 2.0, 3.0]})
    assert crossing(table, 2.0, "step") == pytest.approx(10.0)
    assert crossing(table, math.sqrt(2.0), "step") == pytest.approx(math.sqrt(1000.0))
    assert math.isnan(crossing(table, 0.5, "step"))
    assert lower_frontier(table)["loss"].tolist() == [4.0, 2.0, 1.0]


def test_a_study_without_a_finished_run_is_refused() -> None:
    with pytest.raises(Refusal, match="no finished run of arm 'transformer'"):
        answer("lstm", [row(1e4, 1e6, 2.0)], ("transformer", "lstm"))
