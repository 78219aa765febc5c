"""N, D and C of a table under another convention, so that fits of different schools can be compared.

    V d       parameters of one embedding, the columns vocab and width
    total     all parameters: the N of [hoffmann2022]
    non-embedding   without embedding and unembedding: the N of [kaplan2020]
    with-head       without the input embedding only: the count that [porian2024] found to matter
    active          those that one token passes through, where the table has a column of them

What is converted is the count that the table gives, by what the embeddings add: biases, norms and whatever else a
model has stay in it. The formula of the architecture only says which count the table gives, and is told when it
disagrees. D, the tokens trained, is a fact and stays. C follows from the new N, or from the architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from isoflop.accounting.architecture import Architecture
from isoflop.accounting.conventions import CONVENTIONS, Convention, training_flops_under
from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import InputError, Refusal, UsageError
from isoflop.findings import Finding
from isoflop.quantities import ParamCount, format_number
from isoflop.runs.table import RunTable

Count = Literal["total", "non-embedding", "with-head", "active"]
"""What N counts after a conversion."""

COUNTS: tuple[Count, ...] = ("total", "non-embedding", "with-head", "active")
_COLUMNS: dict[str, str] = {
    "total": "params_total",
    "non-embedding": "params_non_embedding",
    "active": "params_active",
}

IDENTIFIED_WITHIN = 0.02
"""A formula that gives N in every row within this share says which parameters N counts."""

MISMATCH_ABOVE = 0.03
"""A row whose N is further from the formula of its architecture is named."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """What a table is converted to: the parameters N counts, how C follows, and whether budgets are kept.

    `compute` is `6nd` (6 N D with the new N), a convention of accounting that counts the operations of the
    architecture, or `given`. With `keep_budgets` losses are interpolated along each size's own curve to the tokens
    that the old budgets buy under the new count, since isoFLOP slices of one count are none of another.
    """

    count: Count
    compute: str = "6nd"
    keep_budgets: bool = False

    def __post_init__(self) -> None:
        if self.count not in COUNTS:
            raise UsageError(f"count={self.count!r} must be one of {', '.join(COUNTS)}.")
        allowed = ("given", *CONVENTIONS)
        if self.compute not in allowed:
            raise UsageError(f"flops={self.compute!r} must be one of {', '.join(allowed)}.")


def convert(table: RunTable, rule: Rule) -> RunTable:
    """`table` with `params` counted, and `compute` derived, as `rule` says; the given ones stay beside them.

    Raises:
        Refusal: what N counts now, or an embedding's size, is not known; the message names the option that says it.
        InputError: a column that is needed holds text.
    """
    given, params = table.numbers("params"), _counted(table, rule.count)
    columns = {"params": params, "params_given": given}
    if table.has("compute"):
        columns["compute_given"] = table.numbers("compute")
    if rule.count in _COLUMNS:
        columns[_COLUMNS[rule.count]] = params
    count: ParamCount = "unspecified" if rule.count == "with-head" else rule.count
    converted = table.with_columns(columns).counting(count)
    if rule.compute != "given":
        converted = converted.with_columns({"compute": _compute(converted, rule)})
    converted = converted.with_findings(*_said(table, converted, rule), *_mismatches(table))
    return _at_old_budgets(converted) if rule.keep_budgets else converted


def _number(table: RunTable, name: str, option: str) -> Array:
    if not table.has(name):
        raise Refusal(f"The conversion needs {name}, and there is no such column: say it with --set {option}.")
    return table.numbers(name)


def _counted(table: RunTable, count: Count) -> Array:
    """The parameters of each row under `count`."""
    if count in _COLUMNS and table.has(_COLUMNS[count]):
        return table.numbers(_COLUMNS[count])
    if count == "active":
        raise Refusal("How many parameters a token passes through is not in the data: it needs a column params_active.")
    without = _non_embedding(table)
    if count == "non-embedding":
        return without
    if count == "with-head":
        return without + _unembedding(table)
    embedding = table.numbers("params_embedding") if table.has("params_embedding") else _one_embedding(table)
    return without + embedding + (0.0 if _tied(table) else _unembedding(table))


def _non_embedding(table: RunTable) -> Array:
    if table.has("params_non_embedding"):
        return table.numbers("params_non_embedding")
    now = table.param_count if table.param_count != "unspecified" else identified(table)
    params = table.numbers("params")
    if now == "non-embedding":
        return params
    if now == "with-head":
        return params - _unembedding(table)
    if now == "total":
        return params - _one_embedding(table) * (1.0 if _tied(table) else 2.0)
    raise Refusal(
        "What `params` counts now is not said in the data, and no formula of the architecture gives it: "
        "say --param-count total or --param-count non-embedding."
    )


def _one_embedding(table: RunTable) -> Array:
    return _number(table, "vocab", "vocab=50257") * _number(table, "width", "width=1024")


def _unembedding(table: RunTable) -> Array:
    if table.has("params_unembedding"):
        return table.numbers("params_unembedding")
    return _one_embedding(table)


def _tied(table: RunTable) -> bool:
    if table.has("embeddings"):
        written = {str(cell).strip().lower() for cell in table["embeddings"]}
        if written <= {"tied", "untied"} and len(written) == 1:
            return written == {"tied"}
        raise InputError(f"column 'embeddings' must say tied or untied, alike in all rows, not {sorted(written)}.")
    if table.has("params_total") and table.has("params_non_embedding"):
        both = (table["params_total"] - table["params_non_embedding"]) / _one_embedding(table)
        return bool(np.median(both) < 1.5)
    raise Refusal("Whether the unembedding is the embedding again is not said: say --set embeddings=tied or =untied.")


def identified(table: RunTable) -> str:
    """Which count `params` is, where a formula of the architecture gives it in every row; empty where none does."""
    blocks = _blocks(table)
    if not blocks:
        return ""
    vocabulary = table["vocab"] * table["width"] if table.has("vocab") else np.array(np.nan)
    params = table.numbers("params")
    for name, added in (("non-embedding", 0.0), ("with-head", vocabulary), ("total", 2 * vocabulary)):
        if any(np.all(np.abs((inside + added) / params - 1.0) < IDENTIFIED_WITHIN) for inside in blocks):
            return name
    return ""


def _blocks(table: RunTable) -> list[Array]:
    """Parameters of all blocks by the shapes that are common: plain or gated, with the width of the table."""
    if not all(table.has(name) and table[name].dtype != object for name in ("layers", "width")):
        return []
    layers, width = table["layers"], table["width"]
    if table.has("feedforward") and table["feedforward"].dtype != object:
        hidden = [table["feedforward"]]
    else:
        # Four times the width; and two thirds of that, rounded up to 256, where a gate adds a third matrix.
        hidden = [4.0 * width, 256.0 * np.ceil(8.0 * width / 3.0 / 256.0)]
    return [layers * (4.0 * width**2 + matrices * width * units) for units in hidden for matrices in (2.0, 3.0)]


def _compute(table: RunTable, rule: Rule) -> Array:
    tokens = table.numbers("tokens")
    if rule.compute == "6nd":
        return np.asarray(FLOP_PER_PARAMETER_AND_TOKEN * table["params"] * tokens)
    convention: Convention = next(name for name in CONVENTIONS if name == rule.compute)
    return np.array(
        [training_flops_under(_architecture(table, row), tokens[row], convention) for row in range(len(table))]
    )


def _architecture(table: RunTable, row: int) -> Architecture:
    def whole(name: str, option: str) -> int:
        value = float(_number(table, name, option)[row])
        if not (value >= 1 and value.is_integer()):
            line = int(table.row[row])
            raise InputError(f"row {line}, column {name!r}: {format_number(value)} is no whole number of at least 1.")
        return int(value)

    width, heads = whole("width", "width=1024"), whole("heads", "heads=16")
    kv_heads = whole("kv_heads", "") if table.has("kv_heads") else heads
    head_width = whole("head_width", "") if table.has("head_width") else width // heads
    feedforward = whole("feedforward", "feedforward=4096")
    inside = _blocks(table)
    gated = bool(len(inside) == 2 and abs(inside[1][row] / _non_embedding(table)[row] - 1.0) < IDENTIFIED_WITHIN)
    return Architecture(
        layers=whole("layers", "layers=24"),
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        head_width=max(1, head_width),
        feedforward=feedforward,
        vocab=whole("vocab", "vocab=50257"),
        context=whole("context", "context=2048"),
        gated=gated,
    )


def _said(table: RunTable, converted: RunTable, rule: Rule) -> list[Finding]:
    ratio = converted["params"] / table["params"]
    known = ratio[np.isfinite(ratio)]
    low, high = (format_number(float(end)) for end in (known.min(), known.max())) if known.size else ("?", "?")
    now = table.param_count if table.param_count != "unspecified" else identified(table) or "as given"
    message = f"`params` counted {now} and counts {rule.count} now: {low} to {high} times as many."
    findings = [Finding("converted-params", "note", message)]
    if rule.compute != "given":
        findings.append(Finding("converted-compute", "note", f"`compute` was derived anew as {rule.compute}."))
    return findings


def _mismatches(table: RunTable) -> list[Finding]:
    """Rows whose given N is far from every formula of their architecture."""
    blocks = _blocks(table)
    if not blocks or not table.has("vocab"):
        return []
    embedding = table["vocab"] * table["width"]
    params = table["params"]
    nearest = np.min(
        [np.abs((inside + times * embedding) / params - 1.0) for inside in blocks for times in (0, 1, 2)], axis=0
    )
    rows = tuple(int(row) for row in table.row[nearest > MISMATCH_ABOVE])
    if not rows:
        return []
    message = (
        f"`params` is more than {MISMATCH_ABOVE:.0%} from what layers, width and vocab give, counted in any way, in "
        f"row {', '.join(map(str, rows[:5]))}{' …' if len(rows) > 5 else ''}: check the architecture there."
    )
    return [Finding("count-mismatch", "warn", message, rows)]


def _at_old_budgets(table: RunTable) -> RunTable:
    """Rows at the given budgets: the loss of each size where the budget buys its tokens under the new count."""
    if not table.has("compute_given"):
        raise InputError("keep_budgets needs a column compute: there are no budgets to keep.")
    budgets = np.unique(table["compute_given"][np.isfinite(table["compute_given"])])
    per_token = table["compute"] / table["tokens"]
    kept: list[tuple[int, float, float, float]] = []
    for size in np.unique(table["params"][np.isfinite(table["params"])]):
        rows = np.flatnonzero((table["params"] == size) & np.isfinite(table["loss"]) & (table["tokens"] > 0))
        rows = rows[np.argsort(table["tokens"][rows], kind="stable")]
        tokens, losses = np.log(table["tokens"][rows]), np.log(table["loss"][rows])
        for budget in budgets:
            wanted = np.log(budget / per_token[rows[0]]) if rows.size > 1 else np.inf
            if rows.size > 1 and tokens[0] <= wanted <= tokens[-1]:
                loss = float(np.exp(np.interp(wanted, tokens, losses)))
                nearest = int(rows[np.argmin(np.abs(tokens - wanted))])
                kept.append((nearest, float(np.exp(wanted)), float(budget), loss))
    if not kept:
        raise InputError("keep_budgets: no size has two rows around the tokens that a budget buys under the new count.")
    places, tokens_kept, computes, losses_kept = (np.array(values) for values in zip(*kept, strict=True))
    message = f"Losses of {len(kept)} rows were interpolated along each size's own curve to {len(budgets)} budgets."
    columns = {"tokens": tokens_kept, "compute": computes, "loss": losses_kept}
    return table.select(places).with_columns(columns).with_findings(Finding("kept-budgets", "note", message))
