"""MaxText: what it prints, and the JSON lines of its metrics file.

    completed step: 100, seconds: 2.140, TFLOP/s/device: 180.1, …, total_weights: 65536, loss: 4.021
    eval metrics after step: 100, loss=3.981, total_weights=…
    {"learning/loss": 4.021, "learning/total_weights": 65536, "step": 100.0, "run_name": "…", …}

`total_weights` are the tokens of the step; those trained so far are its sum where every step is logged.
"""

from __future__ import annotations

from isoflop.readers.json_log import JsonLog
from isoflop.readers.text_log import TextLog, line

MAXTEXT = TextLog(
    "MaxText",
    metrics=(
        line("completed step:", r"completed step: (?P<step>\d+),.*?\bloss: (?P<loss>#)", loss="learning/loss"),
        line("total_weights:", r"completed step: (?P<step>\d+),.*?\btotal_weights: (?P<weights>#)",
             weights="learning/total_weights"),
        line("eval metrics after step", r"eval metrics after step: (?P<step>\d+), (?:avg_)?loss=(?P<val>#)",
             val="eval/avg_loss"),
    ),
    facts=(
        line("number parameters", r"number parameters: (?P<params>[\d.]+) billion", params="params_in_billions"),
        line("params", r"Model Config param_count: (?P<params>[\d,]+)"),
    ),
    meanings={"learning/loss": "training loss", "eval/avg_loss": "held-out loss"},
    tokens_of_step="learning/total_weights",
    completed=lambda facts: (
        {"params": billions * 1e9} if isinstance(billions := facts.get("params_in_billions"), float) else {}
    ),
)  # fmt: skip

MAXTEXT_JSON = JsonLog(
    "MaxText metrics",
    known_by=("learning/loss",),
    step=("step",),
    run="run_name",
    meanings={
        "learning/loss": "training loss",
        "eval/avg_loss": "held-out loss",
        "evaluation/avg_loss": "held-out loss",
    },
    tokens_of_step="learning/total_weights",
)
