"""What depends on the model: its shape, recurrence, the reuse of layers, and the length of its context."""

from __future__ import annotations

import math

import numpy as np

from isoflop.fitting.fit import Fit
from isoflop.runs.table import RunTable
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
    spread_over_seeds,
)
from isoflop.studies.analyses.directions import Direction, against_published, trusted, where
from isoflop.studies.analyses.size_and_data import shown_rows

_FEW_PERCENT = 0.05
_LEVEL = 0.02  # a difference in loss that is none yet


def shape(evidence: Evidence) -> Analysis:
    """Depth, heads and feed-forward ratio at about one size: how far apart their losses are."""
    measured, panel, directions = [], [], []
    for arm in evidence.arms:
        rows = evidence.rows(arm)
        loss, size = rows.numbers("loss"), rows.numbers("params_non_embedding")
        spread = float(loss.max() / loss.min()) - 1.0
        measured.append(Measured(f"spread of loss over {arm or 'shapes'}", plain(spread),
                                 0.03, "kaplan2020, figure 5", _size_note(size)))  # fmt: skip
        directions.append(where(spread <= _FEW_PERCENT, f"{arm or 'the shape'} changes the loss by {spread:.0%}"))
        for place in np.argsort(loss):
            named = (rows.numbers(name)[place] for name in ("layers", "width", "heads", "feedforward"))
            panel.append(cells(arm, *named, size[place], loss[place], loss[place] / loss.min() - 1.0))
    columns = ("varied", "layers", "width", "heads", "feed-forward", "params_non_embedding", "loss", "above the best")
    return Analysis(
        "shape",
        "loss at one size, by shape",
        (*measured, *spread_over_seeds(evidence.rows())),
        (Panel("Shapes", columns, tuple(panel)),),
        against_published("the loss changes by a few percent over a wide range of shapes", *directions)
        + " The extremes of very small models cost more.",
    )


def lstm(evidence: Evidence) -> Analysis:
    """An LSTM and a transformer at equal sizes: early and late in the context."""
    transformer, recurrent = evidence.rows("transformer"), evidence.rows("lstm")
    laws = {
        "transformer": evidence.fit("kaplan-n", transformer, x=("params_non_embedding",)),
        "lstm": evidence.fit("kaplan-n", recurrent, x=("params_non_embedding",)),
    }
    ours, twin = _positions(_largest(transformer)), _positions(_largest(recurrent))
    tenth = max(1, len(ours) // 8)
    early, late = (float(twin[part].mean() / ours[part].mean()) - 1.0 for part in (slice(tenth), slice(-tenth, None)))
    shown = np.unique(np.geomspace(1, len(ours), 12).round().astype(int))
    panel = Panel("Loss at each position, largest model of both", ("position", "transformer", "lstm"),
                  tuple(cells(int(place), ours[place - 1], twin[place - 1]) for place in shown))  # fmt: skip
    note = "published: level early, the LSTM worse late"
    direction = against_published(
        "the LSTM is level early in the context and worse late",
        where(abs(early) <= _LEVEL, f"early in the context the LSTM is not level ({early:+.1%})", early),
        where(late > _LEVEL, f"late in the context the LSTM is no worse ({late:+.1%})", late),
    )
    return Analysis(
        "lstm",
        "L = (N_c/N)^alpha of each; loss at each position",
        (
            *(parameter(f"alpha_N, {name}", found, "alpha") for name, found in laws.items()),
            Measured("LSTM above the transformer, first eighth of the context", plain(early), None,
                     "kaplan2020, figure 7", note),
            Measured("LSTM above the transformer, last eighth of the context", plain(late), None,
                     "kaplan2020, figure 7", note),
        ),
        (panel, shown_rows(evidence.rows(), ("params_non_embedding", "compute", "loss"))),
        f"{direction} Sizes are close, not equal: the largest of each is compared.",
        fits_of(**laws),
    )  # fmt: skip


def context(evidence: Evidence) -> Analysis:
    """Loss against the position in the context: a power law in it, for models of several sizes and contexts."""
    rows = evidence.rows()
    found: dict[str, Fit | str] = {}
    measured, panel, slopes = [], [], {}
    for length in np.unique(rows.numbers("context")):
        here = rows.select(rows.numbers("context") == length)
        steepness = []
        for place in np.argsort(here.numbers("params_non_embedding")):
            size = here.numbers("params_non_embedding")[place]
            values = _positions(here.select(np.arange(len(here)) == place))
            table = RunTable.from_columns(
                {"position": np.arange(1.0, len(values) + 1), "loss": values}, source=("runs",)
            )
            fitted = evidence.fit("E + K/position^a", table, cluster="none")
            found[f"context{length:.0f}-size{size:.0f}"] = fitted
            measured.append(parameter(f"exponent in position, N = {size:.0f}, context {length:.0f}", fitted, "a"))
            exponent = trusted(measured[-1], fitted)
            steepness.append((size, math.nan if exponent is None else exponent.value))
            panel.append(cells(length, size, here.numbers("loss")[place], values[0], values[-1]))
        slopes[f"{length:.0f}"] = _slope(steepness)
    flat = [length for length, slope in slopes.items() if slope <= 0.0]
    open_ = not any(math.isfinite(slope) for slope in slopes.values())
    direction = Direction(
        None if open_ else not flat, f"the exponent does not rise with size at context {', '.join(flat)}"
    )
    columns = ("context", "params_non_embedding", "loss", "at the first position", "at the last")
    return Analysis(
        "context",
        "L(T) = E + K/T^a along the context",
        tuple(measured),
        (Panel("Loss over and at the ends of the context", columns, tuple(panel)),),
        against_published("a power law in position is steeper for larger models", direction)
        + " Published in kaplan2020, figures 20 and 21: it holds until late.",
        fits_of(**found),
    )


def recurrent(evidence: Evidence) -> Analysis:
    """A transformer that passes its layers several times: per parameter and per FLOP."""
    plain_rows, reused = evidence.rows("plain"), evidence.rows("reused")
    per = {}
    for axis in ("params_non_embedding", "compute"):
        per[axis] = _gap(plain_rows, reused, axis)
    fits = {
        "plain": evidence.fit("kaplan-n", plain_rows, x=("params_non_embedding",)),
        "reused": evidence.fit("kaplan-n", reused, x=("params_non_embedding",)),
    }
    source, note = "kaplan2020, figure 17", "published: a little better per parameter, a little worse per FLOP"
    gaps = per["params_non_embedding"], per["compute"]
    direction = against_published(
        "reused layers are better per parameter and worse per FLOP",
        where(gaps[0] < 0.0, f"at equal parameters reused layers are no better ({gaps[0]:+.1%})", gaps[0]),
        where(gaps[1] > 0.0, f"at equal compute reused layers are no worse ({gaps[1]:+.1%})", gaps[1]),
    )
    return Analysis(
        "recurrent",
        "L = (N_c/N)^alpha of each",
        (
            Measured("reused above plain at equal parameters", plain(per["params_non_embedding"]), None, source, note),
            Measured("reused above plain at equal compute", plain(per["compute"]), None, source, note),
            *(parameter(f"alpha_N, {name}", found, "alpha") for name, found in fits.items()),
        ),
        (shown_rows(evidence.rows(), ("reuse", "params_non_embedding", "compute", "loss")),),
        f"{direction} The comparison is made where the ranges of both overlap, along a line in log-log through the "
        "plain models.",
        fits_of(**fits),
    )


def _slope(exponents: list[tuple[float, float]]) -> float:
    """Of a line through pairs of a size and an exponent, over the logarithm of size; what is no number is left out."""
    size, value = np.array([pair for pair in exponents if math.isfinite(pair[1])]).reshape(-1, 2).T
    return float(np.polyfit(np.log(size), value, 1)[0]) if len(np.unique(size)) > 1 else math.nan


def _positions(row: RunTable) -> Array:
    """Loss at every position of the one run in `row`."""
    names = [name for name in row.columns if name.startswith("position:")]
    values = np.array([row.numbers(name)[0] for name in names])
    return np.asarray(values[np.isfinite(values)])


def _largest(rows: RunTable) -> RunTable:
    return rows.select(np.arange(len(rows)) == int(np.argmax(rows.numbers("params_non_embedding"))))


def _size_note(size: Array) -> str:
    spread = float(size.max() / size.min()) - 1.0
    return f"sizes differ by {spread:.0%}" if spread > 0.02 else ""


def _gap(reference: RunTable, other: RunTable, axis: str) -> float:
    """Mean relative distance in loss of `other` from the line through `reference` along `axis`, inside its range."""
    known, loss = np.log(reference.numbers(axis)), np.log(reference.numbers("loss"))
    asked = np.log(other.numbers(axis))
    order = np.argsort(known)
    inside = (asked >= known.min()) & (asked <= known.max())
    if not inside.any():
        return math.nan
    line = np.interp(asked[inside], known[order], loss[order])
    return float(np.exp(np.mean(np.log(other.numbers("loss")[inside]) - line)) - 1.0)
