"""Compute-optimal model size and data for any law, numerically, for the point estimate and every draw at once.

    minimise  L(N, D)   subject to   spend = c·N·D + s·N,   N ≤ N_max,   D ≤ D_max

c is training FLOP for each parameter and token (6, less what a sparse model leaves idle), s FLOP of serving for each
parameter, converted to the price of training FLOP. For a given spend this is a search over log N. The optima for all
spends form one path, the expansion path; a budget for training alone, a target loss, or a size that is to be optimal
picks its point on the path by a monotone search over the spend. [hoffmann2022], [sardana2024]

Legend of shapes: m rows of the landscape (point estimate and draws), p problems.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.laws.graph import Array
from isoflop.planning.landscape import Landscape
from isoflop.planning.search import minimise, root

_LEAST, _MOST = 1e4, 1e45  # FLOP between which spends are sought
_DECADES = 42  # places at which the spend is tried where the loss may turn
_STEP = 1e-4  # of log N and log D: differences keep nine digits


@dataclass(frozen=True)
class Terms:
    """What size and data cost, and how far they may go.

    `training` is FLOP for each parameter and token, `serving` FLOP for each parameter at the price of training.
    `params` or `tokens` fixes one of the two.
    """

    training: float = FLOP_PER_PARAMETER_AND_TOKEN
    serving: float = 0.0
    most_params: float = math.inf
    most_tokens: float = math.inf
    params: float | None = None
    tokens: float | None = None

    def spend(self, params: Array, tokens: Array) -> Array:
        """FLOP of training and serving together."""
        return self.training * params * tokens + self.serving * params

    def tokens_for(self, spend: Array, params: Array) -> Array:
        """The tokens that a spend leaves for a size, at most `most_tokens`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            left = np.maximum(spend - self.serving * params, 0.0) / (self.training * params)
        return np.minimum(left, self.most_tokens)


@dataclass(frozen=True)
class Allocation:
    """Size, data and loss, each (m, p)."""

    params: Array
    tokens: Array
    loss: Array


def for_spend(land: Landscape, terms: Terms, spend: Array | float) -> Allocation:
    """The best size and data for what is spent in all, (p,) or (m, p).

    Example:
        >>> from isoflop.fitting.published_fit import fit_from
        >>> from isoflop.planning.landscape import landscape_of
        >>> best = for_spend(landscape_of(fit_from("published:besiroglu2024"), {}), Terms(), 5.76e23)
        >>> round(float(best.tokens[0, 0] / best.params[0, 0]), 1)
        18.4
    """
    total = _rows(land, spend)
    params = _best_params(land, terms, total)
    tokens = terms.tokens_for(total, params) if terms.tokens is None else np.full(total.shape, terms.tokens)
    loss = land.losses(params, tokens)
    # A draw that knows no loss anywhere has no optimum either.
    known = np.isfinite(loss)
    return Allocation(*(np.where(known, values, np.nan) for values in (params, tokens, loss)))


def for_training(land: Landscape, terms: Terms, compute: Array | float) -> Allocation:
    """The point of the path whose training takes `compute`: no other reaches its loss for less in training and serving.

    Without serving this is the best for a spend of `compute`.
    """
    if not terms.serving:
        return for_spend(land, terms, compute)
    wanted = _rows(land, compute)
    params = np.full(wanted.shape, terms.params) if terms.params else _efficient_params(land, terms, wanted)
    tokens = np.minimum(wanted / (terms.training * params), terms.most_tokens)
    return Allocation(params, tokens, land.losses(params, tokens))


def for_loss(land: Landscape, terms: Terms, loss: Array | float) -> Allocation:
    """The cheapest size and data that reach a loss; NaN where none does."""
    wanted = _rows(land, loss)
    return _on_path(land, terms, lambda best: wanted - best.loss, wanted.shape)


def for_params(land: Landscape, terms: Terms, params: Array | float) -> Allocation:
    """The point of the path at which `params` is the best size; NaN where it never is."""
    wanted = _rows(land, params)
    return _on_path(land, terms, lambda best: np.log(best.params) - np.log(wanted), wanted.shape)


def for_tokens(land: Landscape, terms: Terms, tokens: Array | float) -> Allocation:
    """The point of the path at which `tokens` are the best data; NaN where they never are."""
    wanted = _rows(land, tokens)
    return _on_path(land, terms, lambda best: np.log(best.tokens) - np.log(wanted), wanted.shape)


def spend_to_match(land: Landscape, terms: Terms, loss: Array, most: float) -> Array:
    """What the path spends to reach a loss (m, p), of at most `most` and at least a thousandth of it."""
    log_most = np.full(loss.shape, np.log(most))

    def short(log_spend: Array) -> Array:
        return loss - for_spend(land, terms, np.exp(log_spend)).loss

    found = np.exp(root(short, log_most - np.log(1e3), log_most + _STEP))
    return np.asarray(np.where(np.isnan(found), np.where(short(log_most) < 0.0, most, 1e-3 * most), found))


def _best_params(land: Landscape, terms: Terms, spend: Array) -> Array:
    if terms.params is not None:
        return np.full(spend.shape, terms.params)
    if terms.tokens is not None:
        sizes = spend / (terms.training * terms.tokens + terms.serving)
        return np.minimum(sizes, terms.most_params)
    # At least one token, at least one parameter.
    largest = np.minimum(spend / (terms.training + terms.serving), terms.most_params)
    top = np.maximum(np.log(largest), 0.0)

    def loss(log_params: Array) -> Array:
        params = np.exp(log_params)
        return land.losses(params, terms.tokens_for(spend, params))

    return np.exp(minimise(loss, np.zeros(spend.shape), top))


def _first_bracket(function: Callable[[Array], Array], low: Array, high: Array) -> tuple[Array, Array]:
    """The first tenfold step of the spend in which `function` passes zero; the whole range where none does.

    With a size or data given, more spend may do harm again: some laws let the loss rise where data are far too many.
    """
    steps = np.linspace(low, high, _DECADES)
    values = np.array([function(place) for place in steps])
    above = np.concatenate([values >= 0.0, np.ones((1, *low.shape), dtype=bool)])
    first = np.clip(np.argmax(above, axis=0), 1, _DECADES - 1)
    crosses = np.take_along_axis(values, first[None], axis=0)[0] >= 0.0
    before, after = (np.take_along_axis(steps, (first + shift)[None], axis=0)[0] for shift in (-1, 0))
    return np.where(crosses, before, low), np.where(crosses, after, high)


def _efficient_params(land: Landscape, terms: Terms, compute: Array) -> Array:
    """The size on the line of equal training at which a FLOP in size and one in data, serving paid, do as much.

    ∂L/∂log N = (1 + s / (c·D)) · ∂L/∂log D
    """

    def too_large(log_params: Array) -> Array:
        params = np.exp(log_params)
        tokens = compute / (terms.training * params)
        of_size, of_data = gains(land, params, tokens)
        of_data = of_data * (1.0 + terms.serving / (terms.training * tokens))
        return (of_data - of_size) / (np.abs(of_size) + np.abs(of_data) + 1e-300)

    least = np.log(np.maximum(compute / (terms.training * terms.most_tokens), 1.0))
    most = np.log(np.minimum(compute / terms.training, terms.most_params))
    if terms.tokens is not None:
        return np.asarray(np.exp(np.minimum(np.log(compute / (terms.training * terms.tokens)), most)))
    place = root(too_large, np.zeros(compute.shape), np.log(compute / terms.training))
    ever = np.where(too_large(np.zeros(compute.shape)) > 0.0, least, most)  # one end, where there is no balance
    return np.asarray(np.exp(np.clip(np.where(np.isnan(place), ever, place), np.minimum(least, most), most)))


def gains(land: Landscape, params: Array, tokens: Array) -> tuple[Array, Array]:
    """How much loss falls for each unit of log N, and of log D: central differences, both (m, p)."""
    up, down = np.exp(_STEP), np.exp(-_STEP)
    size = land.losses(params * down, tokens) - land.losses(params * up, tokens)
    data = land.losses(params, tokens * down) - land.losses(params, tokens * up)
    return size / (2.0 * _STEP), data / (2.0 * _STEP)


def _on_path(
    land: Landscape, terms: Terms, beyond: Callable[[Allocation], Array], shape: tuple[int, ...]
) -> Allocation:
    """The point of the path where `beyond` passes zero, as it rises with the spend."""
    least = _LEAST * (1.0 + terms.serving / terms.training)

    def at(log_spend: Array) -> Array:
        return beyond(for_spend(land, terms, np.exp(log_spend)))

    low, high = np.full(shape, np.log(least)), np.full(shape, np.log(_MOST))
    if terms.params is not None or terms.tokens is not None:
        low, high = _first_bracket(at, low, high)
    spend = np.exp(root(at, low, high))
    reached = np.isfinite(spend)
    best = for_spend(land, terms, np.where(reached, spend, least))
    return Allocation(*(np.where(reached, values, np.nan) for values in (best.params, best.tokens, best.loss)))


def _rows(land: Landscape, values: Array | float) -> Array:
    """Values given once or for each problem, as (m, p)."""
    given = np.atleast_1d(np.asarray(values, dtype=float))
    return np.array(np.broadcast_to(given, (land.rows, given.shape[-1])))
