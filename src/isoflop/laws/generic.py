"""Laws of any one quantity X for any metric: choose the columns with `isoflop.laws.law.rebind`.

X may be parameters, tokens, compute, examples, images seen; the output a loss, an error rate, a score above zero.
"""

from __future__ import annotations

from isoflop.laws.law import QUANTITY, Input, Law, Parameter, coefficient, exponent, scale

_FLOOR = coefficient("E", "value at infinite X", (1e-3, 10.0), "that of the output")
_FALL = exponent("alpha", "how fast the output falls with X", r"\alpha")

POWER = Law(
    name="power",
    title="The textbook power law Y = K·X^a",
    formula="K*X^a",
    inputs=(QUANTITY,),
    parameters=(
        coefficient("K", "output at X = 1", (1e-6, 1e6), "that of the output"),
        Parameter("a", "power of X: negative where the output falls", "1", "linear", (-1.5, 1.5)),
    ),
    references=("hestness2017",),
    domain="far from any floor or break: on logarithmic axes the data lie on one straight line",
)

POWER_SCALE = Law(
    name="power-scale",
    title="Power law (X_c/X)^alpha",
    formula="(X_c/X)^alpha",
    inputs=(QUANTITY,),
    parameters=(scale("X_c", "the X at which the output is 1", "that of X"), _FALL),
    references=("kaplan2020",),
    domain="far from any floor or break",
)

POWER_FLOOR = Law(
    name="power-floor",
    title="Power law with a floor",
    formula="E + (X_c/X)^alpha",
    inputs=(QUANTITY,),
    parameters=(_FLOOR, scale("X_c", "the X at which the power term is 1", "that of X"), _FALL),
    references=("henighan2020",),
    domain="one power law down to one floor, without breaks",
)

HESTNESS = Law(
    name="hestness",
    title="Hestness: generalisation error of training-set size",
    formula="a*m^beta_g + gamma",
    inputs=(Input("m", "examples", "training set", "examples"),),
    parameters=(
        coefficient("a", "error term at one example", (1e-2, 1e4), "that of the output"),
        Parameter("beta_g", "power of the training-set size, negative", "1", "linear", (-1.0, -0.02), r"\beta_g"),
        coefficient("gamma", "irreducible error", (1e-4, 10.0), "that of the output"),
    ),
    references=("hestness2017",),
    domain="the best model for each training-set size, between the small-data and the irreducible-error regions",
)
