"""Fine-tuning: pre-training is worth D_T = k·D_F^alpha·N^beta further tokens of the fine-tuning text.

D_F fine-tuning tokens, N non-embedding parameters. Reference: hernandez2021
"""

from __future__ import annotations

from isoflop.laws.kaplan import KAPLAN_PARAMS_TOKENS
from isoflop.laws.law import PARAMS, Input, Law, coefficient, exponent, scale

_FINE_TUNING = Input("D_F", "tokens_finetuning", "fine-tuning data", "tokens")
_DATA = exponent("alpha", "power of the fine-tuning data", r"\alpha")
_MODEL = exponent("beta", "power of the model size", r"\beta")
_SIZE, _, _ALPHA_N, _ALPHA_D = KAPLAN_PARAMS_TOKENS.parameters

HERNANDEZ = Law(
    name="hernandez",
    title="Hernandez: data that pre-training is worth",
    formula="k*D_F^alpha*N^beta",
    inputs=(PARAMS, _FINE_TUNING),
    parameters=(coefficient("k", "how close the two texts are", (1e-2, 1e8), "tokens"), _DATA, _MODEL),
    references=("hernandez2021",),
    domain="few fine-tuning data: D_F at most a tenth of what the model could use; language to Python code",
    output="tokens_transferred",
)

HERNANDEZ_LOSS = Law(
    name="hernandez-loss",
    title="Hernandez: loss after fine-tuning on few data",
    formula="((N_c/N)^(alpha_N/alpha_D) + D_k/(D_F^alpha*N^beta))^alpha_D",
    inputs=(PARAMS, _FINE_TUNING),
    parameters=(
        _SIZE,
        scale("D_k", "D_c/k: data scale over the worth of pre-training", "tokens", (1e0, 1e14)),
        _ALPHA_N,
        _ALPHA_D,
        _DATA,
        _MODEL,
    ),
    references=("hernandez2021",),
    domain="as hernandez; D_c and k enter only as a quotient, so training from scratch is needed to tell them apart",
)
