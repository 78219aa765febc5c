"""Landscape: loss over model size and data, for the point estimate and for every draw. All that planning asks of a fit.

    losses(params (m, p), tokens (m, p)) → (m, p)

Row 0 is the point estimate and rows 1 … m - 1 are the draws, each at its own places: the optimum of one draw is not
that of another. Whatever answers this can be planned with: a fit of another kind needs a class here, a line in
`landscape_of`, and its name, columns and decays in the functions after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from isoflop.errors import UsageError
from isoflop.fitting.fit import Fit
from isoflop.laws.graph import Array, Graph
from isoflop.laws.law import Law
from isoflop.laws.surface import to_log

UNIQUE = "unique_tokens"
_DECAYS = ("R_D", "R_N")  # of repeated data and of excess parameters, as the laws of Muennighoff et al. call them


class Landscape(Protocol):
    """Loss over model size and data: `rows` is one point estimate and its draws."""

    @property
    def rows(self) -> int:
        """How many answers there are: 1 without draws."""

    def losses(self, params: Array, tokens: Array) -> Array:
        """Loss (m, p) at places that each row has for itself, both (m, p)."""


class LawLandscape:
    """A law at fixed parameters θ (m, k) and fixed values of all its inputs but those that move, model size and data.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> theta = np.array([[1.8172, 477.8, 2143.0, 0.3473, 0.3672]])
        >>> land = LawLandscape(find("chinchilla"), theta)
        >>> round(float(land.losses(np.array([[70e9]]), np.array([[1.4e12]]))[0, 0]), 3)
        1.973
    """

    def __init__(
        self,
        law: Law,
        theta: Array,
        fixed: Mapping[str, float] | None = None,
        moving: tuple[str, ...] = ("params", "tokens"),
    ) -> None:
        self.rows = len(theta)
        self._moving = moving
        graph = self._graph = Graph()
        names = {item.name: graph.symbol(item.name) for item in law.inputs}
        for item in law.inputs:
            if item.column in moving:
                # Power laws need only the logarithm, which then is taken once and not in every term.
                names[item.name] = graph.apply("exp", graph.symbol(f"log {item.column}"))
        for parameter in law.parameters:
            node = graph.symbol(parameter.name)
            names[parameter.name] = graph.apply("exp", node) if parameter.scale == "log" else node
        self._output = graph.build(law.tree, names)
        symbols = dict(zip(law.parameter_names, to_log(law.parameters, theta)[:, :, None], strict=True))
        given = {item.name: np.array(fixed[item.column]) for item in law.inputs if fixed and item.column in fixed}
        varies = graph.depends_on(frozenset(f"log {column}" for column in moving))
        order = graph.needed([self._output])
        with np.errstate(all="ignore"):
            self._known = graph.run([node for node in order if not varies[node]], {}, {**symbols, **given})
        self._steps = _steps(graph, [node for node in order if varies[node]])

    def losses(self, params: Array, tokens: Array) -> Array:
        """See `Landscape`."""
        return self.at(params, tokens)

    def at(self, *places: Array) -> Array:
        """The law (m, p) where its moving inputs are at `places`, each (m, p)."""
        with np.errstate(all="ignore"):
            logs = {f"log {column}": np.log(values) for column, values in zip(self._moving, places, strict=True)}
            values = dict(self._known)
            for node, spent in self._steps:
                self._graph.run((node,), values, logs)
                for done in spent:
                    del values[done]
        return np.asarray(np.broadcast_to(values[self._output], np.shape(places[0])))


def _steps(graph: Graph, order: list[int]) -> list[tuple[int, list[int]]]:
    """Each node with those that are done with after it: a law of many terms else holds, and so pages in, them all."""
    held = set(order)
    last = {argument: node for node in order for argument in graph.nodes[node][1:] if argument in held}
    return [(node, [done for done, user in last.items() if user == node]) for node in order]


def landscape_of(fit: Fit, fixed: Mapping[str, float]) -> Landscape:
    """The landscape of a fit, its other inputs (sparsity, bits …) given by column in `fixed`.

    Distinct tokens are unlimited unless given.

    Raises:
        UsageError: the law does not relate model size and data, or another input of it is missing or unknown.

    Example:
        >>> from isoflop.fitting.published_fit import fit_from
        >>> landscape_of(fit_from("published:besiroglu2024"), {}).rows
        1
    """
    law = fit.law
    if not {"params", "tokens"} <= set(law.columns):
        raise UsageError(
            f"law {law.name} takes {' and '.join(law.columns)}: a plan needs a law of params and tokens, or a fit by "
            "isoflop isoflops."
        )
    if law.output != "loss":
        raise UsageError(f"law {law.name} predicts {law.output}: a plan needs a law of the loss.")
    others = [name for name in law.columns if name not in ("params", "tokens", UNIQUE)]
    if unknown := [name for name in fixed if name not in (*others, UNIQUE)]:
        known = f": they are {', '.join(others)}" if others else ", which has none beside params and tokens"
        raise UsageError(f"at: {unknown[0]!r} is no further input of law {law.name}{known}.")
    if missing := [name for name in others if name not in fixed]:
        raise UsageError(f"law {law.name} also takes {missing[0]}: give --at {missing[0]}=VALUE.")
    return LawLandscape(law, parameter_rows(fit), {UNIQUE: np.inf, **fixed})


def name_of(fit: Fit) -> str:
    """What the law of a fit is called."""
    return fit.law.name


def columns_of(fit: Fit) -> tuple[str, ...]:
    """The run-table columns that the loss of a fit is read at."""
    return fit.law.columns


def decays_of(fit: Fit) -> dict[str, float]:
    """The worth of repetition that a fit holds itself: `R_D` of data, `R_N` of parameters, those that it has.

    Example:
        >>> from isoflop.fitting.published_fit import fit_from
        >>> decays_of(fit_from("published:muennighoff2023"))
        {'R_D': 15.387756, 'R_N': 5.309743}
    """
    values = zip(fit.law.parameter_names, fit.theta.tolist(), strict=True)
    return {name: value for name, value in values if name in _DECAYS and UNIQUE in fit.law.columns}


def parameter_rows(fit: Fit) -> Array:
    """Parameters (m, k): the point estimate, then the draws; constants from the literature have none."""
    draws = fit.ensemble.draws
    return np.concatenate([fit.theta[None], draws]) if len(draws) > 1 else fit.theta[None]
