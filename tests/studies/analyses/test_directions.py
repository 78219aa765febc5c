"""Whether ours goes as published: analyses on runs made so that it does, and so that it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from isoflop.quantities import Estimate
from isoflop.studies.analyses.directions import Direction, above, against_published, where
from tests.studies.analyses.made import SIZES, Row, answer, chinchilla, curve, row


def test_the_sentence_says_what_holds_what_does_not_and_what_is_open() -> None:
    holds, not_so, is_open = (Direction(value, f"{value} it is") for value in (True, False, None))
    assert against_published("so it is", holds) == "As published: so it is."
    assert against_published("so it is", holds, is_open) == "As published as far as it can be told: so it is."
    assert against_published("so it is", holds, not_so, is_open) == "Not as published: False it is."
    assert against_published("so it is", is_open).startswith("Published: so it is; whether ours does is open")


@pytest.mark.parametrize(
    ("high", "low", "holds", "sure"),
    [
        (Estimate(2.0, 1.8, 2.2), Estimate(1.0, 0.8, 1.2), True, True),
        (Estimate(2.0, 1.8, 2.2), Estimate(1.0, 0.8, None), True, False),
        (Estimate(2.0, 1.1, 2.2), Estimate(1.0, 0.8, 1.2), True, False),
        (Estimate(1.0, 0.8, 1.2), Estimate(2.0, 1.1, 2.2), False, False),
        (Estimate(1.0, 0.8, 1.2), 2.0, False, True),
        (Estimate(2.0), 1.0, True, True),
        (None, 1.0, None, True),
        (math.nan, 1.0, None, True),
    ],
)
def test_one_number_lies_above_another(
    high: Estimate | float | None, low: Estimate | float, holds: bool | None, sure: bool
) -> None:
    assert above(high, low, "") == Direction(holds, "", sure)


def test_intervals_that_meet_are_told() -> None:
    wide = Estimate(1.0, 0.0, 3.0)
    assert against_published("so", above(2.0, wide, "not so")) == (
        "As published: so, though the intervals allow the opposite."
    )
    assert (
        against_published("so", above(wide, 2.0, "not so"))
        == "Not as published: not so, though the intervals allow it."
    )
    assert where(True, "", math.nan).holds is None


@pytest.mark.parametrize(
    ("powers", "told"),
    [
        ({32.0: (0.4, 0.5, 0.6), 64.0: (0.4, 0.5, 0.6)}, "As published: "),
        (
            {32.0: (0.4, 0.5, 0.6), 64.0: (0.6, 0.5, 0.4)},
            "Not as published: the exponent does not rise with size at context 64.",
        ),
    ],
)
def test_whether_larger_models_are_steeper_along_the_context(powers: dict[float, Sequence[float]], told: str) -> None:
    rows = [
        row(size, 1e7, chinchilla(size, 1e7), context=length, batch_tokens=length,
            **{f"position:{t}": 1.0 + 2.0 / t**power for t in range(1, int(length) + 1)})
        for length, exponents in powers.items()
        for size, power in zip(SIZES[:3], exponents, strict=True)
    ]  # fmt: skip
    assert answer("context", rows).verdict.startswith(told)


@pytest.mark.parametrize(
    ("last", "told"), [(0.34, "As published: every step lowers"), (0.6, "Not as published: step 5 does not lower")]
)
def test_whether_every_step_lowers_the_exponent(last: float, told: str) -> None:
    rows = []
    for arm, beta in (("long warm-up", 0.6), ("short warm-up", 0.5), ("matched decay", 0.42), ("tuned", last)):
        for n, d, cooled in product(np.geomspace(1e3, 1e8, 6), np.geomspace(1e6, 1e9, 5), (0.0, 1.0)):
            size = 1000 * math.sqrt(n)
            loss = 1.7 + 40 / size**0.34 + 150 / d**beta
            rows.append(row(size, d, loss, params_non_embedding=n, arm=arm, cooled=cooled))
    found = answer("kaplan-vs-chinchilla", rows, ("long warm-up", "short warm-up", "matched decay", "tuned"))
    assert found.verdict.startswith(told)


@pytest.mark.parametrize(("power", "told"), [(0.5, "As published: leaving"), (2.0, "Not as published: leaving")])
def test_whether_leaving_out_embeddings_raises_the_exponent(power: float, told: str) -> None:
    rows = [
        row(size, tokens, chinchilla(size, tokens), params_non_embedding=size ** (1 / power))
        for size, tokens in product(np.geomspace(1e4, 1e8, 8), np.geomspace(1e6, 1e8, 5))
    ]
    assert answer("embedding", rows).verdict.startswith(told)


def test_without_a_noise_scale_the_direction_of_compute_is_open() -> None:
    rows = [item for n in np.geomspace(1e4, 1e7, 9) for item in curve(n, 1e4 * n, chinchilla)]
    assert "whether ours does is open" in answer("compute", rows).verdict


def test_which_tasks_jump() -> None:
    rows: list[Row] = []
    for task in ("copy", "modular", "addition", "recall"):
        for place, size in enumerate(np.geomspace(1e4, 1e8, 9)):
            # Exact match of addition jumps while its loss falls evenly; that of recall rises evenly, too.
            exact = {"addition": float(place >= 6), "recall": place / 8}.get(task, 0.0)
            rows.append(row(size, 1e7, 2.0 - 0.1 * place, part=task, **{"measure:exact": exact}))
    assert answer("emergence", rows).verdict.startswith("As published for addition: exact match jumps")
    none = [item | {"measure:exact": 0.5} for item in rows]
    assert answer("emergence", none).verdict.startswith("Not as published at this scale")


@pytest.mark.parametrize(("growth", "told"), [(0.0, "As published: "), (0.3, "Not as published: the offset of prose")])
def test_whether_the_offset_between_texts_is_constant(growth: float, told: str) -> None:
    rows = []
    for place, size in enumerate(SIZES):
        for part, offset in (("", 0.0), ("code", 0.0), ("prose", 0.3 + growth * place)):
            loss = 2.0 + size**-0.1 + offset
            rows.append(row(size, 1e7, loss, part=part, **{"mix:code": 1.0, "mix:prose": 0.0}))
    assert answer("transfer", rows).verdict.startswith(told)


@pytest.mark.parametrize(("late", "told"), [(1.08, "As published: "), (1.0, "Not as published: late in the context")])
def test_whether_an_lstm_is_worse_late_in_the_context(late: float, told: str) -> None:
    rows = []
    for size, arm in product(SIZES[:3], ("transformer", "lstm")):
        worse = late if arm == "lstm" else 1.0
        positions = {f"position:{t}": (1.0 + 2.0 / t**0.5) * (worse if t > 28 else 1.0) for t in range(1, 33)}
        rows.append(row(size, 1e7, chinchilla(size, 1e7), arm=arm, **positions))
    assert answer("lstm", rows, ("transformer", "lstm")).verdict.startswith(told)


@pytest.mark.parametrize(
    ("worth", "told"), [(1.5, "As published: reused"), (0.8, "Not as published: at equal parameters reused layers are")]
)
def test_whether_reused_layers_are_better_per_parameter(worth: float, told: str) -> None:
    rows = [
        row(n, 1e7, (8e13 / (n * factor)) ** 0.076, arm=arm, compute=6 * n * 1e7 * passes)
        for n in np.geomspace(1e4, 1e6, 6)
        for arm, factor, passes in (("plain", 1.0, 1), ("reused", worth, 3))
    ]
    assert answer("recurrent", rows, ("plain", "reused")).verdict.startswith(told)


@pytest.mark.parametrize(
    ("worst", "told"), [(2.08, "As published: "), (2.5, "Not as published: depth changes the loss by 25%")]
)
def test_whether_shapes_differ_by_a_few_percent(worst: float, told: str) -> None:
    rows = [row(1e5, 1e7, loss, arm="depth", layers=n) for n, loss in ((1, 2.02), (2, 2.0), (4, worst))]
    assert answer("shape", rows, ("depth",)).verdict.startswith(told)


@pytest.mark.parametrize(
    ("power", "told"), [(0.25, "As published: larger"), (-0.25, "Not as published: larger models do not")]
)
def test_whether_larger_models_need_fewer_tokens(power: float, told: str) -> None:
    rows = [item for n in SIZES for item in curve(n, 1e9, lambda n, d: 1.7 + 150 / (d * n**power) ** 0.28)]
    assert answer("sample-efficiency", rows).verdict.startswith(told)


@pytest.mark.parametrize(
    ("shift", "told"), [(0.0, "As published: the best mixture"), (0.6, "Not as published: small models predict")]
)
def test_whether_small_models_predict_the_best_mixture(shift: float, told: str) -> None:
    rows = []
    for arm, share in product(("small", "large"), np.linspace(0.1, 0.9, 9)):
        place = share + (shift if arm == "large" else 0.0)
        for part, loss in (("code", 1 + 2 * math.exp(-3 * place)), ("prose", 1 + math.exp(-2 * (1 - place)))):
            told_of = {"mix:code": share, "mix:prose": 1 - share, "learning_rate": share}
            rows.append(row(1e4, 1e7, loss, part=part, arm=arm, **told_of))
    assert answer("mixture", rows, ("small", "large")).verdict.startswith(told)


@pytest.mark.parametrize(("long", "told"), [(1.03, "As published: a cosine"), (0.98, "Not as published: a cosine")])
def test_whether_a_cosine_made_for_longer_hurts(long: float, told: str) -> None:
    arms = (("cosine", 1.0, 1.0), ("cosine-long", long, 2.0), ("wsd", 1.0, 1.0))
    rows = [
        row(n, 1e7, chinchilla(n, 1e7) * factor, arm=arm, horizon=horizon)
        for n in SIZES
        for arm, factor, horizon in arms
    ]
    assert answer("schedule", rows, ("cosine", "cosine-long", "wsd")).verdict.startswith(told)
