"""nanochat: what `base_train.py` prints. Its held-out loss is in bits per byte, and it counts five kinds of parameters.

total                   : 560,988,160
Total number of training tokens: 11,219,763,200
Step 00250 | Validation bpb: 0.963412
step 00010/21400 (0.05%) | loss: 8.143201 | lrm: 1.00 | dt: 230.11ms | …
"""

from __future__ import annotations

from isoflop.readers.text_log import Facts, TextLog, line


def _completed(facts: Facts) -> Facts:
    """Tokens a step from the planned tokens and steps; which parameters a law should count is left to --param-count."""
    found: Facts = {}
    total, steps = facts.get("horizon_tokens"), facts.get("total_steps")
    if isinstance(total, float) and isinstance(steps, float) and steps:
        found["batch_tokens"] = total / steps
    matrices = facts.get("transformer_matrices")
    if isinstance(matrices, str):
        matrices = float(matrices.replace(",", ""))
    if isinstance(matrices, float):
        found["params_non_embedding"] = matrices
    return found


NANOCHAT = TextLog(
    "nanochat",
    metrics=(
        line("alidation bpb", r"^Step (?P<step>\d+) \| (?:Train bpb: # \| )?Validation bpb: (?P<bpb>#)", bpb="val/bpb"),
        line("CORE metric", r"^Step (?P<step>\d+) \| CORE metric: (?P<core>#)", core="core_metric"),
        line("| loss:", r"^step (?P<step>\d+)(?:/(?P<of>\d+))? \([\d.]+%[^)]*\) \| loss: (?P<loss>#)",
             loss="train/loss"),
    ),
    facts=(
        line("Vocab size", r"^Vocab size: (?P<vocab>[\d,]+)"),
        line("Number of parameters", r"^Number of parameters: (?P<params_total>[\d,]+)"),
        line("total ", r"^total\s+: (?P<params_total>[\d,]+)"),
        line("transformer_matrices", r"^transformer_matrices\s*: (?P<transformer_matrices>[\d,]+)"),
        line("lm_head", r"^lm_head\s*: (?P<lm_head>[\d,]+)"),
        line("wte", r"^wte\s*: (?P<wte>[\d,]+)"),
        line("number of training tokens", r"^Total number of training tokens: (?P<horizon_tokens>[\d,]+)"),
        line("number of iterations", r"number of iterations[^:]*: (?P<total_steps>[\d,]+)"),
        line("iterations from target", r"^Calculated number of iterations from target .*: (?P<total_steps>[\d,]+)"),
        line('"n_layer"', r'"n_layer": (?P<layers>\d+)'),
        line('"n_embd"', r'"n_embd": (?P<width>\d+)'),
        line('"n_head"', r'"n_head": (?P<heads>\d+)'),
        line('"sequence_len"', r'"sequence_len": (?P<context>\d+)'),
    ),
    meanings={"val/bpb": "bits per byte", "train/loss": "training loss", "core_metric": "other"},
    completed=_completed,
)  # fmt: skip
