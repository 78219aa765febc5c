"""Broken laws: smooth joins of power laws, each break with a place d, a width f and a change of slope c.

    y = a + b·x^(-c_0)·Π_i (1 + (x/d_i)^(1/f_i))^(-c_i·f_i)

A break is only determined by data on both sides of it. Reference: caballero2022
"""

from __future__ import annotations

from isoflop.laws.chinchilla import CHINCHILLA
from isoflop.laws.law import PARAMS, QUANTITY, TOKENS, Law, Parameter, coefficient, scale

_SLOPE = (-1.0, 1.5)
_WIDTH = (0.05, 1.5)


def _break(number: str, quantity: str, unit: str) -> tuple[Parameter, ...]:
    return (
        Parameter(f"c_{number}", f"change of slope at break {number}", "1", "linear", _SLOPE),
        scale(f"d_{number}", f"{quantity} at break {number}", unit, (1e2, 1e14)),
        Parameter(f"f_{number}", f"width of break {number} in logarithms", "1", "log", _WIDTH),
    )


def _factor(letter: str, number: str) -> str:
    return f"(1 + ({letter}/d_{number})^(1/f_{number}))^(-c_{number}*f_{number})"


def _broken(breaks: int) -> Law:
    numbers = [str(index) for index in range(1, breaks + 1)]
    return Law(
        name=f"broken-{breaks}",
        title=f"Caballero: power law with {breaks} break{'s' if breaks > 1 else ''}",
        formula="a + b*X^(-c_0)*" + "*".join(_factor("X", number) for number in numbers),
        inputs=(QUANTITY,),
        parameters=(
            coefficient("a", "value at infinite X", (1e-3, 10.0), "that of the output"),
            coefficient("b", "power term at X = 1", (1e-2, 1e6), "that of the output"),
            Parameter("c_0", "slope before the first break", "1", "linear", (0.0, 1.0)),
            *(parameter for number in numbers for parameter in _break(number, "X", "that of X")),
        ),
        references=("caballero2022",),
        domain="any metric above zero; needs points on both sides of every break, so it does not forecast the next one",
    )


BROKEN_1, BROKEN_2, BROKEN_3 = (_broken(breaks) for breaks in (1, 2, 3))

BROKEN_CHINCHILLA = Law(
    name="chinchilla-broken",
    title="Chinchilla with a break in its data term",
    formula=f"E + A/N^alpha + B/D^beta*{_factor('D', '1')}",
    inputs=(PARAMS, TOKENS),
    parameters=(*CHINCHILLA.parameters, *_break("1", "data", "tokens")),
    references=("hoffmann2022", "caballero2022"),
    domain="as chinchilla, with data on both sides of a change in how fast loss falls with tokens",
)
