"""Laws of repeated data: what further epochs, and parameters beyond what the data support, are still worth.

    D' = U_D + U_D·R*_D·(1 - exp(-R_D/R*_D)),   R_D = D/U_D - 1 repetitions

and alike for N, with U_N the compute-optimal size for U_D unique tokens: (A/B)^(1/alpha)·U_D where the exponents are
equal, which is .0510·U_D with the published constants. Reference: muennighoff2023
"""

from __future__ import annotations

from isoflop.laws.chinchilla import CHINCHILLA, CHINCHILLA_TIED
from isoflop.laws.law import PARAMS, TOKENS, Input, Law, Parameter

_UNIQUE = Input("U", "unique_tokens", "distinct training tokens", "tokens")


def _decay(letter: str, what: str) -> Parameter:
    return Parameter(f"R_{letter}", f"repetitions of {what} that use up most of its worth", "1", "log", (1.0, 60.0))


def _effective(total: str, unique: str, decay: str) -> str:
    return f"({unique}*(1 + {decay}*(1 - exp((1 - {total}/{unique})/{decay}))))"


_SUPPORTED = "min(N, (A/B)^(1/alpha)*min(U, D))"  # no more than is compute-optimal for the unique tokens

REPEATED = Law(
    name="muennighoff",
    title="Muennighoff: repeated data and excess parameters lose their worth",
    formula=f"E + A/{_effective('N', _SUPPORTED, 'R_N')}^alpha + B/{_effective('D', 'min(U, D)', 'R_D')}^alpha",
    inputs=(PARAMS, TOKENS, _UNIQUE),
    parameters=(*CHINCHILLA_TIED.parameters, _decay("D", "data"), _decay("N", "parameters")),
    references=("muennighoff2023",),
    domain="C4, GPT-2 tokenizer, 7M to 9B parameters, up to some 60 epochs; beyond that loss can rise, which it cannot",
)

REPEATED_DATA = Law(
    name="muennighoff-data",
    title="Muennighoff without the decay of parameters: repeated data lose their worth",
    formula=f"E + A/N^alpha + B/{_effective('D', 'min(U, D)', 'R_D')}^beta",
    inputs=(PARAMS, TOKENS, _UNIQUE),
    parameters=(*CHINCHILLA.parameters, _decay("D", "data")),
    references=("muennighoff2023",),
    domain="as muennighoff, for models no larger than is compute-optimal for their unique tokens",
)
