"""Numerical precision: training in few bits shrinks the effective model, quantising afterwards costs loss.

    N_eff = N·(1 - exp(-P_w/gamma_w))·(1 - exp(-P_a/gamma_a))·(1 - exp(-P_kv/gamma_kv))

P bits of weights, activations and attention cache during training. Reference: kumar2024
"""

from __future__ import annotations

from isoflop.laws.chinchilla import CHINCHILLA
from isoflop.laws.law import PARAMS, TOKENS, Input, Law, Parameter, coefficient, exponent


def _bits(letter: str, what: str) -> Input:
    return Input(f"P_{letter}", f"bits_{what}", f"precision of {what} during training", "bits")


def _sensitivity(letter: str, what: str) -> Parameter:
    return Parameter(f"gamma_{letter}", f"bits of {what} that lose 63 % of the shortfall", "bits", "log", (0.3, 6.0))


_WHAT = {"w": "weights", "a": "activations", "kv": "cache"}
_FACTORS = "*".join(f"(1 - exp(-P_{letter}/gamma_{letter}))" for letter in _WHAT)

KUMAR = Law(
    name="kumar",
    title="Kumar: loss of size, data and training precision of weights, activations and cache",
    formula=f"E + A/(N*{_FACTORS})^alpha + B/D^beta",
    inputs=(PARAMS, TOKENS, *(_bits(letter, what) for letter, what in _WHAT.items())),
    parameters=(*CHINCHILLA.parameters, *(_sensitivity(letter, what) for letter, what in _WHAT.items())),
    references=("kumar2024",),
    domain="up to 1.7B parameters and 26B tokens, 3 to 16 bits, losses before any post-training quantisation",
)

KUMAR_WEIGHTS = Law(
    name="kumar-weights",
    title="Kumar: loss of size, data and training precision of the weights",
    formula="E + A/(N*(1 - exp(-P_w/gamma_w)))^alpha + B/D^beta",
    inputs=(PARAMS, TOKENS, _bits("w", "weights")),
    parameters=(*CHINCHILLA.parameters, _sensitivity("w", "weights")),
    references=("kumar2024",),
    domain="as kumar, with activations and cache in high precision",
)

KUMAR_QUANTISED = Law(
    name="kumar-quantised",
    title="Kumar: loss added by quantising the weights after training",
    formula="C_T*D^gamma_D/N^gamma_N*exp(-P/gamma_post)",
    inputs=(PARAMS, TOKENS, Input("P", "bits_quantised", "bits per weight after quantisation", "bits")),
    parameters=(
        coefficient("C_T", "scale of the added loss", (1e-4, 1e2)),
        exponent("gamma_D", "how fast the added loss grows with data", r"\gamma_D"),
        exponent("gamma_N", "how fast the added loss falls with model size", r"\gamma_N"),
        Parameter("gamma_post", "bits that divide the loss by e", "bits", "log", (0.1, 3.0), r"\gamma_\text{post}"),
    ),
    references=("kumar2024",),
    domain="as kumar; more data make a model harder to quantise",
    output="loss_added",
)
