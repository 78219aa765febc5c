"""Sums of products of powers (posynomials), recognised in a formula and evaluated fast.

Most scaling laws are Σ_t exp(o_t + X_t φ): every term is, in logarithms, linear in the solver's coordinates. Then
with p_t the share of term t, ∇log L = Σ p_t X_t and ∇²log L = Σ p_t X_t X_tᵀ - (Σ p_t X_t)(Σ p_t X_t)ᵀ, so gradients
and Hessians are products with matrices that depend on the data alone.

Legend of shapes: m parameter vectors, k parameters, n data rows, t terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from isoflop.expressions import Call, Node, Number, Symbol
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.laws.surface import from_log, to_log


@dataclass(frozen=True)
class Affine:
    """constant + Σ power · log(input)."""

    constant: float = 0.0
    powers: Mapping[str, float] = field(default_factory=dict)

    def plus(self, other: Affine, factor: float = 1.0) -> Affine:
        """Self + factor · other."""
        powers = dict(self.powers)
        for name, power in other.powers.items():
            powers[name] = powers.get(name, 0.0) + factor * power
        return Affine(self.constant + factor * other.constant, powers)

    def at(self, logs: Mapping[str, Array], rows: int) -> Array:
        """Its value on the data, given the logarithms of the inputs."""
        total = np.full(rows, self.constant)
        for name, power in self.powers.items():
            total += power * logs[name]
        return total


@dataclass(frozen=True)
class Monomial:
    """exp(offset + Σ coefficient_j · φ_j): one term of the law."""

    offset: Affine = Affine()
    coefficients: Mapping[str, Affine] = field(default_factory=dict)

    def times(self, other: Monomial, factor: float = 1.0) -> Monomial:
        """Self · other^factor."""
        coefficients = dict(self.coefficients)
        for name, affine in other.coefficients.items():
            coefficients[name] = coefficients.get(name, Affine()).plus(affine, factor)
        return Monomial(self.offset.plus(other.offset, factor), coefficients)


def recognise(law: Law) -> tuple[Monomial, ...] | None:
    """The terms of the law if it is a posynomial in its declared coordinates, else None."""
    try:
        return _terms(law.tree, law)
    except _NotPosynomial:
        return None


class _NotPosynomial(Exception):
    pass


def _terms(node: Node, law: Law) -> tuple[Monomial, ...]:
    if isinstance(node, Call) and node.function == "add":
        return tuple(term for argument in node.arguments for term in _terms(argument, law))
    return (_monomial(node, law),)


def _monomial(node: Node, law: Law) -> Monomial:
    match node:
        case Number(value=value) if value > 0:
            return Monomial(Affine(float(np.log(value))))
        case Symbol(name=name) if name in law.input_names:
            return Monomial(Affine(0.0, {name: 1.0}))
        case Symbol(name=name) if law.parameters[law.parameter_names.index(name)].scale == "log":
            return Monomial(coefficients={name: Affine(1.0)})
        case Call(function="multiply", arguments=(left, right)):
            return _monomial(left, law).times(_monomial(right, law))
        case Call(function="divide", arguments=(left, right)):
            return _monomial(left, law).times(_monomial(right, law), -1.0)
        case Call(function="power", arguments=(base, exponent)):
            return _power(_monomial(base, law), exponent, law)
        case Call(function="sqrt", arguments=(base,)):
            return Monomial().times(_monomial(base, law), 0.5)
    raise _NotPosynomial


def _power(base: Monomial, exponent: Node, law: Law) -> Monomial:
    """base^exponent, for an exponent that is a number, ±a parameter, or a number times a parameter."""
    factor, varying = _linear(exponent, law)
    if varying is None:
        return Monomial().times(base, factor)
    if base.coefficients:
        raise _NotPosynomial
    return Monomial(coefficients={varying: Affine().plus(base.offset, factor)})


def _linear(node: Node, law: Law) -> tuple[float, str | None]:
    match node:
        case Number(value=value):
            return value, None
        case Symbol(name=name) if name in law.parameter_names:
            if law.parameters[law.parameter_names.index(name)].scale == "linear":
                return 1.0, name
        case Call(function="negative", arguments=(inner,)):
            factor, varying = _linear(inner, law)
            return -factor, varying
        case Call(function="multiply" | "divide" as operation, arguments=(left, right)):
            (a, first), (b, second) = _linear(left, law), _linear(right, law)
            if operation == "multiply" and (first is None or second is None):
                return a * b, first or second
            if operation == "divide" and second is None:
                return a / b, first
    raise _NotPosynomial


@dataclass(frozen=True)
class _Term:
    columns: tuple[int, ...]  # which parameters enter
    matrix: Array  # (n, len(columns)), centred
    offset: Array  # (n,)
    shifted: bool  # whether any offset differs from 0
    constant: bool  # the same on every row


class PosynomialSurface:
    """A posynomial law bound to data; see `isoflop.laws.surface.Surface`."""

    def __init__(self, law: Law, terms: tuple[Monomial, ...], data: Mapping[str, Array], *, log_output: bool) -> None:
        self._law = law
        self._log_output = log_output
        self.size = len(law.parameters)
        self.linear = np.zeros((self.size, 1), dtype=bool)  # all are logarithms or exponents
        self.rows = len(next(iter(data.values())))
        logs = {name: np.log(values) for name, values in data.items()}
        matrices = [self._matrix(term, logs) for term in terms]
        self._transform = self._centring(terms, matrices)
        self._inverse = np.linalg.inv(self._transform)
        self._terms = [
            self._bind(term, matrix @ self._inverse, logs) for term, matrix in zip(terms, matrices, strict=True)
        ]
        alone = [term.columns[0] for term in self._terms if term.constant and len(term.columns) == 1]
        shared = [column for term in self._terms if not term.constant for column in term.columns]
        self.floors = tuple(column for column in alone if column not in shared and alone.count(column) == 1)
        self._prepare_contractions()

    def _matrix(self, term: Monomial, logs: Mapping[str, Array]) -> Array:
        matrix = np.zeros((self.rows, self.size))
        for name, affine in term.coefficients.items():
            matrix[:, self._law.parameter_names.index(name)] = affine.at(logs, self.rows)
        return matrix

    def _centring(self, terms: tuple[Monomial, ...], matrices: list[Array]) -> Array:
        """T with φ = T·(logs of θ): each term's own coefficient absorbs the mean of its exponents' logarithms."""
        transform = np.eye(self.size)
        names = self._law.parameter_names
        for position, (term, matrix) in enumerate(zip(terms, matrices, strict=True)):
            others = {name for index, other in enumerate(terms) if index != position for name in other.coefficients}
            own = [n for n, a in term.coefficients.items() if not any(a.powers.values()) and n not in others]
            varying = [n for n, affine in term.coefficients.items() if any(affine.powers.values())]
            if own and varying:
                scale = names.index(own[0])
                for name in varying:
                    column = names.index(name)
                    transform[scale, column] = matrix[:, column].mean() / matrix[0, scale]
        return transform

    def _bind(self, term: Monomial, matrix: Array, logs: Mapping[str, Array]) -> _Term:
        columns = tuple(int(index) for index in np.flatnonzero(np.any(matrix != 0.0, axis=0)))
        offset = term.offset.at(logs, self.rows)
        used = np.ascontiguousarray(matrix[:, columns])
        constant = bool(np.all(used == used[0]) and np.all(offset == offset[0]))
        return _Term(columns, used, offset, bool(np.any(offset)), constant)

    def _prepare_contractions(self) -> None:
        """For every pair of terms the products of their columns, and where each product lands in the Hessian."""
        self._pairs: list[tuple[int, int, Array]] = []
        landings: list[Array] = []
        for s, first in enumerate(self._terms):
            for t in range(s, len(self._terms)):
                second = self._terms[t]
                products, landing = [], []
                for i, row in enumerate(first.columns):
                    for j, column in enumerate(second.columns):
                        if s == t and j < i:
                            continue
                        products.append(first.matrix[:, i] * second.matrix[:, j])
                        target = np.zeros((self.size, self.size))
                        target[row, column] += 1.0
                        if s != t or i != j:
                            target[column, row] += 1.0
                        landing.append(target.ravel())
                # A term without parameters, as N in N + γ·N^(1/3), has no columns to multiply.
                self._pairs.append((s, t, np.reshape(products, (-1, self.rows)).T))
                landings.append(np.reshape(landing, (-1, self.size**2)).T)
        self._landing = np.concatenate(landings, axis=1)

    def to_internal(self, theta: Array) -> Array:
        """See `Surface`."""
        return np.asarray(self._transform @ to_log(self._law.parameters, theta))

    def to_user(self, phi: Array) -> Array:
        """See `Surface`."""
        return from_log(self._law.parameters, self._inverse @ phi)

    def predict(self, phi: Array) -> Array:
        """See `Surface`."""
        with np.errstate(all="ignore"):
            total = self._sum(self._evaluate(phi))
            return np.log(total) if self._log_output else total

    def linearise(self, phi: Array, *, second: bool) -> PosynomialLinearisation:
        """See `Surface`."""
        del second  # nothing more to compute: the same shares give second derivatives
        with np.errstate(all="ignore"):
            shares = self._evaluate(phi)
            total = self._sum(shares)
            if not self._log_output:
                return PosynomialLinearisation(self, total, [np.broadcast_to(x, total.shape) for x in shares])
            inverse = np.reciprocal(total)
            return PosynomialLinearisation(self, np.log(total), [share * inverse for share in shares])

    def _evaluate(self, phi: Array) -> list[Array]:
        values = []
        for term in self._terms:
            rows = slice(0, 1) if term.constant else slice(None)
            exponent = phi[list(term.columns)].T @ term.matrix[rows].T
            if term.shifted:
                exponent += term.offset[rows]
            values.append(np.exp(exponent, out=exponent))
        return values

    def _sum(self, values: list[Array]) -> Array:
        total = np.broadcast_to(values[0], (len(values[0]), self.rows))
        for value in values[1:]:
            total = total + value
        return total


class PosynomialLinearisation:
    """Shares (or values) of the terms; derivatives are their products with the data's matrices."""

    def __init__(self, surface: PosynomialSurface, value: Array, shares: list[Array]) -> None:
        self._surface = surface
        self.value = value
        self._shares = shares

    @property
    def jacobian(self) -> Array:
        """See `Linearisation`."""
        result = np.zeros((len(self.value), self._surface.size, self._surface.rows))
        for term, share in zip(self._surface._terms, self._shares, strict=True):
            result[:, list(term.columns)] += share[:, None, :] * term.matrix.T
        return result

    def gradient(self, slope: Array) -> Array:
        """See `Linearisation`."""
        result = np.zeros((self._surface.size, len(self.value)))
        for term, share in zip(self._surface._terms, self._shares, strict=True):
            result[list(term.columns)] += ((slope * share) @ term.matrix).T
        return result

    def hessian(self, curvature: Array, slope: Array | None) -> Array:
        """See `Linearisation`."""
        surface, size = self._surface, self._surface.size
        # ∇²log L subtracts the outer product of the gradient; ∇²L does not.
        outer = curvature - slope if slope is not None and surface._log_output else curvature
        weighted = [outer * share for share in self._shares]
        sums = []
        for s, t, products in surface._pairs:
            pair = weighted[s] * self._shares[t]
            if slope is not None and s == t:
                pair += slope * self._shares[s]
            sums.append(pair @ products)
        result = surface._landing @ np.concatenate(sums, axis=1).T
        return np.ascontiguousarray(result.reshape(size, size, -1))
