"""Law, Parameter, Input: what a scaling law is.

A law is declared, not programmed: its inputs, its parameters, one formula as text, where it holds and who found it.
Derivatives, starting points, LaTeX, report rows and tests are derived from that declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    the solver may leave it. `symbol` is its LaTeX.
    """

    name: str
    meaning: str
    unit: str = "1"
    scale: Scale = "linear"
    search: tuple[float, float] = (0.02, 1.5)
    symbol: str = ""


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


def coefficient(name: str, meaning: str, search: tuple[float, float], unit: str = "nats/token") -> Parameter:
    """A positive parameter that multiplies a term."""
    return Parameter(name, meaning, unit, "log", search)


def exponent(name: str, meaning: str, symbol: str) -> Parameter:
    """A dimensionless power, sought between 0.02 and 1.5."""
    return Parameter(name, meaning, "1", "linear", (0.02, 1.5), symbol)
