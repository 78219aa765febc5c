"""torchtitan: what it prints, in colours; its TensorBoard and W&B logs are read as such.

… Total parameter count: dense 8,030,261,248, … / Model llama3 8B size: 8,030,261,248 total parameters
… step:  10  loss:  8.1322  grad_norm:  1.2345  memory: 43.10GiB(54.42%)  tps: 2,114  tflops: 110.3  mfu: 11.1%
… validate step: 100  loss:  3.2104  memory: …
"""

from __future__ import annotations

from isoflop.readers.text_log import Facts, TextLog, line


def _completed(facts: Facts) -> Facts:
    batch, context = facts.get("batch_size"), facts.get("context")
    both = isinstance(batch, float) and isinstance(context, float)
    return {"batch_tokens": batch * context} if both else {}  # type: ignore[operator]


TORCHTITAN = TextLog(
    "torchtitan",
    metrics=(
        line("validate step:", r"validate step:\s*(?P<step>\d+)\s+loss:\s*(?P<val>#)", val="validation_metrics/loss"),
        line("grad_norm:", r"(?<!validate )step:\s*(?P<step>\d+)\s+loss:\s*(?P<loss>#)\s+grad_norm:",
             loss="loss_metrics/global_avg_loss"),
    ),
    facts=(
        line("total parameters", r"size: (?P<params_total>[\d,]+) total parameters"),
        line("total steps", r"total steps (?P<total_steps>\d+)"),
        line("global batch size", r"global batch size (?P<batch_size>\d+)"),
        line("sequence length", r"sequence length (?P<context>\d+)"),
        line("warmup", r"\(warmup (?P<warmup_steps>\d+)\)"),
    ),
    meanings={"validation_metrics/loss": "held-out loss", "loss_metrics/global_avg_loss": "training loss"},
    completed=_completed,
)  # fmt: skip
