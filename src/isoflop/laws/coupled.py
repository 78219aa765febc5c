"""Laws in which model size and data act on one another: the bend that every public ladder shows.

The additive law says that what a model lacks in size costs the same whatever it reads, and what it lacks in data the
same whatever its size. On 22 public ladders a common outer power γ on both terms comes out below 1 without exception
(0.2 to 0.9), as it does in the form of Kaplan et al., which has no floor: larger models need more data, and data are
better used by larger models. `docs/reference/backtests.md` shows what that is worth in forecasts.

N parameters, D tokens, L loss in nats/token. Reference: kaplan2020, droppo2021
"""

from __future__ import annotations

from isoflop.laws.chinchilla import CHINCHILLA
from isoflop.laws.law import PARAMS, TOKENS, Law, Parameter, coefficient, exponent

_FLOOR, _MODEL, _DATA, _ALPHA, _BETA = CHINCHILLA.parameters
_INNER_MODEL = coefficient("A", "scale of what is missing in model size", (1.0, 1e9), "(nats/token)^(1/gamma)")
_INNER_DATA = coefficient("B", "scale of what is missing in data", (1.0, 1e9), "(nats/token)^(1/gamma)")
_DOMAIN = "as chinchilla; size and data are each varied on their own, so that their interplay shows"


def _demand(meaning: str) -> Parameter:
    return Parameter("eta", meaning, "1", "linear", (-0.1, 0.5), r"\eta")


COUPLED = Law(
    name="coupled",
    title="Chinchilla with one outer power: what is missing in size and in data add up before they are weighed",
    formula="E + (A/N^alpha + B/D^beta)^gamma",
    inputs=(PARAMS, TOKENS),
    parameters=(
        _FLOOR,
        _INNER_MODEL,
        _INNER_DATA,
        exponent("alpha", "how fast what is missing in size falls", r"\alpha"),
        exponent("beta", "how fast what is missing in data falls", r"\beta"),
        Parameter("gamma", "how the sum is weighed: 1 is chinchilla", "1", "log", (0.2, 1.2), r"\gamma"),
    ),
    references=("kaplan2020", "droppo2021"),
    domain=f"{_DOMAIN}; with gamma free it needs more runs than most ladders have",
)


def _coupled_at(gamma: float) -> Law:
    return Law(
        name=f"coupled-{gamma}",
        title=f"The coupled law with its outer power held at {gamma}",
        formula=f"E + (A/N^alpha + B/D^beta)^{gamma}",
        inputs=(PARAMS, TOKENS),
        parameters=COUPLED.parameters[:5],
        references=("kaplan2020", "droppo2021"),
        domain=_DOMAIN,
    )


COUPLED_STRENGTHS: tuple[Law, ...] = tuple(_coupled_at(gamma) for gamma in (0.3, 0.5, 0.7))
"""The coupled law with the outer powers that public ladders have: no more constants than chinchilla has."""

DATA_DEMAND = Law(
    name="data-demand",
    title="Chinchilla with data needs that grow with model size",
    formula="E + A/N^alpha + B*N^eta/D^beta",
    inputs=(PARAMS, TOKENS),
    parameters=(_FLOOR, _MODEL, _DATA, _ALPHA, _BETA, _demand("how the need of data grows with model size")),
    references=("hoffmann2022", "farseer2025"),
    domain=f"{_DOMAIN}; few steps, short warm-ups and untuned batches show as data needs",
)

SIZE_DEMAND = Law(
    name="size-demand",
    title="Chinchilla with size needs that grow with data",
    formula="E + A*D^eta/N^alpha + B/D^beta",
    inputs=(PARAMS, TOKENS),
    parameters=(_FLOOR, _MODEL, _DATA, _ALPHA, _BETA, _demand("how the need of size grows with data")),
    references=("hoffmann2022", "farseer2025"),
    domain=_DOMAIN,
)


def _curve(name: str, meaning: str) -> Parameter:
    return Parameter(name, meaning, "1", "linear", (-1.0, 1.0))


LOG_QUADRATIC = Law(
    name="log-quadratic",
    title="A quadratic surface of log loss in log size and log data",
    formula="exp(c + c_N*log(N) + c_D*log(D) + c_NN*log(N)^2 + c_ND*log(N)*log(D) + c_DD*log(D)^2)",
    inputs=(PARAMS, TOKENS),
    parameters=(
        _curve("c", "log loss at N = D = 1"),
        _curve("c_N", "slope in log model size"),
        _curve("c_D", "slope in log data"),
        _curve("c_NN", "curvature in log model size"),
        _curve("c_ND", "interplay of size and data"),
        _curve("c_DD", "curvature in log data"),
    ),
    references=("box1951",),
    domain="within a decade or so of the data: it supposes no floor and nothing beyond its curvature, and turns up far "
    "away",
)
