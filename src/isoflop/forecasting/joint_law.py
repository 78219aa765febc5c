"""One law for the runs of two recipes: the second is the first with more compute than it was given.

    log L = u·log L_A(N, D) + v·log L_B(N, D)
    L_B(N, D) = L_A(√g·N, √g·D)        log g = κ + τ·log10(C / C₀)

Every exponent and, unless it is freed, the floor are shared, so that g is the factor by which the compute of recipe A
must be multiplied to reach the loss of B, and τ says how it changes per decade. u and v are columns: (1, 0) for a run
of A, (0, 1) for one of B. Two runs of one size and data are twins: they enter as their mean (½, ½) and as their ratio
(-1, 1), in which everything that they share cancels, the misfit of the law above all.

A law of one quantity alone takes the whole of g: L_B(C) = L_A(g·C).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from isoflop import expressions
from isoflop.errors import UsageError
from isoflop.expressions import Call, Node, Number, Symbol
from isoflop.laws.graph import Array
from isoflop.laws.law import Input, Law, Parameter

Floor = Literal["shared", "own"]
FLOORS: tuple[Floor, ...] = ("shared", "own")

SHARE_A, SHARE_B, DECADES = "baseline_share", "family_share", "decades_from_reference"
MULTIPLIER, TREND, BEND = "log_multiplier", "multiplier_trend", "multiplier_bend"
FLOOR_GAP, SIZE_SHARE = "floor_gap", "size_share"

_INPUTS = (
    Input(SHARE_A, SHARE_A, "weight of the baseline's log-loss in the row", "1"),
    Input(SHARE_B, SHARE_B, "weight of the other recipe's log-loss in the row", "1"),
    Input(DECADES, DECADES, "compute over the reference", "decades"),
)
_OWN = {
    MULTIPLIER: Parameter(MULTIPLIER, "log of the compute multiplier at the reference", "1", "linear", (-3.0, 3.0)),
    TREND: Parameter(TREND, "its change per decade of compute", "1", "linear", (-1.0, 1.0)),
    BEND: Parameter(BEND, "the change of that change per decade", "1", "linear", (-0.3, 0.3)),
    FLOOR_GAP: Parameter(
        FLOOR_GAP, "floor of the recipe less that of the baseline", "nats/token", "linear", (-0.5, 0.5)
    ),
    SIZE_SHARE: Parameter(SIZE_SHARE, "log of the multiplier of size over its half", "1", "linear", (-2.0, 2.0)),
}
_LETTERS = ("N", "D", "C")


@dataclass(frozen=True)
class Freedom:
    """What may differ between the recipes besides a constant multiplier.

    `trend`: the multiplier changes with compute, `bend`: and not by the same factor in every decade. `floor`: each has
    a floor of its own. `split`: size and data have multipliers of their own, whose product is that of compute.
    """

    trend: bool = True
    bend: bool = False
    floor: Floor = "shared"
    split: bool = False


def joint_law(base: Law, freedom: Freedom, starts: Mapping[str, float]) -> Law:
    """The law of both recipes; `starts` are values of the base law's parameters, from which the search begins.

    Raises:
        UsageError: the law takes none of N, D and C, or has no floor that could be freed.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> starts = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
        >>> joint_law(find("chinchilla"), Freedom(), starts).parameter_names[-2:]
        ('log_multiplier', 'multiplier_trend')
    """
    own = own_parameters(base, freedom)
    taken = {*base.parameter_names, *base.input_names} & {*_OWN, *(item.name for item in _INPUTS)}
    if taken:
        raise UsageError(f"law {base.name}: the name {sorted(taken)[0]!r} is needed here: call it something else.")
    inputs = [*base.inputs, *(_INPUTS if freedom.trend else _INPUTS[:2])]
    other = _substituted(base.tree, _replacements(base, freedom), _gains(base, freedom))
    sides = ((SHARE_A, _substituted(base.tree, {}, {})), (SHARE_B, other))
    parts = tuple(Call("multiply", (Symbol(share), Call("log", (side,)))) for share, side in sides)
    formula = expressions.to_text(Call("exp", (Call("add", parts),)))
    try:
        expressions.parse(formula)
    except UsageError as error:
        raise UsageError(f"law {base.name} is too long to be fitted to two recipes at once: choose another.") from error
    return Law(
        name=f"{base.name} of two recipes",
        title=f"{base.title}, of two recipes",
        formula=formula,
        inputs=tuple(inputs),
        parameters=(
            *(replace(item, start=starts[item.name]) for item in base.parameters),
            *(replace(_OWN[name], start=0.0) for name in own),
        ),
        references=base.references,
        output=base.output,
    )


def own_parameters(base: Law, freedom: Freedom) -> tuple[str, ...]:
    """The parameters that tell the recipes apart, in the order they stand in."""
    wanted = {TREND: freedom.trend, BEND: freedom.bend, FLOOR_GAP: freedom.floor == "own", SIZE_SHARE: freedom.split}
    if freedom.floor == "own" and floor_of(base) is None:
        raise UsageError(f"floor='own': law {base.name} has no floor, a constant that is added: use 'shared'.")
    if freedom.split and not can_split(base):
        raise UsageError(f"law {base.name} does not take both model size and data: their shares cannot be told apart.")
    return (MULTIPLIER, *(name for name, asked in wanted.items() if asked))


def floor_of(law: Law) -> str | None:
    """The positive parameter that stands alone in the sum: the loss of an infinite model on infinite data."""
    positive = {item.name for item in law.parameters if item.scale == "log"}
    return next((node.name for node in _terms(law.tree) if isinstance(node, Symbol) and node.name in positive), None)


def can_split(law: Law) -> bool:
    """Whether the law takes both model size and data."""
    return {"N", "D"} <= set(law.input_names)


def scaled_letters(law: Law) -> dict[str, float]:
    """Which inputs grow with compute, and with which power where all are scaled in proportion.

    Raises:
        UsageError: the law takes none of N, D and C.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> scaled_letters(find("chinchilla")), scaled_letters(find("power-floor-c"))
        ({'N': 0.5, 'D': 0.5}, {'C': 1.0})
    """
    letters = [item.name for item in law.inputs if item.name in _LETTERS]
    if not letters:
        raise UsageError(
            f"law {law.name} takes none of N (params), D (tokens) and C (compute), so it does not say what more "
            "compute would bring: choose another law."
        )
    return {letter: 1.0 if letter == "C" or len(letters) == 1 else 0.5 for letter in letters}


def scale_of(law: Law, data: Mapping[str, Array]) -> Array:
    """What compute is proportional to (n,): 6·N·D, C, or the one quantity that the law takes."""
    letters = scaled_letters(law)
    if "C" in letters:
        return data["C"]
    if {"N", "D"} <= set(letters):
        return np.asarray(6.0 * data["N"] * data["D"])
    return data[next(iter(letters))]


def _gains(base: Law, freedom: Freedom) -> dict[str, Node]:
    """Logarithm of the factor by which each letter is larger in the other recipe than it was given."""
    gain: Node = Symbol(MULTIPLIER)
    if freedom.trend:
        rise: Node = Symbol(TREND)
        if freedom.bend:
            rise = Call("add", (rise, Call("multiply", (Symbol(BEND), Symbol(DECADES)))))
        gain = Call("add", (gain, Call("multiply", (rise, Symbol(DECADES)))))
    gains: dict[str, Node] = {}
    for letter, power in scaled_letters(base).items():
        gains[letter] = gain if power == 1.0 else Call("multiply", (Number(power), gain))
        if freedom.split and letter in ("N", "D"):
            gains[letter] = Call("add" if letter == "N" else "subtract", (gains[letter], Symbol(SIZE_SHARE)))
    return gains


def _replacements(base: Law, freedom: Freedom) -> dict[str, Node]:
    """What stands in the baseline's formula for a name, to make it the other recipe's."""
    replacements: dict[str, Node] = {
        letter: Call("multiply", (Symbol(letter), Call("exp", (gain,))))
        for letter, gain in _gains(base, freedom).items()
    }
    floor = floor_of(base)
    if freedom.floor == "own" and floor is not None:
        replacements[floor] = Call("add", (Symbol(floor), Symbol(FLOOR_GAP)))
    return replacements


def _substituted(node: Node, replacements: Mapping[str, Node], gains: Mapping[str, Node]) -> Node:
    """The tree with names replaced; powers of a letter become exponentials, N^a = exp(a·log N), three times as fast."""
    match node:
        case Symbol(name=name):
            return replacements.get(name, node)
        case Call(function="power", arguments=(Symbol(name=letter), exponent)) if letter in _LETTERS:
            logarithm: Node = Call("log", (Symbol(letter),))
            if letter in gains:
                logarithm = Call("add", (logarithm, gains[letter]))
            return Call("exp", (Call("multiply", (_substituted(exponent, replacements, gains), logarithm)),))
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(_substituted(argument, replacements, gains) for argument in arguments))
    return node


def _terms(node: Node) -> tuple[Node, ...]:
    """The terms of a sum."""
    if isinstance(node, Call) and node.function == "add":
        return tuple(term for argument in node.arguments for term in _terms(argument))
    return (node,)
