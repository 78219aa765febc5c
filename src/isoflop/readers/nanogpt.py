"""nanoGPT: what `train.py` prints. Its parameters are all but the position embeddings.

tokens per iteration will be: 491,520
number of parameters: 123.59M
step 2000: train loss 3.2101, val loss 3.2304
iter 2000: loss 3.2245, time 250.12ms, mfu 38.00%
"""

from __future__ import annotations

from isoflop.readers.text_log import TextLog, line

NANOGPT = TextLog(
    "nanoGPT",
    metrics=(
        line("val loss", r"^step (?P<step>#): train loss (?P<train>#), val loss (?P<val>#)",
             train="train/loss", val="val/loss"),
        line("iter ", r"^iter (?P<step>#): loss (?P<loss>#)"),
    ),
    facts=(
        line("okens per iteration", r"tokens per iteration will be: (?P<batch_tokens>[\d,]+)"),
        line("number of parameters", r"number of parameters: (?P<params>[\d.,]+\s*[kMBT]?)"),
        line("Overriding", r"^Overriding: (?:max_iters = (?P<total_steps>\d+)|learning_rate = (?P<learning_rate>#)"
             r"|warmup_iters = (?P<warmup_steps>\d+)|dataset = (?P<dataset>\S+))"),
    ),
    meanings={"loss": "training loss", "train/loss": "training loss", "val/loss": "held-out loss"},
    param_count="total",
    notes=("nanoGPT counts all parameters but those of positions, rounded to 10,000.",),
)  # fmt: skip
