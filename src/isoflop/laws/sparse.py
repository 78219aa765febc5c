"""Mixtures of experts: routed models (Clark et al.), fine-grained experts (Krajewski et al.), sparsity (Abnar et al.).

E experts, G granularity (how many times smaller an expert is than a dense feed-forward layer), S sparsity (the share
of parameters inactive for a token).
"""

from __future__ import annotations

from isoflop.laws.law import PARAMS, TOKENS, Input, Law, Parameter, coefficient, exponent

_EXPERTS = Input("E", "experts", "experts", "1")
_GRANULARITY = Input("G", "granularity", "expert granularity", "1")
_SPARSITY = Input("S", "sparsity", "share of parameters inactive for a token, below 1", "1")

# Experts saturate: E_hat rises from E_start at one expert to E_max.
_SATURATED = "(1/(E - 1 + 1/(1/E_start - 1/E_max)) + 1/E_max)"

CLARK = Law(
    name="clark",
    title="Clark: loss of dense size and number of experts, bilinear in logarithms",
    formula=f"10^(a*log10(N) - b*log10{_SATURATED} - c*log10(N)*log10{_SATURATED} + d)",
    inputs=(PARAMS, _EXPERTS),
    parameters=(
        Parameter("a", "power of the dense size at one saturated expert", "1", "linear", (-0.3, 0.0)),
        Parameter("b", "power of the saturated number of experts", "1", "linear", (-0.3, 0.0)),
        Parameter("c", "how fast experts lose their worth as the model grows", "1", "linear", (0.0, 0.05)),
        Parameter("d", "log10 of the loss at one parameter", "1", "linear", (0.0, 3.0)),
        Parameter("E_start", "saturated number of experts at one expert", "1", "log", (1.0, 10.0)),
        Parameter("E_max", "saturated number of experts at infinitely many", "1", "log", (50.0, 2000.0)),
    ),
    references=("clark2022",),
    domain="N is the size of the dense model the experts are put into; up to 512 experts; all runs of 130B tokens",
)

KRAJEWSKI = Law(
    name="krajewski",
    title="Krajewski: loss of size, data and granularity of the experts, c + (g/G^gamma + a)/N^alpha + b/D^beta",
    formula="c + g/(G^gamma*N^alpha) + a/N^alpha + b/D^beta",
    inputs=(PARAMS, TOKENS, _GRANULARITY),
    parameters=(
        coefficient("c", "loss of an infinite model on infinite data", (0.1, 10.0)),
        coefficient("g", "further loss due to coarse experts", (0.1, 1e5), "nats/token · parameters^alpha"),
        coefficient("a", "scale of the loss due to finite model size", (1.0, 1e6), "nats/token · parameters^alpha"),
        coefficient("b", "scale of the loss due to finite data", (1.0, 1e6), "nats/token · tokens^beta"),
        exponent("gamma", "how fast loss falls with granularity", r"\gamma"),
        exponent("alpha", "how fast loss falls with model size", r"\alpha"),
        exponent("beta", "how fast loss falls with data", r"\beta"),
    ),
    references=("krajewski2024",),
    domain="64 times as many parameters in experts as in the dense model, granularity 1 to 16, 129M to 3.7B, C4",
)

ABNAR = Law(
    name="abnar",
    title="Abnar: loss of total size, data and sparsity",
    formula="a/N^alpha + b/D^beta + c/(1 - S)^lambda_S + d/((1 - S)^delta*N^gamma) + e",
    inputs=(PARAMS, TOKENS, _SPARSITY),
    parameters=(
        coefficient("a", "scale of the loss due to finite model size", (1.0, 1e6), "nats/token · parameters^alpha"),
        coefficient("b", "scale of the loss due to finite data", (1.0, 1e6), "nats/token · tokens^beta"),
        coefficient("c", "scale of the loss due to sparsity alone", (1e-2, 10.0)),
        coefficient("d", "scale of the loss due to few active ones", (1e-1, 1e5), "nats/token · parameters^gamma"),
        coefficient("e", "loss of an infinite model on infinite data", (0.1, 10.0)),
        exponent("alpha", "how fast loss falls with model size", r"\alpha"),
        exponent("beta", "how fast loss falls with data", r"\beta"),
        Parameter("lambda_S", "power of density alone", "1", "linear", (-0.8, 0.8), r"\lambda"),
        exponent("delta", "power of density in the joint term", r"\delta"),
        exponent("gamma", "power of model size in the joint term", r"\gamma"),
    ),
    references=("abnar2025",),
    domain="N counts all experts; five of the ten parameters are told apart only by a wide grid of sparsities",
)
