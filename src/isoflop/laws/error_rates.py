"""Laws of error rates, which lie between a floor and random guessing: Rosenfeld et al. and Alabdulmohsin et al.

The fourth form of Alabdulmohsin et al. gives the error ε only implicitly, (ε - ε∞)/(ε0 - ε)^α = β x^c. It is declared
the way round that is explicit, x as a function of ε: a fit then measures residuals in log x. `sigmoidal_error`
inverts it. Reference: alabdulmohsin2022
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from isoflop.errors import UsageError
from isoflop.laws.law import ERROR, EXAMPLES, PARAMS, Input, Law, Parameter, coefficient, exponent

_BETA = coefficient("beta", "error term at one example", (1e-2, 1e4), "that of the output")
_POWER = Parameter("c", "power of the examples seen, negative", "1", "linear", (-1.5, -0.02))
_SEEN = Input("x", "examples", "examples seen", "examples")

ROSENFELD = Law(
    name="rosenfeld",
    title="Rosenfeld: error of data and model size, levelling off at random guessing",
    formula="eps_0/sqrt(1 + (eps_0/(a/n^alpha + b/m^beta + c_inf))^2)",
    inputs=(EXAMPLES, Input("m", "params", PARAMS.meaning, PARAMS.unit)),
    parameters=(
        coefficient("a", "scale of the error due to finite data", (1.0, 1e5), "1"),
        coefficient("b", "scale of the error due to finite model size", (1.0, 1e5), "1"),
        coefficient("c_inf", "error of an infinite model on infinite data", (1e-3, 0.5), "1"),
        coefficient("eps_0", "error of random guessing", (0.3, 10.0), "1"),
        exponent("alpha", "how fast error falls with data", r"\alpha"),
        exponent("beta", "how fast error falls with model size", r"\beta"),
    ),
    references=("rosenfeld2019",),
    domain="top-1 error or loss from random guessing to the power-law region; the paper's |x/(x - i·eta)|·eps_0 with "
    "eta = eps_0, since the data determine a, b and c_inf only relative to eta",
    output="error",
)

M1 = Law(
    name="alabdulmohsin-m1",
    title="Alabdulmohsin M1: power law",
    formula="beta*x^c",
    inputs=(_SEEN,),
    parameters=(_BETA, _POWER),
    references=("alabdulmohsin2022",),
    domain="the tail of a learning curve, far from its floor",
    output="error",
)

M2 = Law(
    name="alabdulmohsin-m2",
    title="Alabdulmohsin M2: power law with a floor",
    formula="beta*x^c + eps_inf",
    inputs=(_SEEN,),
    parameters=(_BETA, _POWER, coefficient("eps_inf", "error after infinitely many examples", (1e-3, 0.5), "1")),
    references=("alabdulmohsin2022",),
    domain="the tail of a learning curve, down to its floor",
    output="error",
)

M3 = Law(
    name="alabdulmohsin-m3",
    title="Alabdulmohsin M3: power law of a saturating number of examples",
    formula="beta*(1/x + gamma)^(-c)",
    inputs=(_SEEN,),
    parameters=(
        _BETA,
        _POWER,
        coefficient("gamma", "1 over the examples beyond which nothing is learnt", (1e-12, 1.0), "1/examples"),
    ),
    references=("alabdulmohsin2022",),
    domain="the tail of a learning curve, down to its floor",
    output="error",
)

M4 = Law(
    name="alabdulmohsin-m4",
    title="Alabdulmohsin M4: sigmoidal learning curve, examples as a function of error",
    formula="((eps - eps_inf)/(beta*(eps_0 - eps)^alpha))^(1/c)",
    inputs=(Input("eps", ERROR.column, ERROR.meaning, ERROR.unit),),
    parameters=(
        _BETA,
        _POWER,
        Parameter("alpha", "sharpness of the rise towards random guessing", "1", "linear", (0.02, 2.0), r"\alpha"),
        coefficient("eps_inf", "error after infinitely many examples", (1e-4, 0.3), "1"),
        coefficient("eps_0", "error of random guessing", (0.5, 2.0), "1"),
    ),
    references=("alabdulmohsin2022",),
    domain="a whole learning curve; errors strictly between eps_inf and eps_0; residuals are of log examples, not of "
    "the error, because the law gives the error only implicitly",
    output="examples",
)


def sigmoidal_error(examples: float, theta: Mapping[str, float]) -> float:
    """The error ε of M4 after `examples` examples: the root of (ε - ε∞)/(ε0 - ε)^α = β x^c between ε∞ and ε0.

    Raises:
        UsageError: the floor is not below the error of random guessing, or `examples` is not positive.

    Reference: alabdulmohsin2022

    Example:
        >>> theta = {"beta": 5.0, "c": -0.4, "alpha": 0.5, "eps_inf": 0.1, "eps_0": 0.9}
        >>> round(sigmoidal_error(1e4, theta), 6)
        0.204725
    """
    low, high = theta["eps_inf"], theta["eps_0"]
    if not low < high:
        raise UsageError(f"eps_inf={low!r} must be below eps_0={high!r}.")
    if not examples > 0.0:
        raise UsageError(f"examples={examples!r} must be positive.")
    wanted = math.log(theta["beta"]) + theta["c"] * math.log(examples)
    floor, ceiling = low, high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        reached = math.log(middle - floor) - theta["alpha"] * math.log(ceiling - middle)
        low, high = (middle, high) if reached < wanted else (low, middle)
    return 0.5 * (low + high)
