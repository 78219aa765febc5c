"""A law bound to data: predictions and exact derivatives for a whole batch of parameter vectors.

Legend of shapes: m parameter vectors, k parameters, n data rows.

The solver works in internal coordinates φ (k,m): logarithms of positive parameters, and for sums of power laws
centred so that coefficient and exponent of a term are nearly independent; `to_internal` and `to_user` convert.
Two implementations answer the same questions: `GeneralSurface` for any formula, and
`isoflop.laws.posynomial.PosynomialSurface`, about four times as fast, for sums of products of powers.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import numpy as np

from isoflop.laws.graph import Array, Graph, Mask
from isoflop.laws.law import Law, Parameter


class Linearisation(Protocol):
    """Predictions z at a batch of φ, and weighted sums of their derivatives."""

    value: Array  # (m, n)

    @property
    def jacobian(self) -> Array:
        """∂z/∂φ, as (m, k, n)."""

    def gradient(self, slope: Array) -> Array:
        """Σ_i slope_i ∂z_i/∂φ, as (k, m)."""

    def hessian(self, curvature: Array, slope: Array | None) -> Array:
        """Σ_i curvature_i ∇z_i ∇z_iᵀ + slope_i ∇²z_i, as (k, k, m); `slope=None` leaves out the second term."""


class Surface(Protocol):
    """A law bound to n data rows.

    `linear` (k, 1) marks coordinates that may double in one step, however large; `floors` numbers those that are the
    logarithm of a term that is the same on every row and nothing else.
    """

    size: int
    rows: int
    linear: Mask
    floors: tuple[int, ...]

    def to_internal(self, theta: Array) -> Array:
        """φ (k, m) of user parameters θ (m, k)."""

    def to_user(self, phi: Array) -> Array:
        """θ (m, k) of internal φ (k, m)."""

    def predict(self, phi: Array) -> Array:
        """Z (m, n)."""

    def linearise(self, phi: Array, *, second: bool) -> Linearisation:
        """Z and its derivatives; `second` says whether `hessian` will be asked for second derivatives."""


def to_log(parameters: tuple[Parameter, ...], theta: Array) -> Array:
    """(k, m) solver coordinates of θ (m, k): log of the positive parameters."""
    phi = np.array(theta, dtype=np.result_type(theta, float)).T
    for index, parameter in enumerate(parameters):
        if parameter.scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                phi[index] = np.log(phi[index])
    return np.ascontiguousarray(phi)


def from_log(parameters: tuple[Parameter, ...], phi: Array) -> Array:
    """The inverse of `to_log`."""
    theta = np.array(phi, dtype=float)
    for index, parameter in enumerate(parameters):
        if parameter.scale == "log":
            with np.errstate(over="ignore"):
                theta[index] = np.exp(theta[index])
    return np.ascontiguousarray(theta.T)


class GeneralSurface:
    """Any formula, through its derivative graph.

    With `paired` the i-th parameter vector meets only the i-th data row: predictions are (1, n) for n of each.
    """

    def __init__(self, law: Law, data: Mapping[str, Array], *, log_output: bool, paired: bool = False) -> None:
        self._law = law
        self._paired = paired
        self._plans: dict[int, tuple[list[int], dict[int, Array]]] = {}
        self.linear = np.array([[parameter.scale == "linear"] for parameter in law.parameters])
        self.floors: tuple[int, ...] = ()
        self.size = len(law.parameters)
        self.rows = len(next(iter(data.values())))
        self._data = data
        self._graph = Graph()
        names = {item.name: self._graph.symbol(item.name) for item in law.inputs}
        for parameter in law.parameters:
            node = self._graph.symbol(parameter.name)
            names[parameter.name] = self._graph.apply("exp", node) if parameter.scale == "log" else node
        output = self._graph.build(law.tree, names)
        self._output = self._graph.apply("log", output) if log_output else output

    @cached_property
    def _first(self) -> list[int]:
        return [self._graph.derivative(self._output, name) for name in self._law.parameter_names]

    @cached_property
    def _second(self) -> dict[tuple[int, int], int]:
        return {
            (i, j): node
            for i, first in enumerate(self._first)
            for j, name in enumerate(self._law.parameter_names[: i + 1])
            if not self._graph.is_zero(node := self._graph.derivative(first, name))
        }

    def _plan(self, order: int) -> tuple[list[int], dict[int, Array]]:
        """What to evaluate for derivatives up to `order`, and the values among it that the data alone decide."""
        if order not in self._plans:
            outputs = [self._output]
            outputs += self._first if order > 0 else []
            outputs += self._second.values() if order > 1 else []
            needed = self._graph.needed(outputs)
            varies = self._graph.depends_on(frozenset(self._law.parameter_names))
            with np.errstate(all="ignore"):
                fixed = self._graph.run([number for number in needed if not varies[number]], {}, self._data)
            self._plans[order] = needed, fixed
        return self._plans[order]

    def to_internal(self, theta: Array) -> Array:
        """See `Surface`."""
        return to_log(self._law.parameters, theta)

    def to_user(self, phi: Array) -> Array:
        """See `Surface`."""
        return from_log(self._law.parameters, phi)

    def predict(self, phi: Array) -> Array:
        """See `Surface`."""
        return self._fill(self._run(phi, 0)[self._output], 1 if self._paired else phi.shape[1])

    def linearise(self, phi: Array, *, second: bool) -> GeneralLinearisation:
        """See `Surface`."""
        values = self._run(phi, 2 if second else 1)
        m = phi.shape[1]
        jacobian = np.stack([self._fill(values[node], m) for node in self._first], axis=1)
        curvatures = {pair: values[node] for pair, node in self._second.items()} if second else {}
        return GeneralLinearisation(self._fill(values[self._output], m), jacobian, curvatures)

    def _run(self, phi: Array, order: int) -> dict[int, Array]:
        columns = phi if self._paired else phi[:, :, None]
        symbols = dict(zip(self._law.parameter_names, columns, strict=True))
        needed, fixed = self._plan(order)
        with np.errstate(all="ignore"):
            return self._graph.run(needed, dict(fixed), symbols)

    def _fill(self, value: Array | float, m: int) -> Array:
        return np.broadcast_to(np.asarray(value), (m, self.rows))


class GeneralLinearisation:
    """Dense derivatives: the Jacobian (m, k, n) and the second derivatives that are not zero."""

    def __init__(self, value: Array, jacobian: Array, curvatures: dict[tuple[int, int], Array]) -> None:
        self.value = value
        self.jacobian = jacobian
        self._curvatures = curvatures

    def gradient(self, slope: Array) -> Array:
        """See `Linearisation`."""
        return np.ascontiguousarray(np.matmul(self.jacobian, slope[:, :, None])[:, :, 0].T)

    def hessian(self, curvature: Array, slope: Array | None) -> Array:
        """See `Linearisation`."""
        weighted = self.jacobian * curvature[:, None, :]
        result = np.ascontiguousarray(np.matmul(weighted, self.jacobian.transpose(0, 2, 1)).transpose(1, 2, 0))
        if slope is not None:
            for (i, j), second in self._curvatures.items():
                total = np.sum(slope * second, axis=1)
                result[i, j] += total
                if i != j:
                    result[j, i] += total
        return result
