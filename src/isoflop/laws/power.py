"""Laws of one quantity: pure power laws and power laws with a floor.

X stands for any column: parameters, tokens, compute, steps, examples; X_c is where the reducible loss is 1 nat.
"""

from __future__ import annotations

from isoflop.laws.law import COMPUTE, PARAMS, TOKENS, Input, Law, Parameter, coefficient, exponent


def _scale(letter: str, unit: str) -> Parameter:
    name = f"{letter}_c"
    return Parameter(name, f"the {letter} at which the power term is 1", unit, "log", (1e0, 1e20))


def _power(name: str, title: str, quantity: Input, reference: str, *, floor: bool, domain: str) -> Law:
    letter = quantity.name
    power = f"({letter}_c/{letter})^alpha"
    parameters = (
        _scale(letter, quantity.unit),
        exponent("alpha", f"how fast loss falls with {quantity.meaning}", r"\alpha"),
    )
    irreducible = coefficient("E", f"loss at infinite {quantity.meaning}", (0.1, 10.0))
    return Law(
        name=name,
        title=title,
        formula=f"E + {power}" if floor else power,
        inputs=(quantity,),
        parameters=(irreducible, *parameters) if floor else parameters,
        references=(reference,),
        domain=domain,
    )


KAPLAN_PARAMS = _power(
    "kaplan-n",
    "Kaplan L(N): loss of model size, data unlimited",
    PARAMS,
    "kaplan2020",
    floor=False,
    domain="non-embedding parameters, 768 to 1.5e9, trained to convergence on ample data, two layers or more",
)
KAPLAN_TOKENS = _power(
    "kaplan-d",
    "Kaplan L(D): loss of data, model large and stopped early",
    TOKENS,
    "kaplan2020",
    floor=False,
    domain="22M to 23B tokens, early stopped",
)
POWER_COMPUTE = _power(
    "power-c",
    "Power law of compute",
    COMPUTE,
    "kaplan2020",
    floor=False,
    domain="the frontier of runs: the best loss at each compute",
)
FLOOR_PARAMS = _power(
    "power-floor-n",
    "Power law of model size with irreducible loss",
    PARAMS,
    "henighan2020",
    floor=True,
    domain="data unlimited",
)
FLOOR_TOKENS = _power(
    "power-floor-d",
    "Power law of data with irreducible loss",
    TOKENS,
    "hestness2017",
    floor=True,
    domain="model large enough not to limit",
)
FLOOR_COMPUTE = _power(
    "power-floor-c",
    "Power law of compute with irreducible loss",
    COMPUTE,
    "henighan2020",
    floor=True,
    domain="the frontier of runs: the best loss at each compute",
)
