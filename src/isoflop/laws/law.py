"""Law, Parameter, Input: what a scaling law is.

A law is declared, not programmed: its inputs, its parameters, one formula as text, where it holds and who found it.
Derivatives, starting points, LaTeX, report rows and tests are derived from that declaration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from isoflop import expressions
from isoflop.errors import UsageError

Scale = Literal["log", "linear"]


@dataclass(frozen=True)
class Parameter:
    """A constant of a law.

    `scale` is the coordinate the solver works in: `log` for parameters that are positive by nature (a coefficient),
    `linear` for the rest (an exponent). `search` is the range in which starting points are sought: no bound, since
    the solver may leave it. `symbol` is its LaTeX. `start` is a value to begin with, if one is known; `bounds` are
    values it may not pass.
    """

    name: str
    meaning: str
    unit: str = "1"
    scale: Scale = "linear"
    search: tuple[float, float] = (0.02, 1.5)
    symbol: str = ""
    start: float | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class Input:
    """A quantity the law takes: its letter in the formula and the run-table column it is read from."""

    name: str
    column: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Law:
    """A functional form `output = formula(inputs; parameters)`.

    `formula` is text in the language of `isoflop.expressions`; names that are not inputs are parameters.
    `references` are keys of `references.bib`; `domain` says in words where the form is known to hold.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> find("chinchilla").formula
        'E + A/N^alpha + B/D^beta'
    """

    name: str
    title: str
    formula: str
    inputs: tuple[Input, ...]
    parameters: tuple[Parameter, ...]
    references: tuple[str, ...] = ()
    domain: str = ""
    output: str = "loss"

    def __post_init__(self) -> None:
        if self.output in self.columns:
            raise UsageError(f"law {self.name}: column {self.output!r} is predicted, so it cannot be an input as well.")
        declared = {*self.input_names, *self.parameter_names}
        used = set(expressions.symbols(self.tree))
        if used != declared:
            raise UsageError(
                f"law {self.name}: the formula uses {sorted(used)}, declared are {sorted(declared)}: make them equal."
            )

    @cached_property
    def tree(self) -> expressions.Node:
        """The parsed formula."""
        return expressions.parse(self.formula)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in declared order: the order of every parameter vector."""
        return tuple(parameter.name for parameter in self.parameters)

    @property
    def input_names(self) -> tuple[str, ...]:
        """Letters of the inputs, in declared order."""
        return tuple(item.name for item in self.inputs)

    @property
    def columns(self) -> tuple[str, ...]:
        """Run-table columns of the inputs, in declared order."""
        return tuple(item.column for item in self.inputs)


PARAMS = Input("N", "params", "model size", "parameters")
TOKENS = Input("D", "tokens", "training data", "tokens")
COMPUTE = Input("C", "compute", "training compute", "FLOP")
STEPS = Input("S", "step", "optimizer steps", "steps")
LOSS = Input("L", "loss", "held-out loss", "nats/token")
ERROR = Input("epsilon", "error", "error rate", "1")
EXAMPLES = Input("n", "examples", "training examples", "examples")
QUANTITY = Input("X", "x", "any quantity", "any")


def rebind(law: Law, columns: Mapping[str, str], output: str | None = None) -> Law:
    """The same law of other columns: `columns` gives the run-table column for the letters to be changed.

    Raises:
        UsageError: the law has no input of that letter.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> law = rebind(find("power-floor"), {"X": "samples_seen"}, output="error")
        >>> law.columns, law.output
        (('samples_seen',), 'error')
    """
    for letter in columns:
        if letter not in law.input_names:
            raise UsageError(f"law {law.name} has no input {letter!r}: its inputs are {', '.join(law.input_names)}.")
    inputs = tuple(replace(item, column=columns.get(item.name, item.column)) for item in law.inputs)
    return replace(law, inputs=inputs, output=output or law.output)


def coefficient(name: str, meaning: str, search: tuple[float, float], unit: str = "nats/token") -> Parameter:
    """A positive parameter that multiplies a term."""
    return Parameter(name, meaning, unit, "log", search)


def scale(name: str, meaning: str, unit: str, search: tuple[float, float] = (1e0, 1e20)) -> Parameter:
    """A positive parameter that an input is divided by."""
    return Parameter(name, meaning, unit, "log", search)


def exponent(name: str, meaning: str, symbol: str) -> Parameter:
    """A dimensionless power, sought between 0.02 and 1.5."""
    return Parameter(name, meaning, "1", "linear", (0.02, 1.5), symbol)
