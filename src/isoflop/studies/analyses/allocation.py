"""How the best model size and data grow with compute: three approaches, two counts, and what moves the exponent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from isoflop.accounting.flops import six_nd
from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.envelope import fit_envelope
from isoflop.fitting.fit import Fit
from isoflop.fitting.frontier_fit import FrontierFit
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.quantities import Estimate
from isoflop.runs.table import RunTable
from isoflop.studies.analyses.analysis import (
    Analysis,
    Array,
    Evidence,
    Measured,
    derived,
    fits_of,
    frontier_exponent,
    parameter,
    plain,
    resting_on,
)
from isoflop.studies.analyses.directions import Direction, above, against_published, trusted
from isoflop.studies.analyses.size_and_data import shown_rows

HOFFMANN = "hoffmann2022, table 2"
_NEARLY_FRESH = 0.85  # of a fresh token's worth; muennighoff2023 has 0.93 after four epochs
LAW = "L = E + A/N^alpha + B/D^beta"


def three_approaches(evidence: Evidence) -> Analysis:
    """The envelope of learning curves, slices of equal compute and a parametric law, side by side."""
    cooled, curves = evidence.rows(), evidence.rows(cooled=None)
    envelope = frontier_of(lambda: fit_envelope(curves, **_settings(evidence)))
    slices = frontier_of(lambda: fit_isoflops(cooled, **_settings(evidence)))
    surface = evidence.fit("chinchilla", cooled)
    return Analysis(
        "allocation",
        LAW,
        (
            frontier_exponent("a of N* ~ C^a, approach 1: envelope", envelope, 0.50, HOFFMANN),
            frontier_exponent("a of N* ~ C^a, approach 2: IsoFLOP slices", slices, 0.49, HOFFMANN),
            frontier_exponent("a of N* ~ C^a, approach 3: parametric law", surface, 0.46, HOFFMANN),
            parameter("alpha", surface, "alpha", 0.34, "hoffmann2022, eq. 10"),
            parameter("beta", surface, "beta", 0.28, "hoffmann2022, eq. 10"),
            derived("tokens per parameter at the largest compute", surface, _ratio_at(cooled), 20.0, HOFFMANN),
        ),
        (shown_rows(cooled, ("params_total", "tokens", "compute", "loss")),),
        "The three answers come from the same runs; where one cannot be given, its reason stands beside it.",
        fits_of(envelope=envelope, isoflop=slices, parametric=surface),
    )


def embedding(evidence: Evidence) -> Analysis:
    """The same runs counted with and without embeddings: the exponent of the best size moves as published."""
    rows = evidence.rows()
    total = evidence.fit("chinchilla", _counted(rows, "params_total"))
    without = evidence.fit("chinchilla", _counted(rows, "params_non_embedding"))
    difference = _exponent(without) - _exponent(total)
    source = "pearce2024, simulated in small models"
    with_them = frontier_exponent("a, all parameters counted", total, 0.509, source)
    without_them = frontier_exponent("a, embeddings not counted", without, 0.775, source)
    direction = against_published(
        "leaving out embeddings raises the exponent",
        above(trusted(without_them, without), trusted(with_them, total),
              "leaving out embeddings does not raise the exponent"),
    )  # fmt: skip
    return Analysis(
        "embedding",
        f"{LAW}, N with and without embeddings",
        (
            with_them,
            without_them,
            resting_on(
                Measured("how far the count moves a", plain(difference), 0.266, "pearce2024",
                         "" if np.isfinite(difference) else "one of the two fits has no frontier"),
                ("the fit to all parameters", total), ("the fit without embeddings", without)),
        ),
        (shown_rows(rows, ("params_total", "params_non_embedding", "tokens", "loss")),),
        f"{direction} Without embeddings small models look smaller than they are, so that the best size seems to grow "
        "faster.",
        fits_of(total=total, non_embedding=without),
    )  # fmt: skip


_STEPS = (
    ("long warm-up", "params_non_embedding", None, 0.835, "as Kaplan: long warm-up, unmatched decay, no head"),
    ("long warm-up", "params_total", None, 0.706, "embedding and last layer counted"),
    ("short warm-up", "params_total", None, 0.602, "warm-up shortened"),
    ("matched decay", "params_total", True, 0.571, "decay matched to the budget"),
    ("tuned", "params_total", True, 0.497, "learning rate tuned to the size"),
)


def kaplan_against_chinchilla(evidence: Evidence) -> Analysis:
    """The exponent of the best size after each of five corrections, from Kaplan's recipe to Chinchilla's."""
    found: dict[str, Fit | str] = {}
    measured = []
    for number, (arm, count, cooled, published, told) in enumerate(_STEPS, start=1):
        name = f"step {number}: {told}"
        found[f"step{number}"] = evidence.fit("chinchilla", _counted(evidence.rows(arm, cooled=cooled), count))
        measured.append(frontier_exponent(name, found[f"step{number}"], published, "porian2024, RefinedWeb"))
    exponents = [trusted(item, fitted) for item, fitted in zip(measured, found.values(), strict=True)]
    direction = against_published(
        "every step lowers the exponent",
        *(above(before, after, f"step {number} does not lower the exponent ({_STEPS[number - 1][-1]})")
          for number, (before, after) in enumerate(pairwise(exponents), start=2)),
    )  # fmt: skip
    return Analysis(
        "kaplan-vs-chinchilla",
        f"{LAW}; a = beta/(alpha + beta)",
        tuple(measured),
        (shown_rows(evidence.rows(), ("params_total", "tokens", "loss")),),
        f"{direction} Published exponents come from slices of equal compute over four decades, ours from the "
        "parametric law over the small range at hand: compare the direction of each step before its size.",
        fits_of(**found),
    )


def known_entropy(evidence: Evidence) -> Analysis:
    """Whether the floor of the fitted law lands on the entropy of a source that is known exactly."""
    rows = evidence.rows()
    context = int(rows.numbers("context")[0])
    if evidence.known is None:
        raise Refusal("the entropy of this text is not known: use text.source = 'synthetic'.")
    floor = evidence.known.floor(context)
    found = evidence.fit(evidence.study.fit.law, rows)
    verdict = f"The lowest possible loss over windows of {context} tokens is {floor:.4f} nats."
    if not isinstance(found, str):
        ours = found.params["E"]
        inside = (ours.low is None or ours.low <= floor) and (ours.high is None or floor <= ours.high)
        verdict += f" The fitted E is {ours.value / floor - 1.0:+.1%} from it; its interval "
        verdict += "covers it." if inside else "does not cover it."
    shared = float(rows.numbers("loss_se")[np.argmin(rows.numbers("loss"))])
    verdict += f" All runs are scored on the same windows, a sample that moves their losses together by {shared:.4f}."
    return Analysis(
        "known-entropy",
        LAW,
        (
            parameter("E", found, "E", floor, "computed from the source, exactly"),
            Measured("entropy rate, all the past known", plain(evidence.known.rate)),
            parameter("alpha", found, "alpha"),
            parameter("beta", found, "beta"),
        ),
        (shown_rows(rows, ("params_total", "tokens", "loss", "loss_se")),),
        verdict,
        fits_of(known_entropy=found),
    )


def repeat(evidence: Evidence) -> Analysis:
    """Epochs over few distinct tokens: what a token is worth when it is seen again."""
    rows = evidence.rows()
    joint = evidence.fit("muennighoff", rows)
    data = evidence.fit("muennighoff-data", rows)
    epochs = rows.numbers("tokens") / np.minimum(rows.numbers("unique_tokens"), rows.numbers("tokens"))
    table = rows.with_columns({"epochs": epochs})
    worths = [
        derived(f"worth of a token on average after {number} epochs", data, partial(_worth, number), published,
                "muennighoff2023")
        for number, published in ((4, 0.931), (16, 0.661))
    ]  # fmt: skip
    direction = against_published(
        "tokens read four times are nearly as good as fresh ones", _nearly_fresh(trusted(worths[0], data))
    )
    return Analysis(
        "repeat",
        "L = E + A/N'^alpha + B/D'^alpha; D' = U + U R_D (1 - exp(-(D/U - 1)/R_D))",
        (
            parameter("R_D, epochs after which repeats are worth 1/e less", joint, "R_D", 15.388, "muennighoff2023"),
            parameter("R_N", joint, "R_N", 5.310, "muennighoff2023"),
            parameter("R_D, size left alone", data, "R_D"),
            *worths,
        ),
        (shown_rows(table, ("params_total", "tokens", "unique_tokens", "epochs", "loss")),),
        f"{direction} The distinct tokens are windows drawn evenly from the text, the same for every model.",
        fits_of(repeat=joint, repeat_data=data),
    )


def _nearly_fresh(worth: Estimate | None) -> Direction:
    told = "" if worth is None else f"tokens read four times are worth {worth.value:.2f} of fresh ones"
    return above(worth, _NEARLY_FRESH, told)


def _worth(epochs: int, it: Mapping[str, Array]) -> Array:
    """What a token is worth on average when the text is read `epochs` times, in fresh tokens."""
    decay = it["R_D"]
    return np.asarray((1.0 + decay * (1.0 - np.exp((1.0 - epochs) / decay))) / epochs)


def frontier_of(make: Callable[[], FrontierFit]) -> FrontierFit | str:
    """What `make` gives, or why these runs do not carry it."""
    try:
        return make()
    except (Refusal, InputError, UsageError) as error:
        return str(error)


def _settings(evidence: Evidence) -> dict[str, Any]:
    rule = evidence.study.fit
    return {"draws": rule.draws, "level": rule.level, "seed": evidence.study.seed}


def _counted(rows: RunTable, count: str) -> RunTable:
    params = rows.numbers(count)
    return rows.with_columns({"params": params, "compute": six_nd(1.0, 1.0) * params * rows.numbers("tokens")})


def _exponent(found: Fit | str) -> float:
    if isinstance(found, str) or "params_exponent" not in found.frontier:
        return float("nan")
    return found.frontier["params_exponent"].value


def _ratio_at(rows: RunTable) -> Callable[[Mapping[str, Array]], Array]:
    """Tokens per parameter on the frontier of chinchilla's law at the largest compute of `rows`."""
    budget = float(rows.numbers("compute").max()) / 6.0

    def ratio(it: Mapping[str, Array]) -> Array:
        alpha, beta = it["alpha"], it["beta"]
        gain = (alpha * it["A"] / (beta * it["B"])) ** (1.0 / (alpha + beta))
        params = gain * budget ** (beta / (alpha + beta))
        return np.asarray(budget / params**2)

    return ratio
