"""Megatron-LM and GPT-NeoX: what they print. Both count consumed samples; tokens are samples x seq_length.

seq_length ...................................... 2048
iteration     1000/ 50000 | consumed samples:  256000 | … | lm loss: 2.912345E+00 | …          (Megatron)
samples/sec: 512.0 | iteration  1000/ 50000 | elapsed time … | lm_loss: 2.912345E+00 | …       (NeoX)
validation loss at iteration 1000 | lm loss value: 2.9E+00 | lm loss PPL: 1.8E+01 |
"""

from __future__ import annotations

from isoflop.readers.text_log import Facts, LinePattern, TextLog, line


def _completed(facts: Facts) -> Facts:
    """Parameters where one rank holds them all, and the batch in tokens."""
    found: Facts = {}
    ranks = [facts.get(name, 1.0) for name in ("tensor_model_parallel_size", "pipeline_model_parallel_size")]
    on_rank = facts.get("params_on_rank")
    if isinstance(on_rank, str):
        on_rank = float(on_rank.replace(",", ""))
    if isinstance(on_rank, float) and ranks == [1.0, 1.0]:
        found["params_total"] = on_rank
    batch, context = facts.get("batch_size"), facts.get("context")
    if isinstance(batch, float) and isinstance(context, float):
        found["batch_tokens"] = batch * context
    return found


def _argument(name: str, column: str) -> LinePattern:
    return line(name, rf"^\s*(?:\d+: ?)?\s*{name} \.{{2,}}\s*(?P<{column}>[^\s.][^\s]*?)(?:\.{{2,}}\w*)?\s*$")


_ARGUMENTS = tuple(
    _argument(name, column)
    for name, column in (
        *(("seq_length", "context"), ("global_batch_size", "batch_size"), ("train_batch_size", "batch_size")),
        *(("num_layers", "layers"), ("hidden_size", "width"), ("num_attention_heads", "heads")),
        *(
            ("ffn_hidden_size", "feedforward"),
            ("padded_vocab_size", "vocab"),
            ("lr", "learning_rate"),
            ("seed", "seed"),
        ),
        *(("train_iters", "total_steps"), ("lr_warmup_iters", "warmup_steps"), ("tokenizer_type", "tokenizer")),
        ("tensor_model_parallel_size", "tensor_model_parallel_size"),
        ("pipeline_model_parallel_size", "pipeline_model_parallel_size"),
    )
)
_FACTS = (
    *_ARGUMENTS,
    line("number of parameters on", r"number of parameters on [^:]*: (?P<params_on_rank>\d+)"),
    line("total params", r"total params: (?P<params_total>[\d,]+)"),
)
_LOSS_VALUE = r" \|.*?lm[_ ]loss value[:=] ?(?P<val>#)"
_VALIDATION = (
    line("validation loss at", r"validation loss at iteration (?P<step>\d+)(?: on validation set)?" + _LOSS_VALUE,
         val="lm loss validation"),
    line("validation loss at the end", r"validation loss at the end of training for val data" + _LOSS_VALUE,
         val="lm loss validation"),
)  # fmt: skip
_MEANINGS = {"lm loss": "training loss", "lm loss validation": "held-out loss", "consumed samples": "samples"}

MEGATRON = TextLog(
    "Megatron-LM",
    metrics=(
        line("consumed samples", r"iteration\s+(?P<step>\d+)/\s*(?P<of>\d+) \|.*?consumed samples:\s+(?P<samples>#)",
             samples="consumed samples"),
        line("lm loss:", r"iteration\s+(?P<step>\d+)/\s*(?P<of>\d+) \|.*?\| lm loss: (?P<loss>#)", loss="lm loss"),
        *_VALIDATION,
    ),
    facts=_FACTS,
    meanings=_MEANINGS,  # type: ignore[arg-type]
    completed=_completed,
)  # fmt: skip

NEOX = TextLog(
    "GPT-NeoX",
    metrics=(
        line("samples/sec", r"samples/sec: # \| iteration\s+(?P<step>\d+)/\s*(?P<of>\d+) \|.*?lm[_ ]loss: (?P<loss>#)",
             loss="lm loss"),
        *_VALIDATION,
    ),
    facts=_FACTS,
    meanings=_MEANINGS,  # type: ignore[arg-type]
    completed=_completed,
)  # fmt: skip
