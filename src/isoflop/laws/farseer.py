"""Farseer: floor, coefficient and exponent of the data term all change with model size. Reference: farseer2025."""

from __future__ import annotations

from isoflop.laws.law import PARAMS, TOKENS, Law, Parameter


def _triple(
    index: str, power: str, symbol: str, what: str, strength: tuple[float, float], powers: tuple[float, float]
) -> tuple[Parameter, ...]:
    return (
        Parameter(f"a_{index}", f"how strongly {what} changes with model size", "1", "linear", strength),
        Parameter(f"b_{index}", f"log of {what} in the limit of the other term", "1", "linear", (-10.0, 10.0)),
        Parameter(power, f"power of model size in {what}", "1", "linear", powers, symbol),
    )


FARSEER = Law(
    name="farseer",
    title="Farseer: a data term whose exponent depends on model size",
    formula="exp(a_3*N^gamma + b_3) + exp(a_2*N^beta + b_2)*D^(-exp(a_1*N^alpha + b_1))",
    inputs=(PARAMS, TOKENS),
    parameters=(
        *_triple("1", "alpha", r"\alpha", "the exponent of data", (-0.5, 0.0), (0.02, 0.2)),
        *_triple("2", "beta", r"\beta", "the coefficient of data", (1.0, 100.0), (-0.3, -0.02)),
        *_triple("3", "gamma", r"\gamma", "the loss on infinite data", (-0.1, 0.0), (0.02, 0.3)),
    ),
    references=("farseer2025",),
    domain="dense decoder-only models; nine parameters need a dense grid of sizes and tokens",
)
