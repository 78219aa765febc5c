"""Laws of model size and data together, in the additive form of Hoffmann et al. (2022).

N parameters, D tokens, L loss in nats/token; E the irreducible loss.
"""

from __future__ import annotations

from isoflop.laws.law import PARAMS, TOKENS, Law, coefficient, exponent

_IRREDUCIBLE = coefficient("E", "loss of an infinite model on infinite data", (0.1, 10.0))
_MODEL = coefficient("A", "scale of the loss due to finite model size", (1.0, 1e6), "nats/token · parameters^alpha")
_DATA = coefficient("B", "scale of the loss due to finite data", (1.0, 1e6), "nats/token · tokens^beta")

CHINCHILLA = Law(
    name="chinchilla",
    title="Chinchilla: loss of model size and data",
    formula="E + A/N^alpha + B/D^beta",
    inputs=(PARAMS, TOKENS),
    parameters=(
        _IRREDUCIBLE,
        _MODEL,
        _DATA,
        exponent("alpha", "how fast loss falls with model size", r"\alpha"),
        exponent("beta", "how fast loss falls with data", r"\beta"),
    ),
    references=("hoffmann2022", "besiroglu2024"),
    domain="decoder-only models trained for about one epoch with a learning-rate horizon matched to D; N counts "
    "all parameters; fitted on 44M to 16B parameters and 5B to 500B tokens",
)

CHINCHILLA_NO_FLOOR = Law(
    name="chinchilla-no-floor",
    title="Chinchilla without irreducible loss",
    formula="A/N^alpha + B/D^beta",
    inputs=(PARAMS, TOKENS),
    parameters=CHINCHILLA.parameters[1:],
    references=("hoffmann2022",),
    domain="far from the floor only; exponents are not comparable with those of the law with a floor",
)

CHINCHILLA_TIED = Law(
    name="chinchilla-tied",
    title="Chinchilla with one exponent for model size and data",
    formula="E + A/N^alpha + B/D^alpha",
    inputs=(PARAMS, TOKENS),
    parameters=(*CHINCHILLA.parameters[:3], exponent("alpha", "how fast loss falls with either", r"\alpha")),
    references=("hoffmann2022", "muennighoff2023"),
    domain="as chinchilla, where alpha and beta cannot be told apart",
)
