"""What depends on the text: other distributions, mixtures of sources, and tasks with right answers."""

from __future__ import annotations

import math

import numpy as np

from isoflop.errors import Refusal
from isoflop.fitting.fit import Fit, predict
from isoflop.lab.tasks import TASKS
from isoflop.studies.analyses.analysis import (
    Analysis,
    Array,
    Evidence,
    Measured,
    Panel,
    cells,
    fits_of,
    parameter,
    plain,
    resting_on,
)
from isoflop.studies.analyses.directions import against_published, where

_CONSTANT = 0.1  # spread of an offset, as a share of it, that is none yet
_MIXTURE_LAW = "c + k*exp(t*share)"
_SEEN = 0.2  # range of exact match in which a jump can be seen
_JUMP, _SMOOTH = 0.8, 0.6  # share of a range in one step: above it a jump, below it none


def transfer(evidence: Evidence) -> Analysis:
    """Models trained on one text and scored on others: parallel laws, apart by a constant."""
    trained_on = _heaviest_part(evidence)
    scored = {part: evidence.rows(part=part) for part in _parts(evidence)}
    found = {part: evidence.fit("kaplan-n", rows, x=("params_non_embedding",)) for part, rows in scored.items()}
    measured: list[Measured] = []
    panel: list[tuple[str, ...]] = []
    home = scored[trained_on]
    directions = []
    for part, rows in scored.items():
        measured.append(parameter(f"alpha_N on {part}", found[part], "alpha"))
        offset = rows.numbers("loss") - home.numbers("loss")
        panel.append(cells(part, float(offset.mean()), float(offset.std()), float(rows.numbers("loss").min())))
        if part != trained_on:
            spread = float(offset.std()) / (abs(float(offset.mean())) or math.nan)
            directions.append(where(spread <= _CONSTANT, f"the offset of {part} varies by {spread:.0%}", spread))
            ratio = _alpha(found[part]) / _alpha(found[trained_on])
            relative = Measured(f"exponent on {part} relative to {trained_on}", plain(ratio), 1.0,
                                "kaplan2020, figure 8")  # fmt: skip
            measured.append(resting_on(relative, *((f"the law of {name}", found[name]) for name in (part, trained_on))))
    return Analysis(
        "transfer",
        "L_part = (N_c/N)^alpha on every part",
        tuple(measured),
        (Panel(f"Loss above that on {trained_on}, over all runs",
               ("part", "mean offset, nats", "its spread over runs", "least loss"), tuple(panel)),),
        against_published("the offsets are constant", *directions)
        + f" All runs were trained on {trained_on} alone; a constant offset has a spread near 0.",
        fits_of(**found),
    )  # fmt: skip


def mixture(evidence: Evidence) -> Analysis:
    """Loss on each source against its share in training, the best mixture that follows, and what larger models say."""
    parts = _parts(evidence)
    if len(parts) != 2:
        raise Refusal(f"the law of mixtures is fitted for two parts; this text has {len(parts)}.")
    small, large = evidence.arms[0], evidence.arms[-1]
    found: dict[str, Fit | str] = {}
    measured: list[Measured] = []
    panel: list[tuple[str, ...]] = []
    for part in parts:
        rows = evidence.rows(small, part=part)
        table = rows.with_columns({"share": rows.numbers(f"mix:{part}") + 1e-9})
        found[part] = evidence.fit(_MIXTURE_LAW, table, cluster="none")
        measured.append(parameter(f"t, loss on {part} in its own share", found[part], "t"))
    best = {arm: _least_mean(evidence, arm, parts) for arm in (small, large)}
    forecast = _best_share(found, parts)
    for arm in (small, large):
        shares, losses = _mean_losses(evidence, arm, parts)
        panel.extend(cells(arm, share, loss) for share, loss in zip(shares, losses, strict=True))
    tried = np.unique(shares)
    distance = abs(int(np.argmin(np.abs(tried - forecast))) - int(np.argmin(np.abs(tried - best[large]))))
    refused = any(isinstance(law, Fit) and law.refused for law in found.values())
    direction = against_published(
        "the best mixture of the large models is, to a step between those tried, the one that small ones predict",
        where(distance <= 1, f"small models predict {forecast:.2g} as the best share of {parts[0]}, large ones are "
              f"best at {best[large]:.2g}", math.nan if refused else forecast),
    )  # fmt: skip
    measured += [
        resting_on(
            Measured(f"best share of {parts[0]}, predicted from the {small} models", plain(forecast), None, "ye2024"),
            *((f"the law of {part}", law) for part, law in found.items()),
        ),
        Measured(f"best share of {parts[0]} among those tried, {large} models", plain(best[large])),
    ]
    return Analysis(
        "mixture",
        "L_i = c_i + k_i exp(t_i r_i)",
        tuple(measured),
        (Panel(f"Mean loss over the parts by share of {parts[0]}", ("models", "share", "mean loss"), tuple(panel)),),
        f"{direction} To predict the best mixture from many small models and to check it on larger ones is the way of "
        "RegMix (liu2024), through the law of ye2024 in place of a regression. The best is that with the least mean "
        "loss over the parts, each counted equally.",
        fits_of(**found),
    )


def emergence(evidence: Evidence) -> Analysis:
    """Small tasks along a ladder: answers that are exactly right come in jumps, their log-probability does not."""
    measured: list[Measured] = []
    panel: list[tuple[str, ...]] = []
    jumps = []
    for task in TASKS:
        rows = evidence.rows(part=task)
        order = np.argsort(rows.numbers("compute"))
        exact, loss = (rows.numbers(name)[order] for name in ("measure:exact", "loss"))
        size, tokens = rows.numbers("params_total")[order], rows.numbers("tokens")[order]
        measured += [
            Measured(f"{task}: largest step of exact match, share of its range", plain(_largest_step(exact)), None,
                     "wei2022", "" if np.ptp(exact) > _SEEN else f"exact match stays within {exact.min():.2f} to "
                     f"{exact.max():.2f}: no jump at this scale"),
            Measured(f"{task}: largest step of loss per token, share of its range", plain(_largest_step(loss)), None,
                     "schaeffer2023"),
        ]  # fmt: skip
        panel.extend(cells(task, *row) for row in zip(size, tokens, exact, loss, strict=True))
        if np.ptp(exact) > _SEEN and _largest_step(exact) > _JUMP and _largest_step(loss) < _SMOOTH:
            jumps.append(task)
    direction = (
        f"As published for {', '.join(jumps)}: exact match jumps, loss does not." if jumps else
        "Not as published at this scale: there is no task whose exact match jumps while its loss does not."
    )  # fmt: skip
    return Analysis(
        "emergence",
        "exact match and loss per token of the answer, by compute",
        tuple(measured),
        (Panel("Answers", ("task", "params", "tokens", "exact match", "loss per token"), tuple(panel)),),
        f"{direction} A step is one between neighbouring runs by compute; a smooth quantity spreads its range over "
        "many.",
    )


def _parts(evidence: Evidence) -> list[str]:
    names = [name for name in dict.fromkeys(str(part) for part in evidence.table["part"]) if name]
    if not names:
        raise Refusal("the text of this study has no parts: use text.source = 'mixture'.")
    return names


def _heaviest_part(evidence: Evidence) -> str:
    rows = evidence.rows()
    return max(_parts(evidence), key=lambda part: float(rows.numbers(f"mix:{part}")[0]))


def _alpha(found: Fit | str) -> float:
    return math.nan if isinstance(found, str) else found.params["alpha"].value


def _mean_losses(evidence: Evidence, arm: str, parts: list[str]) -> tuple[Array, Array]:
    """Shares of the first part and the mean loss over parts, in order of the share."""
    rows = [evidence.rows(arm, part=part) for part in parts]
    share = rows[0].numbers(f"mix:{parts[0]}")
    mean = np.mean([table.numbers("loss") for table in rows], axis=0)
    order = np.argsort(share)
    return share[order], mean[order]


def _least_mean(evidence: Evidence, arm: str, parts: list[str]) -> float:
    shares, losses = _mean_losses(evidence, arm, parts)
    return float(shares[np.argmin(losses)])


def _best_share(found: dict[str, Fit | str], parts: list[str]) -> float:
    """The share of the first part at which the sum of the fitted laws is least."""
    grid = np.linspace(0.01, 0.99, 99)
    total = np.zeros(len(grid))
    for part in parts:
        law = found[part]
        if isinstance(law, str):
            return math.nan
        total += predict(law.law, law.theta, {"share": grid if part == parts[0] else 1.0 - grid})[0]
    return float(grid[np.argmin(total)])


def _largest_step(values: Array) -> float:
    """The largest change between neighbours as a share of the range, 0 where nothing changes."""
    span = float(np.ptp(values))
    return float(np.abs(np.diff(values)).max()) / span if span > 0 and len(values) > 1 else 0.0
