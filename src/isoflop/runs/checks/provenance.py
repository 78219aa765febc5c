"""Runs that are not of one kind: losses of different tokenizers, texts or units cannot be fitted together."""

from __future__ import annotations

from collections import Counter

from isoflop.findings import Finding
from isoflop.runs.checks.cells import naming, texts
from isoflop.runs.table import RunTable

_OF_A_LOSS = {
    "tokenizer": "a loss per token depends on the tokenizer",
    "loss_unit": "the losses are in different units",
    "eval_set": "losses on different texts are not comparable",
    "dataset": "runs on different texts follow different laws",
}
_OF_A_SCORE = ("eval_set",)
_LOSSES = ("loss", "perplexity", "bits_per_byte", "bits_per_token")


def mixed_provenance(table: RunTable, y: str = "loss") -> list[Finding]:
    """One refusal for every column that says that the runs are not comparable; cells without a value say nothing.

    A score of models, unlike a loss, may be compared across tokenizers and training texts.
    """
    wanted = _OF_A_LOSS if y.endswith(_LOSSES) else _OF_A_SCORE
    return [finding for name in wanted for finding in _mixed(table, name)]


def _mixed(table: RunTable, name: str) -> list[Finding]:
    cells = texts(table, name)
    counts = Counter(cell for cell in cells if cell)
    if len(counts) < 2:
        return []
    (most, often), *others = counts.most_common()
    rows = tuple(int(row) for row, cell in zip(table.row.tolist(), cells, strict=True) if cell not in ("", most))
    shown = ", ".join(f"{cell}: {count}" for cell, count in [(most, often), *others][:4]) + (", …" * (len(others) > 3))
    message = (
        f"The runs have {len(counts)} values of {name} ({shown}) and {_OF_A_LOSS[name]}: fit each by itself, such as "
        f"--where \"{name} == '{_written(table, name, most)}'\" without {naming(rows)}."
    )
    return [Finding("mixed-provenance", "refuse", message, rows)]


def _written(table: RunTable, name: str, cell: str) -> str:
    """A cell as it stands in the table."""
    return next(str(item) for item in table[name].tolist() if str(item).strip().lower() == cell)
