"""Training far beyond the compute-optimal number of tokens, at M = D/N tokens per parameter.

    L = E + (a·M^eta + b·M^-eta)·C^-eta,   C = 6ND

It is Chinchilla with equal exponents, 2·eta each, written so that the cost of over-training is explicit.
Reference: gadre2024
"""

from __future__ import annotations

from isoflop.laws.chinchilla import CHINCHILLA
from isoflop.laws.law import PARAMS, TOKENS, Law, coefficient, exponent

GADRE = Law(
    name="gadre",
    title="Gadre: loss of compute and tokens per parameter, E + (a·M^eta + b·M^-eta)·C^-eta",
    formula="E + a*(D/N)^eta*(6*N*D)^(-eta) + b*(D/N)^(-eta)*(6*N*D)^(-eta)",
    inputs=(PARAMS, TOKENS),
    parameters=(
        CHINCHILLA.parameters[0],
        coefficient("a", "loss of a model that is small for its compute", (1.0, 1e6), "nats/token · FLOP^eta"),
        coefficient("b", "loss of data that are few for their compute", (1.0, 1e6), "nats/token · FLOP^eta"),
        exponent("eta", "how fast reducible loss falls with compute", r"\eta"),
    ),
    references=("gadre2024",),
    domain="5 to 640 tokens per parameter, 11M to 6.9B parameters; supposes that size and data matter alike",
)
