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
    # who
    Column("run", None, "name of the run", ("run name", "run id", "name", "model name", "exp name", "experiment name")),
    Column("family", None, "ladder the run belongs to", ("recipe", "model family")),
    Column("state", None, "how the run ended: finished, unfinished, diverged or failed", ("run state",)),
    Column("seed", "number", "random seed", ("random seed",)),
    # how large
    Column(
        "params",
        "count",
        "parameters",
        (
            *("N", "model size", "parameters", "n params", "num params", "param count", "parameter count"),
            *("N opt", "num parameters", "model params", "model parameters", "model num parameters"),
        ),
    ),
    Column(
        "params_total",
        "count",
        "all parameters",
        ("N total", "total params", "total parameters", "total parameter count", "n total params"),
    ),
    Column(
        "params_non_embedding",
        "count",
        "parameters outside the embeddings",
        (
            *("N no emb", "N nonemb", "N non embedding", "non embedding params", "non embedding parameters"),
            *(
                "n params no embedding",
                "num non embedding params",
                "params transformer",
                "num non embedding parameters",
            ),
        ),
    ),
    Column(
        "params_embedding",
        "count",
        "parameters of the input embedding",
        ("params wte", "embedding params", "wte params"),
    ),
    Column(
        "params_unembedding",
        "count",
        "parameters of the unembedding",
        ("params lm head", "lm head params", "unembedding params", "lm head"),
    ),
    Column(
        "params_active",
        "count",
        "parameters active per token",
        ("N active", "active params", "active parameters", "params active precise"),
    ),
    Column(
        "layers", "count", "transformer blocks", ("n layers", "num layers", "n layer", "depth", "num hidden layers")
    ),
    Column(
        "width",
        "count",
        "model width (d_model)",
        ("d model", "hidden size", "n embd", "model dim", "hidden dim", "d embed", "embed dim"),
    ),
    Column(
        "heads",
        "count",
        "attention heads",
        ("n heads", "num heads", "n head", "num attention heads", "n attention heads"),
    ),
    Column(
        "kv_heads",
        "count",
        "heads of keys and values",
        ("num key value heads", "n kv heads", "num kv heads", "n kv head"),
    ),
    Column("head_width", "count", "width of one attention head", ("head dim", "d head", "kqv size", "head size")),
    Column(
        "feedforward",
        "count",
        "units of the feed-forward layer",
        ("intermediate size", "ffn hidden size", "d ff", "ffn dim", "mlp hidden size", "ffnh"),
    ),
    Column("experts", "count", "experts of a mixture", ("num experts", "n experts", "num local experts")),
    Column(
        "experts_per_token", "count", "experts a token visits", ("num experts per tok", "top k experts", "moe top k")
    ),
    Column("embeddings", None, "whether the unembedding is the embedding again: tied or untied", ()),
    Column("vocab", "count", "vocabulary size", ("vocab size", "vocabulary size", "vocabulary", "padded vocab size")),
    Column(
        "context",
        "count",
        "context length in tokens",
        (
            *("context length", "seq len", "sequence length", "seq length", "block size", "max seq len", "n ctx"),
            *("max sequence length", "max seq length", "max target length"),
        ),
    ),
    # on how much
    Column(
        "tokens",
        "tokens",
        "training tokens",
        (
            *(
                "D",
                "D opt",
                "training tokens",
                "train tokens",
                "n tokens",
                "num tokens",
                "tokens seen",
                "tokens trained",
            ),
            *("total tokens", "num input tokens seen", "consumed tokens", "processed tokens", "pretraining data size"),
        ),
    ),
    Column("unique_tokens", "tokens", "distinct training tokens", ("U", "unique data", "n unique tokens")),
    Column("horizon_tokens", "tokens", "tokens the learning-rate schedule was made for", ("schedule tokens",)),
    Column("epochs", "number", "passes over the distinct tokens", ("num epochs", "n epochs", "num train epochs")),
    Column(
        "samples_seen", "count", "training sequences", ("consumed samples", "sequences seen", "consumed train samples")
    ),
    Column("dataset", None, "training text", ("train dataset", "training data", "dataset name", "data mix")),
    Column("tokenizer", None, "tokenizer", ("tokenizer name", "tokenizer path", "tokenizer type")),
    # at what cost
    Column(
        "compute",
        "compute",
        "training compute in FLOP",
        (
            *("C", "training flop", "training flops", "train flops", "flop", "flops", "compute budget", "total flops"),
            *("training compute", "total flos", "total training flops", "train compute"),
        ),
    ),
    Column("seconds", "number", "wall-clock seconds of training", ("train runtime", "wall seconds", "train time sec")),
    Column("gpus", "number", "accelerators at work", ("num gpus", "n gpus", "world size")),
    # how it was trained
    Column(
        "step",
        "count",
        "optimizer step",
        ("steps", "global step", "_step", "current steps", "iteration", "num iterations"),
    ),
    Column(
        "total_steps",
        "count",
        "steps the schedule was made for",
        ("max steps", "num train steps", "train iters", "max iters", "num training steps", "total train steps"),
    ),
    Column(
        "warmup_steps",
        "count",
        "steps of warm-up",
        ("num warmup steps", "warmup iters", "lr warmup iters", "warmup iterations"),
    ),
    Column(
        "batch_tokens",
        "tokens",
        "tokens per optimizer step",
        ("batch size tokens", "tokens per batch", "tokens per step"),
    ),
    Column(
        "batch_size",
        "count",
        "batch as it was written, in sequences or in tokens",
        ("train batch size", "global batch size", "total batch size", "bs", "gbs"),
    ),
    Column(
        "learning_rate",
        "number",
        "peak learning rate",
        ("lr", "peak lr", "max lr", "peak learning rate", "max learning rate"),
    ),
    Column(
        "schedule",
        None,
        "learning-rate schedule",
        ("lr schedule", "lr scheduler type", "lr decay style", "lr scheduler"),
    ),
    Column("optimizer", None, "optimizer", ("optimizer name", "optim", "optimizer type")),
    Column("weight_decay", "number", "weight decay", ("wd",)),
    # what came out
    Column(
        "loss",
        "number",
        "held-out loss in nats per token",
        (
            *("L", "val loss", "validation loss", "eval loss", "test loss", "final loss", "final val loss"),
            *("held out loss", "val/loss", "eval/loss", "valid loss", "heldout loss"),
        ),
    ),
    Column("loss_standard_error", "number", "standard error of the loss", ("loss se", "loss stderr", "se")),
    Column("loss_unit", None, "unit of the loss, where it is known", ()),
    Column("train_loss", "number", "training loss", ("training loss", "final train loss", "train/loss")),
    Column(
        "perplexity",
        "number",
        "held-out perplexity per token",
        ("ppl", "val ppl", "eval ppl", "val perplexity", "eval perplexity", "validation perplexity", "test perplexity"),
    ),
    Column(
        "bits_per_byte",
        "number",
        "held-out loss in bits per byte",
        ("bpb", "val bpb", "eval bpb", "validation bpb", "bits per byte", "test bpb"),
    ),
    Column("bits_per_token", "number", "held-out loss in bits per token", ("bpt", "val bits per token")),
    Column(
        "loss_per_sample",
        "number",
        "held-out loss in nats per sequence",
        ("loss per sequence", "val loss per sample", "sample loss", "nats per sequence"),
    ),
    Column("bytes_per_token", "number", "bytes of text that a token stands for on average", ()),
    Column(
        "eval_set", None, "text the loss was measured on", ("eval dataset", "validation set", "val set", "test set")
    ),
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
    return _by_spelling().get(standard_name(header))


def column_named(name: str) -> Column | None:
    """The column whose standard name is exactly `name`."""
    return next((column for column in COLUMNS if column.name == name), None)


@cache
def _by_spelling() -> dict[str, Column]:
    return {standard_name(spelling): column for column in COLUMNS for spelling in (column.name, *column.synonyms)}
