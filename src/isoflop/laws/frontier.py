"""The compute-optimal frontier of any law of model size and data: the N and D of least loss at C = 6·N·D.

For a law whose terms each hold only N or only D, E + A·N^-α + B·D^-β, the optimum is a formula:

    N* = G·(C/6)^(β/(α+β))    D* = (C/6)^(α/(α+β))/G    G = (αA/βB)^(1/(α+β))

For any other law it is searched: a grid over log N along the isoFLOP line, then golden sections around its minimum.

Legend of shapes: m parameter vectors, c compute budgets. Reference: hoffmann2022
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import UsageError
from isoflop.laws.graph import Array
from isoflop.laws.law import Law
from isoflop.laws.posynomial import Monomial, recognise
from isoflop.laws.surface import GeneralSurface, to_log

_GRID = 200
_SECTIONS = 60
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Frontier:
    """Optimal model size, data and loss, each (m, c)."""

    params: Array
    tokens: Array
    loss: Array


def has_frontier(law: Law) -> bool:
    """Whether the law is one of model size and data alone."""
    return sorted(law.columns) == ["params", "tokens"]


def frontier(law: Law, theta: Array, compute: Array) -> Frontier:
    """The compute-optimal frontier for every θ (m, k) at every budget (c,) in FLOP.

    Raises:
        UsageError: the law does not relate model size and data.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> theta = np.array([[1.8172, 482.01, 2085.43, 0.3478, 0.3658]])
        >>> best = frontier(find("chinchilla"), theta, np.array([5.76e23]))
        >>> round(float(best.tokens[0, 0] / best.params[0, 0]), 1)
        18.4
    """
    if not has_frontier(law):
        raise UsageError(f"law {law.name} takes {', '.join(law.columns)}: a frontier needs params and tokens.")
    theta = np.atleast_2d(np.asarray(theta, dtype=float))
    product = np.asarray(compute, dtype=float) / FLOP_PER_PARAMETER_AND_TOKEN
    log_size = _closed_form(law, theta, np.log(product))
    if log_size is None:
        log_size = _search(law, theta, np.log(product))
    params = np.exp(log_size)
    tokens = product / params
    return Frontier(params, tokens, _loss(law, theta, log_size, np.log(product)))


def exponents(law: Law, theta: Array, compute: float) -> tuple[Array, Array]:
    """D log N*/d log C and d log D*/d log C at `compute`, each (m,); they sum to 1."""
    step = 0.05
    best = frontier(law, theta, compute * np.exp([-step, step]))
    slope = np.log(best.params[:, 1] / best.params[:, 0]) / (2.0 * step)
    return slope, 1.0 - slope


def _closed_form(law: Law, theta: Array, log_product: Array) -> Array | None:
    """Log N* (m, c) where the law is one term in N, one in D, and constants; else None."""
    terms = recognise(law)
    if terms is None:
        return None
    inputs = {item.column: item.name for item in law.inputs}
    sizes = [term for term in terms if _inputs_of(term) == {inputs["params"]}]
    data = [term for term in terms if _inputs_of(term) == {inputs["tokens"]}]
    varying = [term for term in terms if _inputs_of(term)]
    if len(sizes) != 1 or len(data) != 1 or len(varying) != 2:
        return None
    phi = to_log(law.parameters, theta)
    log_a, alpha = _coefficient_and_power(law, sizes[0], phi, inputs["params"])
    log_b, beta = _coefficient_and_power(law, data[0], phi, inputs["tokens"])
    with np.errstate(invalid="ignore", divide="ignore"):
        log_g = (np.log(alpha) + log_a - np.log(beta) - log_b) / (alpha + beta)
        return np.asarray(log_g[:, None] + (beta / (alpha + beta))[:, None] * log_product[None, :])


def _inputs_of(term: Monomial) -> set[str]:
    affines = [term.offset, *term.coefficients.values()]
    return {name for affine in affines for name, power in affine.powers.items() if power}


def _coefficient_and_power(law: Law, term: Monomial, phi: Array, name: str) -> tuple[Array, Array]:
    """The term as exp(coefficient - power·log x): both (m,)."""
    coefficient = np.full(phi.shape[1], term.offset.constant)
    power = np.full(phi.shape[1], -term.offset.powers.get(name, 0.0))
    for parameter, affine in term.coefficients.items():
        values = phi[law.parameter_names.index(parameter)]
        # A term that a draw does without has a logarithm of -∞, which a factor of zero would make NaN.
        if affine.constant:
            coefficient += affine.constant * values
        if affine.powers.get(name):
            power -= affine.powers[name] * values
    return coefficient, power


def _search(law: Law, theta: Array, log_product: Array) -> Array:
    low = np.zeros((len(theta), len(log_product)))
    high = np.broadcast_to(log_product, low.shape)
    fractions = np.linspace(0.0, 1.0, _GRID)
    losses = np.stack([_loss(law, theta, low + fraction * (high - low), log_product) for fraction in fractions])
    best = np.nanargmin(losses, axis=0)
    left = low + fractions[np.maximum(best - 1, 0)] * (high - low)
    right = low + fractions[np.minimum(best + 1, _GRID - 1)] * (high - low)
    for _ in range(_SECTIONS):
        inner_left, inner_right = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
        smaller = _loss(law, theta, inner_left, log_product) < _loss(law, theta, inner_right, log_product)
        left, right = np.where(smaller, left, inner_left), np.where(smaller, inner_right, right)
    return np.asarray(0.5 * (left + right))


def _loss(law: Law, theta: Array, log_size: Array, log_product: Array) -> Array:
    """Loss (m, c) at N = exp(log_size) on the isoFLOP lines: one evaluation per parameter vector and budget."""
    values = {"params": np.exp(log_size).ravel(), "tokens": np.exp(log_product[None, :] - log_size).ravel()}
    data = {item.name: values[item.column] for item in law.inputs}
    budgets = len(log_product)
    phi = np.repeat(to_log(law.parameters, theta), budgets, axis=1)
    surface = GeneralSurface(law, data, log_output=False, paired=True)
    return surface.predict(phi).reshape(len(theta), budgets)
