"""The one parser of formulas: laws as text, `--where` conditions, sweeps. Nothing is ever executed.

A text is parsed by Python's own grammar, then translated node by node through an allow-list into a small tree of
`Number`, `Text`, `Symbol` and `Call`. Anything not on the list is refused by name. `^` means `**`.

    parse("E + A/N^alpha")  →  Call("add", (Symbol("E"), Call("divide", (…))))

Limits: 2,000 characters, 200 nodes, depth 50, double precision numbers only.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from isoflop.errors import UsageError

MAX_CHARACTERS, MAX_NODES, MAX_DEPTH = 2000, 200, 50

# name → number of arguments
FUNCTIONS: Mapping[str, int] = {
    "exp": 1, "log": 1, "log10": 1, "log2": 1, "sqrt": 1, "sin": 1, "cos": 1, "arctan": 1, "tanh": 1, "abs": 1,
    "min": 2, "max": 2,
}  # fmt: skip
CONSTANTS: Mapping[str, float] = {"pi": math.pi}

_ARITHMETIC: Mapping[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power",
    ast.USub: "negative",
}  # fmt: skip
_COMPARISONS: Mapping[type[ast.AST], str] = {
    ast.Lt: "less", ast.LtE: "less_equal", ast.Gt: "greater", ast.GtE: "greater_equal", ast.Eq: "equal",
    ast.NotEq: "not_equal",
}  # fmt: skip
_LOGIC: Mapping[type[ast.AST], str] = {ast.And: "and", ast.Or: "or", ast.Not: "not"}


@dataclass(frozen=True)
class Number:
    """A double-precision constant."""

    value: float


@dataclass(frozen=True)
class Text:
    """A quoted string; only conditions may compare with it."""

    value: str


@dataclass(frozen=True)
class Symbol:
    """A name: an input, a parameter or a column."""

    name: str


@dataclass(frozen=True)
class Call:
    """An operation (`add`, `power`, `exp` …) applied to its arguments."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Text | Symbol | Call


def parse(text: str) -> Node:
    """The tree of an arithmetic formula.

    Raises:
        UsageError: the text is not a formula of the allowed pieces; the message names the offending piece.

    Example:
        >>> symbols(parse("E + A/N^alpha"))
        ('E', 'A', 'N', 'alpha')
    """
    return _translate(text, conditions=False)


def parse_condition(text: str) -> Node:
    """The tree of a condition on columns, such as `params > 1e7 and family == "dense"`."""
    return _translate(text, conditions=True)


def symbols(node: Node) -> tuple[str, ...]:
    """Names in the tree, in order of first appearance."""
    if isinstance(node, Symbol):
        return (node.name,)
    if isinstance(node, Call):
        return tuple(dict.fromkeys(name for argument in node.arguments for name in symbols(argument)))
    return ()


def to_text(node: Node) -> str:
    """A text that `parse` reads as the tree.

    Example:
        >>> to_text(parse("E + A/N^alpha"))
        'E + A / N ^ alpha'
    """
    return _text(node, 0)


def evaluate(node: Node, values: Mapping[str, Any]) -> Any:
    """The value of the tree with `values` (NumPy arrays or numbers) for its symbols."""
    if isinstance(node, Call):
        function = _evaluators()[node.function]
        return function(*(evaluate(argument, values) for argument in node.arguments))
    if isinstance(node, Symbol):
        if node.name not in values:
            raise UsageError(f"{node.name!r} is not a column: the columns are {', '.join(sorted(values))}.")
        return values[node.name]
    return node.value


_OPERATORS: Mapping[str, tuple[str, int]] = {
    "add": ("+", 1), "subtract": ("-", 1), "multiply": ("*", 2), "divide": ("/", 2), "power": ("^", 4),
}  # fmt: skip


def _text(node: Node, strength: int) -> str:
    """Text of the node, in brackets where an operator of `strength` around it would tear it apart."""
    if isinstance(node, Number):
        return repr(node.value) if node.value >= 0 else f"({node.value!r})"
    if isinstance(node, (Symbol, Text)):
        return node.name if isinstance(node, Symbol) else repr(node.value)
    if node.function == "negative":
        inner = f"-{_text(node.arguments[0], 3)}"
        return f"({inner})" if strength > 1 else inner
    if node.function not in _OPERATORS:
        return f"{node.function}({', '.join(_text(argument, 0) for argument in node.arguments)})"
    sign, own = _OPERATORS[node.function]
    left, right = node.arguments
    text = f"{_text(left, own + (own == 4))} {sign} {_text(right, own + (own < 4))}"
    return f"({text})" if own < strength else text


def _translate(text: str, *, conditions: bool) -> Node:
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"formula: {len(text)} characters are too many; at most {MAX_CHARACTERS} are read.")
    if not text.strip():
        raise UsageError("formula: the text is empty; write something like E + A/N^alpha + B/D^beta.")
    _refuse_deep(text)
    try:
        tree = ast.parse(text.replace("^", "**").strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        detail = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise UsageError(f"formula: {_short(text)} is not a formula ({detail}).") from None
    return _Translator(conditions).visit(tree.body, 0)


def _refuse_deep(text: str) -> None:
    """Refuse nesting before Python's own parser sees it; runs of signs nest as brackets do."""
    depth = run = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        run = run + 1 if character in "+-~" else run * (character == " ")
        if depth > MAX_DEPTH or run > MAX_DEPTH:
            raise UsageError(f"formula: {_short(text)} is nested deeper than {MAX_DEPTH}.")


class _Translator:
    """Python syntax tree → our tree; every node type not named here is refused."""

    def __init__(self, conditions: bool) -> None:
        self.conditions = conditions
        self.count = 0

    def visit(self, node: ast.AST, depth: int) -> Node:
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise UsageError(f"formula: more than {MAX_NODES} pieces or deeper than {MAX_DEPTH}; write it shorter.")
        match node:
            case ast.Constant(value=bool()):
                raise UsageError(f"formula: {ast.unparse(node)} is not a number.")
            case ast.Constant(value=int() | float() as value):
                return Number(_finite(value))
            case ast.Constant(value=str() as value) if self.conditions:
                return Text(value)
            case ast.Name(id=name):
                return Number(CONSTANTS[name]) if name in CONSTANTS else Symbol(_plain(name))
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.visit(operand, depth + 1)
            case ast.UnaryOp(op=op, operand=operand) if self._name(op) is not None:
                return self._call(op, (operand,), depth)
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
                return self._call(op, (left, right), depth)
            case ast.BoolOp(op=op, values=values) if self.conditions:
                parts = [self.visit(value, depth + 1) for value in values]
                return _fold(_LOGIC[type(op)], parts)
            case ast.Compare() if self.conditions:
                return self._comparison(node, depth)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                if len(arguments) != FUNCTIONS[name]:
                    raise UsageError(f"formula: {name} takes {FUNCTIONS[name]} argument(s), not {len(arguments)}.")
                return Call(name, tuple(self.visit(argument, depth + 1) for argument in arguments))
        raise UsageError(
            f"formula: {_short(ast.unparse(node))} is not allowed; use numbers, names, + - * / ^ and "
            f"{', '.join(FUNCTIONS)}."
        )

    def _name(self, op: ast.AST) -> str | None:
        return _ARITHMETIC.get(type(op)) or (_LOGIC.get(type(op)) if self.conditions else None)

    def _call(self, op: ast.AST, operands: tuple[ast.AST, ...], depth: int) -> Node:
        name = self._name(op)
        assert name is not None
        return Call(name, tuple(self.visit(operand, depth + 1) for operand in operands))

    def _comparison(self, node: ast.Compare, depth: int) -> Node:
        operands = [self.visit(operand, depth + 1) for operand in (node.left, *node.comparators)]
        parts: list[Node] = []
        for op, left, right in zip(node.ops, operands, operands[1:], strict=False):
            if type(op) not in _COMPARISONS:
                raise UsageError(f"condition: {_short(ast.unparse(node))} is not allowed; use < <= > >= == !=.")
            parts.append(Call(_COMPARISONS[type(op)], (left, right)))
        return _fold("and", parts)


def _fold(function: str, parts: list[Node]) -> Node:
    folded = parts[0]
    for part in parts[1:]:
        folded = Call(function, (folded, part))
    return folded


def _finite(value: int | float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UsageError("formula: a number is too large for double precision (above 1.8e308).")
    return number


def _plain(name: str) -> str:
    if name.startswith("_") or len(name) > 80:
        raise UsageError(f"formula: the name {_short(name)} is not allowed; start it with a letter, at most 80 long.")
    return name


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


def _evaluators() -> dict[str, Callable[..., Any]]:
    import numpy as np

    return {
        "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "power": np.power,
        "negative": np.negative, "exp": np.exp, "log": np.log, "log10": np.log10, "log2": np.log2, "sqrt": np.sqrt,
        "sin": np.sin, "cos": np.cos, "arctan": np.arctan, "tanh": np.tanh, "abs": np.abs, "min": np.minimum,
        "max": np.maximum, "less": lambda a, b: a < b, "less_equal": lambda a, b: a <= b,
        "greater": lambda a, b: a > b, "greater_equal": lambda a, b: a >= b, "equal": lambda a, b: a == b,
        "not_equal": lambda a, b: a != b, "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
    }  # fmt: skip
