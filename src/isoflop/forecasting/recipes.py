"""Families of runs found in a table: which run belongs to which, the law they share, and what each run took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.errors import InputError, Refusal, UsageError
from isoflop.fitting.binding import inputs_of
from isoflop.fitting.estimation import choose_law
from isoflop.fitting.objective import Objective
from isoflop.forecasting.joint_law import scale_of, scaled_letters
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.runs.compute import compute_of, has_compute
from isoflop.runs.table import RunTable

_TWO_LAW, _ONE_LAW = "chinchilla", "power-floor-c"
_PROPORTIONAL = 0.99  # correlation of log N and log D from which their terms cannot be told apart
_MOST_FAMILIES = 50
_NARROW = 2.0  # an input that spans less than this factor has no exponent to speak of


def families_of_rows(table: RunTable, by: str) -> NDArray[Any]:
    """The family of each run (n,) as text; files are called by their names without folder and ending."""
    if not table.has(by):
        hint = "; the files are told apart by --by source" if table.has("source") else ""
        raise InputError(
            f"there is no column {by!r} that says to which family a run belongs{hint}: the table has "
            f"{', '.join(table.columns)}."
        )
    cells = table[by].tolist()
    missing = [int(line) for line, cell in zip(table.row, cells, strict=True) if cell in ("", None) or cell != cell]
    if missing:
        raise InputError(
            f"row {missing[0]}, column {by!r}: the family is not given ({len(missing)} such rows); fill it in, or "
            "leave the rows out with --where."
        )
    labels = [f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in cells]
    stems = [Path(label).stem for label in labels]
    short = by == "source" and len(set(stems)) == len(set(labels))
    return np.array(stems if short else labels, dtype=object)


def family_names(labels: NDArray[Any], by: str) -> list[str]:
    """The names of the families, in order of appearance."""
    families = list(dict.fromkeys(labels.tolist()))
    if len(families) < 2:
        raise Refusal(f"Column {by!r} holds one family, {families[0]!r}: there is nothing to compare it with.")
    if len(families) > _MOST_FAMILIES:
        raise UsageError(
            f"by={by!r}: {len(families)} different values are too many for families, at most {_MOST_FAMILIES}: name "
            "another column."
        )
    return families


def chosen_baseline(families: list[str], baseline: str | None, by: str) -> str:
    """The family that the others are held against: the one asked for, else the first."""
    if baseline is None:
        return families[0]
    if baseline not in families:
        raise UsageError(f"baseline={baseline!r} is no family: column {by!r} holds {', '.join(families)}.")
    return baseline


def shared_law(law: Law | str, table: RunTable, objective: Objective, x: Sequence[str], y: str | None) -> Law:
    """The law that all families follow; `auto` takes one of size and data where the runs can tell the two apart."""
    if law == "auto":
        law = _TWO_LAW if len(x) == 2 or (not x and _tells_both(table)) else _ONE_LAW
    return choose_law(law, table, objective, x, y)


def _tells_both(table: RunTable) -> bool:
    """Whether size and data vary, and not in proportion, so that each can have a term."""
    if not table.has("params") or not (table.has("tokens") or table.has("compute")):
        return False
    size, data = (np.log(np.asarray(values, dtype=float)) for values in (table.numbers("params"), table.tokens()))
    if min(np.ptp(size), np.ptp(data), np.ptp(data - size)) < np.log(_NARROW):
        return False
    return bool(np.corrcoef(size, data)[0, 1] < _PROPORTIONAL)


def compute_spent(table: RunTable, law: Law) -> Array:
    """What each run took: the column compute, else what the law's inputs or 6·N·D say."""
    scaled_letters(law)  # a law that does not say what compute brings is refused before its columns are looked for
    data = inputs_of(law, table)
    if table.has("compute"):
        compute = table.compute()
    elif {"N", "D"} <= set(data) or "C" in data:
        compute = scale_of(law, data)
    elif has_compute(table):
        compute = compute_of(table)
    else:
        raise InputError("The compute of the runs is not known: name a column compute, or params and tokens.")
    bad = np.flatnonzero(~(np.isfinite(compute) & (compute > 0.0)))
    if len(bad):
        raise InputError(
            f"row {table.row[bad[0]]}: the compute of the run is not known; leave the row out with --where."
        )
    return compute


def require_positive(table: RunTable, output: str) -> None:
    """Refuse, by its line, an output that has no logarithm."""
    values = table.numbers(output)
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0.0)))
    if len(bad):
        raise InputError(
            f"row {table.row[bad[0]]}, column {output!r}: {float(values[bad[0]])!r} is not positive, and families are "
            "compared by ratios; leave the row out with --where."
        )
