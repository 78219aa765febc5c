"""Formulas as graphs of array operations, with exact derivatives.

A `Graph` holds each distinct sub-expression once. Differentiation writes new nodes into the same graph, so first and
second derivatives share everything they have in common with the formula. `run` evaluates chosen nodes with NumPy.

Nodes are numbered in the order they are made: a node only depends on smaller numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isoflop.expressions import Call, Node, Number, Symbol

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.intp]

_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "negative": np.negative, "reciprocal": np.reciprocal, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos,
    "arctan": np.arctan, "tanh": np.tanh, "sign": np.sign, "abs": np.abs,
}  # fmt: skip
_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": np.add, "multiply": np.multiply, "power": np.power, "min": np.minimum, "max": np.maximum,
    "less": lambda a, b: np.less(a, b).astype(float),
}  # fmt: skip


class Graph:
    """Distinct sub-expressions, numbered; the builder simplifies as it goes."""

    def __init__(self) -> None:
        self.nodes: list[tuple[Any, ...]] = []
        self._number: dict[tuple[Any, ...], int] = {}
        self._derivatives: dict[tuple[int, str], int] = {}

    # --- building -----------------------------------------------------------------------------------------------

    def constant(self, value: float) -> int:
        """The node of a number."""
        return self._node("constant", float(value))

    def symbol(self, name: str) -> int:
        """The node of a named array, given when the graph is run."""
        return self._node("symbol", name)

    def add(self, left: int, right: int) -> int:
        """Left + right."""
        a, b = self._value(left), self._value(right)
        if a is not None and b is not None:
            return self.constant(a + b)
        if a == 0.0:
            return right
        if b == 0.0:
            return left
        return self._node("add", *sorted((left, right)))

    def multiply(self, left: int, right: int) -> int:
        """Left · right."""
        a, b = self._value(left), self._value(right)
        if a is not None and b is not None:
            return self.constant(a * b)
        if a == 0.0 or b == 0.0:
            return self.constant(0.0)
        if a == 1.0:
            return right
        if b == 1.0:
            return left
        if a == -1.0:
            return self.apply("negative", right)
        if b == -1.0:
            return self.apply("negative", left)
        return self._node("multiply", *sorted((left, right)))

    def apply(self, function: str, argument: int) -> int:
        """A function of one argument."""
        value = self._value(argument)
        if value is not None:
            with np.errstate(all="ignore"):
                return self.constant(float(_UNARY[function](value)))
        operation = self.nodes[argument]
        if function in ("negative", "reciprocal") and operation[0] == function:
            return int(operation[1])
        if (function, operation[0]) in (("log", "exp"), ("exp", "log")):
            return int(operation[1])
        if function == "reciprocal" and operation[0] == "exp":
            return self.apply("exp", self.apply("negative", int(operation[1])))
        return self._node(function, argument)

    def power(self, base: int, exponent: int) -> int:
        """Base ** exponent; a varying exponent needs a positive base, as exp(exponent · log base)."""
        fixed = self._value(exponent)
        if fixed is None:
            return self.apply("exp", self.multiply(exponent, self.apply("log", base)))
        if fixed == 0.0:
            return self.constant(1.0)
        if fixed == 1.0:
            return base
        if fixed == 2.0:
            return self.multiply(base, base)
        if fixed == -1.0:
            return self.apply("reciprocal", base)
        value = self._value(base)
        if value is not None:
            return self.constant(float(np.power(value, fixed)))
        return self._node("power", base, exponent)

    def build(self, tree: Node, names: Mapping[str, int]) -> int:
        """The node of a parsed formula, with `names` giving the node of each symbol."""
        match tree:
            case Number(value=value):
                return self.constant(value)
            case Symbol(name=name):
                return names[name]
            case Call(function=function, arguments=arguments):
                return self._build_call(function, [self.build(argument, names) for argument in arguments])
        raise AssertionError(f"not arithmetic: {tree}")

    def _build_call(self, function: str, nodes: list[int]) -> int:
        match function:
            case "add":
                return self.add(*nodes)
            case "subtract":
                return self.add(nodes[0], self.apply("negative", nodes[1]))
            case "multiply":
                return self.multiply(*nodes)
            case "divide":
                return self.multiply(nodes[0], self.apply("reciprocal", nodes[1]))
            case "power":
                return self.power(*nodes)
            case "sqrt":
                return self.power(nodes[0], self.constant(0.5))
            case "log10" | "log2":
                return self.multiply(self.apply("log", nodes[0]), self.constant(1.0 / np.log(float(function[3:]))))
            case "min" | "max":
                return self._node(function, *nodes)
        return self.apply(function, nodes[0])

    def _value(self, node: int) -> float | None:
        operation = self.nodes[node]
        return operation[1] if operation[0] == "constant" else None

    def _node(self, *operation: Any) -> int:
        number = self._number.get(operation)
        if number is None:
            number = self._number[operation] = len(self.nodes)
            self.nodes.append(operation)
        return number

    # --- differentiating ----------------------------------------------------------------------------------------

    def derivative(self, node: int, name: str) -> int:
        """The node of ∂node/∂name."""
        key = (node, name)
        if key not in self._derivatives:
            self._derivatives[key] = self._differentiate(node, name)
        return self._derivatives[key]

    def is_zero(self, node: int) -> bool:
        """Whether the node is the number 0."""
        return self._value(node) == 0.0

    def _differentiate(self, node: int, name: str) -> int:
        operation, *arguments = self.nodes[node]
        if operation in ("constant", "symbol"):
            return self.constant(float(operation == "symbol" and arguments[0] == name))
        inner = self.derivative(arguments[0], name)
        if operation in _BINARY:
            return self._differentiate_pair(operation, arguments, inner, name)
        return self.multiply(self._slope(node, operation, arguments[0]), inner) if not self.is_zero(inner) else inner

    def _differentiate_pair(self, operation: str, arguments: list[int], inner: int, name: str) -> int:
        left, right = arguments
        if operation == "less":
            return self.constant(0.0)
        if operation == "power":
            exponent = self._value(right)
            assert exponent is not None
            slope = self.multiply(self.constant(exponent), self.power(left, self.constant(exponent - 1.0)))
            return self.multiply(slope, inner)
        other = self.derivative(right, name)
        if operation == "add":
            return self.add(inner, other)
        if operation == "multiply":
            return self.add(self.multiply(inner, right), self.multiply(left, other))
        chosen = self._node("less", left, right)
        rest = self.add(self.constant(1.0), self.apply("negative", chosen))
        pick_left, pick_right = (chosen, rest) if operation == "min" else (rest, chosen)
        return self.add(self.multiply(pick_left, inner), self.multiply(pick_right, other))

    def _slope(self, node: int, operation: str, argument: int) -> int:
        match operation:
            case "negative":
                return self.constant(-1.0)
            case "exp":
                return node
            case "log":
                return self.apply("reciprocal", argument)
            case "reciprocal":
                return self.apply("negative", self.multiply(node, node))
            case "sin":
                return self.apply("cos", argument)
            case "cos":
                return self.apply("negative", self.apply("sin", argument))
            case "arctan":
                square = self.multiply(argument, argument)
                return self.apply("reciprocal", self.add(self.constant(1.0), square))
            case "tanh":
                return self.add(self.constant(1.0), self.apply("negative", self.multiply(node, node)))
            case "abs":
                return self.apply("sign", argument)
        return self.constant(0.0)

    # --- running ------------------------------------------------------------------------------------------------

    def needed(self, outputs: Sequence[int]) -> list[int]:
        """Nodes that the outputs depend on, in order of evaluation."""
        wanted = set(outputs)
        for number in range(len(self.nodes) - 1, -1, -1):
            operation, *arguments = self.nodes[number]
            if number in wanted and operation not in ("constant", "symbol"):
                wanted.update(arguments)
        return sorted(wanted)

    def run(self, order: Sequence[int], values: dict[int, Any], symbols: Mapping[str, Any]) -> dict[int, Any]:
        """Evaluate the nodes in `order`; `values` holds nodes already known and is extended."""
        for number in order:
            if number in values:
                continue
            operation, *arguments = self.nodes[number]
            if operation == "constant":
                values[number] = arguments[0]
            elif operation == "symbol":
                values[number] = symbols[arguments[0]]
            elif operation in _UNARY:
                values[number] = _UNARY[operation](values[arguments[0]])
            else:
                values[number] = _BINARY[operation](values[arguments[0]], values[arguments[1]])
        return values

    def depends_on(self, names: frozenset[str]) -> list[bool]:
        """For each node, whether any symbol in `names` enters it."""
        result: list[bool] = []
        for operation, *arguments in self.nodes:
            if operation == "symbol":
                result.append(arguments[0] in names)
            else:
                result.append(operation != "constant" and any(result[argument] for argument in arguments))
        return result
