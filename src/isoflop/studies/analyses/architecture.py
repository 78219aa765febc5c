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
)
from isoflop.studies.analyses.size_and_data import shown_rows


def shape(evidence: Evidence) -> Analysis:
    """Depth, heads and feed-forward ratio at about one size: how far apart their losses are."""
    measured, panel = [], []
    for arm in evidence.arms:
        rows = evidence.rows(arm)
        loss, size = rows.numbers("loss"), rows.numbers("params_non_embedding")
        measured.append(Measured(f"spread of loss over {arm or 'shapes'}", plain(float(loss.max() / loss.min()) - 1.0),
                                 0.03, "kaplan2020, figure 5", _size_note(size)))  # fmt: skip
        for place in np.argsort(loss):
            named = (rows.numbers(name)[place] for name in ("layers", "width", "heads", "feedforward"))
            panel.append(cells(arm, *named, size[place], loss[place], loss[place] / loss.min() - 1.0))
    columns = ("varied", "layers", "width", "heads", "feed-forward", "params_non_embedding", "loss", "above the best")
    return Analysis(
        "shape",
        "loss at one size, by shape",
        tuple(measured),
        (Panel("Shapes", columns, tuple(panel)),),
        "Published: a few percent over a wide range of shapes; the extremes of very small models cost more.",
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
    note = "published: level early, the LSTM worse late, with no number"
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
        "Sizes are close, not equal: the largest of each is compared.",
        fits_of(**laws),
    )  # fmt: skip


def context(evidence: Evidence) -> Analysis:
    """Loss against the position in the context: a power law in it, for models of several sizes and contexts."""
    rows = evidence.rows()
    found: dict[str, Fit | str] = {}
    measured, panel = [], []
    for length in np.unique(rows.numbers("context")):
        here = rows.select(rows.numbers("context") == length)
        for place in np.argsort(here.numbers("params_non_embedding")):
            size = here.numbers("params_non_embedding")[place]
            values = _positions(here.select(np.arange(len(here)) == place))
            table = RunTable.from_columns(
                {"position": np.arange(1.0, len(values) + 1), "loss": values}, source=("runs",)
            )
            fitted = evidence.fit("E + K/position^a", table, cluster="none")
            found[f"context{length:.0f}-size{size:.0f}"] = fitted
            measured.append(parameter(f"exponent in position, N = {size:.0f}, context {length:.0f}", fitted, "a"))
            panel.append(cells(length, size, here.numbers("loss")[place], values[0], values[-1]))
    columns = ("context", "params_non_embedding", "loss", "at the first position", "at the last")
    return Analysis(
        "context",
        "L(T) = E + K/T^a along the context",
        tuple(measured),
        (Panel("Loss over and at the ends of the context", columns, tuple(panel)),),
        "Published (kaplan2020, figures 20 and 21): a power law in position, steeper for larger models, until late.",
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
    return Analysis(
        "recurrent",
        "L = (N_c/N)^alpha of each",
        (
            Measured("reused above plain at equal parameters", plain(per["params_non_embedding"]), None, source, note),
            Measured("reused above plain at equal compute", plain(per["compute"]), None, source, note),
            *(parameter(f"alpha_N, {name}", found, "alpha") for name, found in fits.items()),
        ),
        (shown_rows(evidence.rows(), ("reuse", "params_non_embedding", "compute", "loss")),),
        "The comparison is made where the ranges of both overlap, along a line in log-log through the plain models.",
        fits_of(**fits),
    )


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
