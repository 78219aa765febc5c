"""Where the solver starts: by variable projection, from diverse points, or from a published grid.

Parameters that enter the formula linearly need no search: for given values of the others they solve a small linear
problem. So a grid over the nonlinear parameters (the exponents) with the linear ones projected out finds the basins.

Legend: g grid points, c linear parameters, n rows. Reference: golub1973
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from isoflop.fitting.objective import Objective
from isoflop.fitting.solver import solve_positive_definite
from isoflop.laws.graph import Array, Graph, Mask
from isoflop.laws.law import Law, Parameter

_GRID_SIDE = 16
_MOST_GRID_POINTS = 512
_MOST_ROWS = 2000  # more rows do not sharpen a starting point
_REWEIGHTINGS = 4


def linear_parameters(law: Law) -> tuple[str, ...]:
    """Parameters that enter the formula jointly linearly, found by differentiating it twice.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> linear_parameters(find("chinchilla"))
        ('E', 'A', 'B')
    """
    graph, output = _user_graph(law)
    chosen: list[str] = []
    for name in law.parameter_names:
        first = graph.derivative(output, name)
        if all(graph.is_zero(graph.derivative(first, other)) for other in (*chosen, name)):
            chosen.append(name)
    return tuple(chosen)


def projected_starts(law: Law, data: Mapping[str, Array], target: Array, objective: Objective, count: int) -> Array:
    """The `count` most promising starts (count, k), by variable projection over a grid of the other parameters.

    `target` holds logarithms of the output if the objective is on log-loss, else the output itself.
    """
    rows = np.linspace(0, len(target) - 1, min(len(target), _MOST_ROWS)).astype(int)
    data = {name: values[rows] for name, values in data.items()}
    target = target[rows]
    linear = linear_parameters(law)
    others = tuple(parameter for parameter in law.parameters if parameter.name not in linear)
    grid, shape = _grid(others)
    with np.errstate(all="ignore"):
        coefficients, objective_values = _project(law, data, target, objective, linear, others, grid)
    starts = np.empty((len(grid), len(law.parameters)))
    for column, name in enumerate(law.parameter_names):
        source = coefficients[:, linear.index(name)] if name in linear else None
        starts[:, column] = source if source is not None else grid[:, [p.name for p in others].index(name)]
    minima = _local_minima(objective_values, shape)
    order = np.lexsort((objective_values, ~minima))
    return starts[order[: min(count, len(order))]]


def diverse_starts(law: Law, count: int, seed: int) -> Array:
    """`count` points (count, k) spread at random over the search range of every parameter."""
    generator = np.random.default_rng(seed)
    columns = [_spread(parameter, generator.random(count)) for parameter in law.parameters]
    return np.stack(columns, axis=1)


def hoffmann_grid() -> Array:
    """The 4,500 starts of Hoffmann et al. for (E, A, B, alpha, beta), as printed in their appendix D.4.

    Reference: hoffmann2022
    """
    logs = itertools.product(
        np.arange(-1.0, 1.5, 0.5), np.arange(0.0, 30.0, 5.0), np.arange(0.0, 30.0, 5.0), np.arange(0.0, 2.5, 0.5),
        np.arange(0.0, 2.5, 0.5),
    )  # fmt: skip
    grid = np.array(list(logs))
    grid[:, :3] = np.exp(grid[:, :3])
    return grid


def stated_starts(law: Law) -> Array:
    """The start that the law's declaration states (1, k), or none (0, k) if it does not state all."""
    values = [parameter.start for parameter in law.parameters if parameter.start is not None]
    return np.array([values]) if len(values) == len(law.parameters) else np.empty((0, len(law.parameters)))


def _user_graph(law: Law) -> tuple[Graph, int]:
    graph = Graph()
    names = {name: graph.symbol(name) for name in (*law.input_names, *law.parameter_names)}
    return graph, graph.build(law.tree, names)


def _spread(parameter: Parameter, fraction: Array) -> Array:
    """Points of the search range at the given fractions, evenly in logarithm where it does not contain 0."""
    low, high = parameter.search
    if low * high > 0.0:
        return np.asarray(low * (high / low) ** fraction)
    return np.asarray(low + (high - low) * fraction)


def _grid(parameters: tuple[Parameter, ...]) -> tuple[Array, tuple[int, ...]]:
    """Grid points (g, parameters): a full grid for up to two, an even low-discrepancy set for more."""
    count = len(parameters)
    if count == 0:
        return np.empty((1, 0)), (1,)
    if count <= 2:
        side = _GRID_SIDE if count == 2 else 4 * _GRID_SIDE
        axes = [_spread(parameter, np.linspace(0.0, 1.0, side)) for parameter in parameters]
        points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        return points, (side,) * count
    # Additive recurrence on powers of the generalised golden ratio: even in any dimension, no tables.
    ratio = 2.0
    for _ in range(50):
        ratio = (1.0 + ratio) ** (1.0 / (count + 1))
    steps = (1.0 / ratio) ** np.arange(1, count + 1)
    fractions = (0.5 + np.outer(np.arange(1, _MOST_GRID_POINTS + 1), steps)) % 1.0
    points = np.stack([_spread(p, fractions[:, index]) for index, p in enumerate(parameters)], axis=1)
    return points, (_MOST_GRID_POINTS,)


def _project(
    law: Law,
    data: Mapping[str, Array],
    target: Array,
    objective: Objective,
    linear: tuple[str, ...],
    others: tuple[Parameter, ...],
    grid: Array,
) -> tuple[Array, Array]:
    """Best linear coefficients (g, c) for every grid point, and the objective there (g,)."""
    basis, remainder = _basis(law, data, linear, others, grid)
    on_log = objective.on == "log-loss"
    observed = np.exp(target) if on_log else target
    # On log-loss, log(z/L) ≈ z/L - 1: relative residuals make the problem linear.
    scale = 1.0 / observed if on_log else np.ones_like(observed)
    design = basis * scale[None, :, None]
    norms = np.max(np.abs(design), axis=1, initial=1e-300)
    possible = np.all(np.isfinite(norms), axis=1) & np.all(np.isfinite(remainder), axis=1)
    design, norms, remainder = design[possible] / norms[possible, None, :], norms[possible], remainder[possible]
    wanted = (observed - remainder) * scale
    positive = np.array([parameter.scale == "log" for parameter in law.parameters if parameter.name in linear])
    weights = np.ones(wanted.shape)
    coefficients = np.zeros((len(wanted), len(linear)))
    value = np.full(len(wanted), np.inf)
    for _ in range(_REWEIGHTINGS):
        if linear:
            coefficients = _weighted_least_squares(design, wanted, weights)
            smallest = 1e-3 * np.abs(wanted).min(axis=1, keepdims=True) + 1e-300
            coefficients = np.where(positive, np.maximum(coefficients, smallest), coefficients)
        prediction = np.einsum("gnc,gc->gn", design, coefficients) / scale + remainder
        residual = (np.log(prediction) if on_log else prediction) - target
        value = np.nan_to_num(objective.total(residual), nan=np.inf)
        size = np.nan_to_num(np.abs(residual), nan=1e300)
        zone = objective.zone
        weights = np.ones_like(size) if np.isinf(zone) else zone / np.maximum(size, zone)
    everywhere, everything = np.ones((len(grid), len(linear))), np.full(len(grid), np.inf)
    everywhere[possible], everything[possible] = coefficients / norms, value
    return everywhere, everything


def _basis(
    law: Law, data: Mapping[str, Array], linear: tuple[str, ...], others: tuple[Parameter, ...], grid: Array
) -> tuple[Array, Array]:
    """∂formula/∂c (g, n, c) and the part of the formula without the linear parameters (g, n)."""
    graph, output = _user_graph(law)
    derivatives = [graph.derivative(output, name) for name in linear]
    symbols = {parameter.name: grid[:, index, None] for index, parameter in enumerate(others)}
    values = {**data, **symbols, **dict.fromkeys(linear, np.zeros((1, 1)))}
    shape = (len(grid), len(next(iter(data.values()))))
    found = graph.run(graph.needed([output, *derivatives]), {}, values)
    filled = [np.broadcast_to(found[node], shape) for node in derivatives]
    basis = np.stack(filled, axis=2) if filled else np.empty((*shape, 0))
    return basis, np.broadcast_to(found[output], shape)


def _weighted_least_squares(design: Array, wanted: Array, weights: Array) -> Array:
    weighted = design * weights[:, :, None]
    normal = np.einsum("gnc,gnd->cdg", weighted, design)
    diagonal = np.arange(normal.shape[0])
    normal[diagonal, diagonal] *= 1.0 + 1e-10
    right = np.einsum("gnc,gn->cg", weighted, wanted)
    solution, _ = solve_positive_definite(normal, right)
    return solution.T


def _local_minima(value: Array, shape: tuple[int, ...]) -> Mask:
    """Which grid points are no worse than their neighbours along the axes (all, on an irregular set)."""
    if value.size != int(np.prod(shape)) or (len(shape) == 1 and value.size == _MOST_GRID_POINTS):
        return np.ones(value.size, dtype=bool)
    table = value.reshape(shape)
    least = np.ones(shape, dtype=bool)
    padded = np.pad(table, 1, constant_values=np.inf)
    for shift in itertools.product((0, 1, 2), repeat=len(shape)):
        least &= table <= padded[tuple(slice(s, s + n) for s, n in zip(shift, shape, strict=True))]
    return least.ravel()
