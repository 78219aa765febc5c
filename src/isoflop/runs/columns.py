"""The columns of a run table: their standard names, what they hold, and the names other people give them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from isoflop.quantities import Kind


@dataclass(frozen=True)
class Column:
    """A column that is understood: its standard `name`, its `meaning` with the unit, and its `synonyms`.

    `kind` is how a cell is read; None means text. Synonyms are compared without case, spaces and punctuation.
    """

    name: str
    kind: Kind | None
    meaning: str
    synonyms: tuple[str, ...] = ()


COLUMNS: tuple[Column, ...] = (
    Column("run", None, "name of the run", ("run name", "run id", "name", "model name", "exp name", "experiment name")),
    Column(
        "params",
        "count",
        "parameters",
        ("N", "model size", "parameters", "n params", "num params", "param count", "parameter count"),
    ),
    Column("params_total", "count", "all parameters", ("N total", "total params", "total parameters")),
    Column(
        "params_non_embedding",
        "count",
        "parameters outside the embeddings",
        ("N no emb", "N nonemb", "N non embedding", "non embedding params", "non embedding parameters"),
    ),
    Column("params_active", "count", "parameters active per token", ("N active", "active params", "active parameters")),
    Column(
        "tokens",
        "tokens",
        "training tokens",
        ("D", "training tokens", "train tokens", "n tokens", "num tokens", "tokens seen", "tokens trained"),
    ),
    Column(
        "compute",
        "compute",
        "training compute in FLOP",
        ("C", "training flop", "training flops", "train flops", "flop", "flops", "compute budget", "total flops"),
    ),
    Column(
        "loss",
        "number",
        "held-out loss in nats per token",
        (
            "L",
            "val loss",
            "validation loss",
            "eval loss",
            "test loss",
            "final loss",
            "final val loss",
            "held out loss",
            "val/loss",
            "eval/loss",
        ),
    ),
    Column("loss_standard_error", "number", "standard error of the loss", ("loss se", "loss stderr", "se")),
    Column("unique_tokens", "tokens", "distinct training tokens", ("U", "unique data", "n unique tokens")),
    Column("step", "count", "optimizer step", ("steps", "global step", "_step", "current steps")),
    Column("seed", "number", "random seed", ("random seed",)),
    Column("batch_tokens", "tokens", "tokens per optimizer step", ("batch size tokens", "tokens per batch")),
    Column("learning_rate", "number", "peak learning rate", ("lr", "peak lr", "max lr", "peak learning rate")),
    Column("layers", "count", "transformer blocks", ("n layers", "num layers", "n layer", "depth")),
    Column("width", "count", "model width (d_model)", ("d model", "hidden size", "n embd", "model dim")),
    Column("heads", "count", "attention heads", ("n heads", "num heads", "n head")),
    Column("vocab", "count", "vocabulary size", ("vocab size", "vocabulary size", "vocabulary")),
    Column("context", "count", "context length in tokens", ("context length", "seq len", "sequence length")),
    Column("family", None, "ladder the run belongs to", ("recipe", "model family")),
)


def standard_name(name: str) -> str:
    """`name` without case, spaces and punctuation, as synonyms are compared."""
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def recognise(header: str) -> Column | None:
    """The column that `header` stands for, or None when it is nothing isoflop knows.

    Example:
        >>> recognise("Training FLOP").name
        'compute'
    """
    wanted = standard_name(header)
    return next((column for column in COLUMNS if wanted in _spellings(column)), None)


def column_named(name: str) -> Column | None:
    """The column whose standard name is exactly `name`."""
    return next((column for column in COLUMNS if column.name == name), None)


@cache
def _spellings(column: Column) -> frozenset[str]:
    return frozenset(standard_name(spelling) for spelling in (column.name, *column.synonyms))
