"""A user's own formula, as text or as a Python function, becomes a law like any other.

    law("E + A/N^alpha + B/D^beta + G/(N^g*D^d)")
    law(lambda N, D, E, A, alpha: E + A * np.exp(-alpha * np.log(N)), inputs=("N",))

A function is called once with symbols in place of numbers: + - * / ** and NumPy's exp, log, sqrt, sin, cos, arctan,
tanh, abs, minimum, maximum are recorded, so its derivatives are as exact as those of a text.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isoflop import expressions
from isoflop.errors import UsageError
from isoflop.expressions import Call, Node, Number, Symbol
from isoflop.laws.law import COMPUTE, PARAMS, TOKENS, Input, Law, Parameter, Scale

STANDARD_INPUTS = {item.name: item for item in (PARAMS, TOKENS, COMPUTE)}
_SPREAD = 1e3  # a start is trusted to within this factor, either way
_UFUNCS = {
    "add": "add", "subtract": "subtract", "multiply": "multiply", "divide": "divide", "power": "power",
    "negative": "negative", "exp": "exp", "log": "log", "log10": "log10", "log2": "log2", "sqrt": "sqrt", "sin": "sin",
    "cos": "cos", "arctan": "arctan", "tanh": "tanh", "absolute": "abs", "minimum": "min", "maximum": "max",
}  # fmt: skip


def law(
    formula: str | Callable[..., Any],
    *,
    start: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    inputs: Sequence[str] | Mapping[str, str] | None = None,
    output: str = "loss",
    name: str = "formula",
    positive: bool = True,
) -> Law:
    """A law from a formula of your own.

    Args:
        formula: text such as `"E + A/N^alpha"`, or a function of inputs and parameters.
        start: values near which the parameters are expected; a thousandfold to either side is searched.
        bounds: (lowest, highest) value of a parameter, None for open. Without a start, coefficients that multiply
            a term, and whatever is raised to a power, are taken as positive.
        inputs: names that are inputs, or a mapping from name to run-table column; N, D and C unless given.
        output: the column the formula predicts.
        name: what to call the law.
        positive: whether parameters without start and bounds are positive where they multiply a term.

    Raises:
        UsageError: the formula is not allowed, or `start`, `bounds` or `inputs` name something it does not contain.

    Example:
        >>> law("E + A/N^alpha + B/D^beta").parameter_names
        ('E', 'A', 'alpha', 'B', 'beta')
    """
    tree = expressions.parse(formula) if isinstance(formula, str) else trace(formula)
    text = formula if isinstance(formula, str) else expressions.to_text(tree)
    names = expressions.symbols(tree)
    columns = _columns(names, inputs)
    start, bounds = dict(start or {}), dict(bounds or {})
    parameters = [item for item in names if item not in columns]
    if not parameters:
        raise UsageError(f"formula: {text!r} has no parameter to fit: {', '.join(names)} are columns.")
    for argument, given in (("start", start), ("bounds", bounds)):
        unknown = [item for item in given if item not in parameters]
        if unknown:
            raise UsageError(f"{argument}: {unknown[0]!r} is no parameter; they are {', '.join(parameters)}.")
    return Law(
        name=name,
        title="a formula of your own",
        formula=text,
        inputs=tuple(_input(letter, column) for letter, column in columns.items()),
        parameters=tuple(_parameter(item, tree, start.get(item), bounds.get(item), positive) for item in parameters),
        output=output,
    )


def law_for_columns(formula: str, columns: Sequence[str], x: Sequence[str], y: str | None, *, positive: bool) -> Law:
    """The law of a formula whose inputs are the names that are columns of a table, or stand for one (N, D, C)."""
    names = expressions.symbols(expressions.parse(formula))
    # A table may itself have a column called N, D or C.
    known = {letter: item.column for letter, item in STANDARD_INPUTS.items() if letter not in columns}
    inputs = {name: known.get(name, name) for name in names if (name in x if x else name in columns or name in known)}
    return law(formula, inputs=inputs, output=y or "loss", positive=positive)


def trace(function: Callable[..., Any]) -> Node:
    """The formula that a Python function computes, recorded by calling it with symbols.

    Raises:
        UsageError: the function does something that cannot be recorded; the message says what.
    """
    names = list(inspect.signature(function).parameters)
    try:
        result = function(*(_Traced(Symbol(item)) for item in names))
    except UsageError:
        raise
    except Exception as error:
        name = getattr(function, "__name__", "the function")
        allowed = f"use + - * / ** and NumPy's {', '.join(_UFUNCS)}."
        raise UsageError(f"formula: {name} cannot be recorded ({error}): {allowed}") from error
    return _node(result)


class _Traced:
    """Stands for a number while a function is recorded; not for users."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> _Traced:
        name = _UFUNCS.get(ufunc.__name__)
        if name is None or method != "__call__" or options:
            raise UsageError(f"formula: numpy.{ufunc.__name__} is not allowed; use {', '.join(_UFUNCS)}.")
        return _Traced(Call(name, tuple(_node(operand) for operand in operands)))

    def __bool__(self) -> bool:
        raise UsageError("formula: a condition on a parameter or input cannot be recorded; use minimum or maximum.")

    def __add__(self, other: Any) -> _Traced:
        return _binary("add", self, other)

    def __radd__(self, other: Any) -> _Traced:
        return _binary("add", other, self)

    def __sub__(self, other: Any) -> _Traced:
        return _binary("subtract", self, other)

    def __rsub__(self, other: Any) -> _Traced:
        return _binary("subtract", other, self)

    def __mul__(self, other: Any) -> _Traced:
        return _binary("multiply", self, other)

    def __rmul__(self, other: Any) -> _Traced:
        return _binary("multiply", other, self)

    def __truediv__(self, other: Any) -> _Traced:
        return _binary("divide", self, other)

    def __rtruediv__(self, other: Any) -> _Traced:
        return _binary("divide", other, self)

    def __pow__(self, other: Any) -> _Traced:
        return _binary("power", self, other)

    def __rpow__(self, other: Any) -> _Traced:
        return _binary("power", other, self)

    def __neg__(self) -> _Traced:
        return _Traced(Call("negative", (self.node,)))

    def __pos__(self) -> _Traced:
        return self

    def __abs__(self) -> _Traced:
        return _Traced(Call("abs", (self.node,)))


def _binary(operation: str, left: Any, right: Any) -> _Traced:
    return _Traced(Call(operation, (_node(left), _node(right))))


def _node(value: Any) -> Node:
    if isinstance(value, _Traced):
        return value.node
    try:
        return Number(float(value))
    except (TypeError, ValueError):
        raise UsageError(f"formula: {value!r} is neither a number nor a parameter.") from None


def _columns(names: Sequence[str], inputs: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    if inputs is None:
        chosen = {letter: item.column for letter, item in STANDARD_INPUTS.items() if letter in names}
    elif isinstance(inputs, Mapping):
        chosen = dict(inputs)
    else:
        chosen = {item: STANDARD_INPUTS[item].column if item in STANDARD_INPUTS else item for item in inputs}
    unknown = [item for item in chosen if item not in names]
    if unknown or not chosen:
        what = f"{unknown[0]!r} is not in the formula" if unknown else "the formula contains none of N, D and C"
        raise UsageError(f"inputs: {what}; its names are {', '.join(names)}: say which are inputs.")
    return chosen


def _input(letter: str, column: str) -> Input:
    known = STANDARD_INPUTS.get(letter)
    return known if known is not None and known.column == column else Input(letter, column, column, "1")


def _parameter(
    name: str, tree: Node, start: float | None, bounds: tuple[float | None, float | None] | None, positive: bool
) -> Parameter:
    low, high = bounds or (None, None)
    lowest, highest = (-math.inf if low is None else low), (math.inf if high is None else high)
    if not lowest < highest or (start is not None and not lowest <= start <= highest):
        raise UsageError(f"bounds of {name!r}: ({low}, {high}) must be rising and contain the start of {start}.")
    if bounds is not None or start is not None:
        positive = lowest >= 0.0
    else:
        positive = positive and not _in_exponent(name, tree)
    if start is not None:
        search = (start / _SPREAD, start * _SPREAD) if start else (-1.0, 1.0)
    elif _in_exponent(name, tree):
        search = (0.02, 1.5) if positive or lowest >= 0.0 else (-2.0, 2.0)
    else:
        search = (1e-3, 1e12) if positive else (-10.0, 10.0)
    search = (max(min(search), lowest), min(max(search), highest))
    scale: Scale = "log" if positive else "linear"
    return Parameter(name, "parameter of your formula", "1", scale, search, "", start, (lowest, highest))


def _in_exponent(name: str, node: Node) -> bool:
    """Whether the name occurs in the exponent of a power or inside exp."""
    if not isinstance(node, Call):
        return False
    if node.function in ("power", "exp") and name in expressions.symbols(node.arguments[-1]):
        return True
    return any(_in_exponent(name, argument) for argument in node.arguments)
