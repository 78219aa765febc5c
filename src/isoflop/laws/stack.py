"""Several laws as one: the weighted geometric mean of what they predict.

    log L = Σ_m w_m log L_m        w_m ≥ 0, Σ w_m = 1

A stack is a law like any other: its parameters are the weights and those of its members, each under a numbered name.
With the weights on all members it is the combined forecast; a draw that puts all weight on one member is a draw from
that member, so an ensemble of such draws carries the spread over laws along with that of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from isoflop import expressions
from isoflop.expressions import Call, Node, Symbol
from isoflop.laws.graph import Array
from isoflop.laws.law import Law, Parameter

STACK = "stack"
"""The name of every stacked law."""


class Member(Protocol):
    """One law of a stack: its weight in the combined forecast and its own parameters θ (k,)."""

    @property
    def weight(self) -> float:
        """Between 0 and 1; those of all members sum to 1."""

    @property
    def theta(self) -> Array:
        """In the order of the law's parameters."""


def stack_laws(laws: Sequence[Law]) -> Law:
    """The geometric mean of `laws`, which take the same inputs and predict the same output.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> law = stack_laws([find("chinchilla-tied"), find("coupled-0.5")])
        >>> law.parameter_names[:6]
        ('w_1', 'w_2', 'E_1', 'A_1', 'B_1', 'alpha_1')
    """
    factors, parameters = [], []
    weights = [Parameter(f"w_{number}", f"weight of {law.name}", "1") for number, law in enumerate(laws, start=1)]
    letters = {item.column: item.name for item in laws[0].inputs}
    for number, (law, weight) in enumerate(zip(laws, weights, strict=True), start=1):
        names = {name: f"{name}_{number}" for name in law.parameter_names}
        names.update({item.name: letters[item.column] for item in law.inputs})
        factors.append(Call("power", (_renamed(law.tree, names), Symbol(weight.name))))
        parameters += [replace(item, name=names[item.name]) for item in law.parameters]
    tree: Node = factors[0]
    for factor in factors[1:]:
        tree = Call("multiply", (tree, factor))
    return Law(
        name=STACK,
        title=f"Weighted geometric mean of {len(laws)} laws",
        formula=expressions.to_text(tree),
        inputs=laws[0].inputs,
        parameters=(*weights, *parameters),
        references=tuple(dict.fromkeys(key for law in laws for key in law.references)),
        domain="where every member holds; how far they disagree is part of the forecast",
        output=laws[0].output,
    )


def stack_theta(members: Sequence[Member]) -> Array:
    """θ (k,) of the stacked law at the weights of `members`."""
    return np.concatenate([[member.weight for member in members], *(member.theta for member in members)])


def stack_draws(members: Sequence[Member], draws: Sequence[Array]) -> Array:
    """θ (B, k) of the stacked law: each draw (B_m, k_m) of a member, with all weight on that member."""
    rows = []
    for place, own in enumerate(draws):
        weights = np.zeros((len(own), len(members)))
        weights[:, place] = 1.0
        parts = [
            own if number == place else np.repeat(member.theta[None], len(own), axis=0)
            for number, member in enumerate(members)
        ]
        rows.append(np.concatenate([weights, *parts], axis=1))
    return np.concatenate(rows)


def _renamed(node: Node, names: dict[str, str]) -> Node:
    match node:
        case Symbol(name=name):
            return Symbol(names[name])
        case Call(function=function, arguments=arguments):
            return Call(function, tuple(_renamed(argument, names) for argument in arguments))
    return node
