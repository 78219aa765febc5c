"""Learning curves: loss while training against compute spent, and under them the least loss the law gives a budget."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np

from isoflop.fitting.fit import Fit, predict
from isoflop.laws.frontier import frontier, has_frontier
from isoflop.quantities import format_count
from isoflop.reporting.charts import parts
from isoflop.reporting.charts.rows import (
    Data,
    Row,
    Rows,
    flops,
    in_words,
    line_rows,
    logspace,
    significant,
    size_groups,
)
from isoflop.reporting.theme import colour
from isoflop.runs.run import Curve, Run
from isoflop.runs.table import RunTable

_WINDOW = 0.8  # each point is the mean from here to 1.0 of the steps until then: noise goes, the shape stays
_POINTS = 60


def can_draw(runs: Sequence[Run]) -> bool:
    """Whether any run has a curve to show."""
    return any(len(run.curve.loss) > 1 for run in runs)


def thinned(curve: Curve) -> Curve:
    """A curve in at most 60 points, each the mean training loss over the last fifth of the steps until then.

    Example:
        >>> steps = tuple(range(1, 1001))
        >>> len(thinned(Curve(steps, steps, tuple(3.0 / step**0.1 for step in steps))).loss) <= 60
        True
    """
    loss = np.asarray(curve.loss, dtype=float)
    usable = np.flatnonzero(np.isfinite(loss) & (loss > 0.0) & (np.asarray(curve.tokens, dtype=float) > 0.0))
    if not len(usable):
        return Curve((), (), ())
    ends = np.unique(np.rint(logspace(1.0, float(len(usable)), _POINTS)).astype(int))
    starts = np.minimum(np.ceil(_WINDOW * ends).astype(int), ends - 1)
    means = [float(np.mean(loss[usable[start:end]])) for start, end in zip(starts, ends, strict=True)]
    kept = usable[ends - 1].tolist()
    return Curve(
        tuple(curve.step[index] for index in kept),
        tuple(curve.tokens[index] for index in kept),
        tuple(significant(mean, 5) for mean in means),
    )


def data(fit: Fit, runs: Sequence[Run]) -> Data:
    """Each curve as it is, its end on held-out text, and the frontier of the law over the same compute."""
    known = [run for run in runs if run.curve.loss]
    groups = size_groups(RunTable.from_columns({"params": [float(_size(fit, run)) for run in known]}))
    curves = [row for run in known for row in _curve_rows(fit, run, groups.label(_size(fit, run)))]
    ends = [_end_row(fit, run, groups.label(_size(fit, run))) for run in known if run.loss is not None]
    return {"curves": curves, "ends": ends, "frontier": _frontier_rows(fit, ends)}


def chart(tables: Data, label: str) -> parts.Chart:
    """The picture of `data`, both axes logarithmic."""
    rows = tables["curves"]
    labels = list(dict.fromkeys(row["size"] for row in sorted(rows, key=lambda row: row["params"])))
    pick, shade = parts.highlight(), parts.size_colour(labels)
    x, y = parts.compute_x(), parts.loss_y(label, log=True)
    base = alt.Chart(parts.source(rows))
    hover = parts.tooltip("run", "model size", "tokens seen", "compute seen", "loss")
    layers = [
        base.mark_line(strokeWidth=1.4, clip=True).encode(
            x=x, y=y, color=shade, detail="run:N", opacity=parts.faded(pick, 0.85)
        ),
        alt.Chart(parts.source(tables["frontier"]))
        .mark_line(color=colour("ink"), strokeWidth=2.5, strokeDash=[7, 4], clip=True)
        .encode(x=x, y=y),
        # Invisible points along the curves carry the tooltips: a line has only one for all its length.
        base.mark_point(filled=True, size=60, opacity=0, clip=True).encode(x=x, y=y, tooltip=hover),
        parts.points(tables["ends"], size=60).encode(
            x=x, y=y, color=shade, opacity=parts.faded(pick), tooltip=hover
        ),
    ]  # fmt: skip
    return parts.finish(layers, pick, height=420)


def _size(fit: Fit, run: Run) -> int:
    return run.params_non_embedding if fit.runs.param_count == "non-embedding" else run.params_total


def _curve_rows(fit: Fit, run: Run, label: str) -> Rows:
    points = zip(run.curve.tokens, run.curve.loss, strict=True)
    return [_row(fit, run, label, float(tokens), loss) for tokens, loss in points]


def _end_row(fit: Fit, run: Run, label: str) -> Row:
    return _row(fit, run, label, float(run.spec.tokens), float(run.loss or 0.0))


def _row(fit: Fit, run: Run, label: str, tokens: float, loss: float) -> Row:
    size = float(_size(fit, run))
    row: Row = {
        "run": f"{run.spec.identifier} ({format_count(run.spec.tokens)} tokens)",
        "params": size,
        "tokens": significant(tokens, 4),
        "compute": significant(float(flops(size, tokens)), 4),
        "loss": significant(loss, 5),
        "size": label,
    }
    return {**row, **in_words(row)}


def _frontier_rows(fit: Fit, ends: Rows) -> Rows:
    if not has_frontier(fit.law) and fit.law.columns != ("compute",):
        return []
    spent = [row["compute"] for row in ends]
    if not spent:
        return []
    budgets = logspace(min(spent), max(spent), _POINTS)
    if has_frontier(fit.law):
        loss = frontier(fit.law, fit.theta, budgets).loss[0]
    else:
        loss = predict(fit.law, fit.theta, {"compute": budgets})[0]
    unknown = np.full_like(loss, np.nan)
    return line_rows({"compute": budgets}, (loss, unknown, unknown))
