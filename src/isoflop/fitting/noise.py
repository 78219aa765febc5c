"""How the errors of runs vary and hang together, judged from the residuals of a fit.

    e = σ · diag(s) · u        log s_i = -κ·x_i, x centred log compute        Corr(u_i, u_j) = R_ij within a group

R is the identity, exchangeable (every pair of a group shares ρ: runs of one seed, or of one size) or autoregressive
(neighbours share ρ, and it fades with distance: checkpoints along a run). Each pair of R and κ is judged by its
restricted likelihood, in which the parameters of the law are integrated out, so that five of them cannot hide what
twelve runs have in common:

    log p(r | R, κ) = -½ log|V| - ½ log|Jᵀ V⁻¹ J| - ½ (n - k) log S        S = min over δ of (r - Jδ)ᵀ V⁻¹ (r - Jδ)

What is not settled by the data stays open: draws of errors come from all candidates, in proportion to how well each
explains the residuals, and their size from its χ² distribution with n - k degrees of freedom.

Legend of shapes: n rows, k parameters, t trends, c structures. Reference: patterson1971
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from isoflop.fitting.whitening import Block, Whitening
from isoflop.laws.graph import Array, Index

Kind = Literal["independent", "exchangeable", "autoregressive"]

_CORRELATIONS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.88, 0.93, 0.96, 0.98, 0.99)
_TREND_SPREAD = 1.0  # prior standard deviation of the change of log σ from the smallest to the largest run
_TRENDS = np.linspace(-2.4, 2.4, 17)  # that change, as it is tried
_MOST_ROWS = 2000  # a larger group is taken for independent: its correlation matrix would not fit in memory


@dataclass(frozen=True)
class Structure:
    """How errors within one group are correlated."""

    kind: Kind
    correlation: float = 0.0

    def matrix(self, size: int) -> Array:
        """The correlation matrix of a group of that many rows."""
        if self.kind == "exchangeable":
            return (1.0 - self.correlation) * np.eye(size) + self.correlation
        if self.kind == "autoregressive":
            place = np.arange(size)
            return np.asarray(self.correlation ** np.abs(place[:, None] - place[None, :]))
        return np.eye(size)


@dataclass(frozen=True)
class Noise:
    """What the residuals say about the errors.

    `weights` and `variances` (t, c) belong to the pairs of `trends` κ and `structures`; `groups` are the rows of each
    group in their order; `along` (n,) is what κ multiplies; `freedom` is n - k.
    """

    structures: tuple[Structure, ...]
    trends: Array
    weights: Array
    variances: Array
    groups: tuple[Index, ...]
    along: Array
    freedom: int

    @property
    def structure(self) -> Structure:
        """The likeliest structure."""
        return self.structures[int(np.argmax(self.weights.sum(axis=0)))]

    @property
    def correlation(self) -> float:
        """The mean correlation of neighbouring rows of a group, over all candidates."""
        return float(self.weights.sum(axis=0) @ [item.correlation for item in self.structures])

    @property
    def trend(self) -> float:
        """The mean of κ: by how much log σ falls for each unit of log compute."""
        return float(self.weights.sum(axis=1) @ self.trends)

    @property
    def sigma(self) -> float:
        """The standard deviation of an error in the middle of the data."""
        return float(np.sqrt(np.sum(self.weights * self.variances)))

    def scale(self) -> Array:
        """Relative standard deviation of each row (n,)."""
        return np.asarray(np.exp(-self.trend * self.along))

    def whitening(self) -> Whitening:
        """W for the likeliest structure and the mean trend."""
        roots = _roots(self.structure, self.groups)
        blocks = (
            Block(rows, np.asarray(np.linalg.inv(roots[len(rows)]), float))
            for rows in self.groups
            if len(rows) in roots
        )
        return Whitening(self.scale(), tuple(blocks))

    def draw(self, count: int, generator: np.random.Generator) -> Array:
        """Errors as another set of runs of the same design would have them (count, n)."""
        flat = generator.choice(self.weights.size, size=count, p=self.weights.ravel())
        trend, structure = np.unravel_index(flat, self.weights.shape)
        errors = generator.standard_normal((count, len(self.along)))
        for index in np.unique(structure):
            chosen = np.flatnonzero(structure == index)
            roots = _roots(self.structures[index], self.groups)
            for rows in self.groups:
                if len(rows) in roots:
                    errors[np.ix_(chosen, rows)] = errors[np.ix_(chosen, rows)] @ roots[len(rows)].T
        size = np.sqrt(self.variances[trend, structure] * self.freedom / generator.chisquare(self.freedom, count))
        return np.asarray(errors * size[:, None] * np.exp(-self.trends[trend, None] * self.along))


def estimate_noise(
    residuals: Array, jacobian: Array, groups: Sequence[Index], along: Array | None, *, repeated: bool
) -> Noise:
    """What `residuals` (n,) of a fit with `jacobian` (n, k) say about the errors.

    `groups` are the rows that may hang together, in their order; `along` (n,) is log compute, None where the size of
    errors cannot depend on it. `repeated` says that the rows of a group are looks at one run, which hang together
    unless the data say otherwise; rows that merely share a size are independent unless the data say otherwise.
    """
    rows, parameters = jacobian.shape
    along = np.zeros(rows) if along is None else along - along.mean()
    reach = float(np.ptp(along))
    trends = _TRENDS / reach if reach > 0.0 else np.zeros(1)
    groups = tuple(group for group in groups if 1 < len(group) <= _MOST_ROWS)
    structures = _candidates(groups)
    # The parameters of the law in directions of equal reach, and the residuals beside them.
    directions = np.linalg.svd(jacobian / np.maximum(np.linalg.norm(jacobian, axis=0), 1e-300), full_matrices=False)[0]
    table = np.column_stack([directions, residuals])
    freedom = max(rows - parameters, 1)
    tables = table * np.exp(trends[:, None] * along)[:, :, None]
    likelihoods, variances = _judge(tables, groups, structures, freedom)
    prior = -0.5 * (trends * reach / _TREND_SPREAD) ** 2
    logs = likelihoods + prior[:, None] + _prior(structures, repeated)
    weights = np.exp(logs - logs.max())
    return Noise(structures, trends, weights / weights.sum(), variances, groups, along, freedom)


def _candidates(groups: Sequence[Index]) -> tuple[Structure, ...]:
    largest = max((len(group) for group in groups), default=1)
    kinds: list[Kind] = ["exchangeable"] if largest > 1 else []
    kinds += ["autoregressive"] if largest > 2 else []
    return (Structure("independent"), *(Structure(kind, value) for kind in kinds for value in _CORRELATIONS))


def _prior(structures: tuple[Structure, ...], repeated: bool) -> Array:
    """Log prior weights: one half for independence, or a tenth for looks at one run; the rest over ρ.

    Looks at one run: evenly over log ρ/(1 - ρ), the logarithm of the variance between runs over that within, as suits a
    variance of unknown size. Rows that share a size: evenly over ρ, so that a law which bends, and so leaves residuals
    that are alike within a size, does not pass for a study of six independent sizes.
    """
    independent = 0.1 if repeated else 0.5
    tried = np.array(_CORRELATIONS)
    places = np.log(tried / (1.0 - tried)) if repeated else tried
    steps = np.diff(places)
    shares = np.concatenate([steps[:1], steps[:-1] + steps[1:], steps[-1:]]) / (2.0 * np.sum(steps))
    widths = dict(zip(_CORRELATIONS, shares, strict=True))
    kinds = max(len({item.kind for item in structures}) - 1, 1)
    return np.log([independent, *((1.0 - independent) / kinds * widths[item.correlation] for item in structures[1:])])


def _judge(
    tables: Array, groups: Sequence[Index], structures: tuple[Structure, ...], freedom: int
) -> tuple[Array, Array]:
    """Restricted log-likelihood and σ² (t, s) of every trend and structure.

    `tables` (t, n, k + 1) are directions and residuals of equal scale, one for every trend. V⁻¹ has a closed form for
    every structure, so that its products with the table need sums that do not depend on ρ.
    """
    plain = _square(tables)
    classes = [np.array([group for group in groups if len(group) == size]) for size in {len(group) for group in groups}]
    parts = [tables[:, members] for members in classes]  # (t, groups, rows of each, k + 1)
    sums = [part.sum(axis=2) for part in parts]
    nothing = np.zeros_like(plain)
    grouped = sum((_square(part) for part in parts), nothing)
    within = sum((_square(part[:, :, 1:-1]) for part in parts), nothing)
    beside = sum((_square(part[:, :, :-1], part[:, :, 1:]) for part in parts), nothing)
    sizes = np.array([len(group) for group in groups])
    products, determinants = [], []
    for structure in structures:
        rho = structure.correlation
        if structure.kind == "exchangeable":
            shares = [rho / (1.0 + (members.shape[1] - 1.0) * rho) for members in classes]
            between = sum((share * _square(total) for share, total in zip(shares, sums, strict=True)), nothing)
            products.append(plain - grouped + (grouped - between) / (1.0 - rho))
            determinants.append(np.sum((sizes - 1.0) * np.log(1.0 - rho) + np.log(1.0 + (sizes - 1.0) * rho)))
        elif structure.kind == "autoregressive":
            inner = grouped + rho**2 * within - rho * (beside + np.swapaxes(beside, 1, 2))
            products.append(plain - grouped + inner / (1.0 - rho**2))
            determinants.append(np.sum((sizes - 1.0) * np.log(1.0 - rho**2)))
        else:
            products.append(plain)
            determinants.append(0.0)
    whole = np.stack(products, axis=1)
    information, mixed, square = whole[..., :-1, :-1], whole[..., :-1, -1], whole[..., -1, -1]
    explained = np.sum(mixed * np.linalg.solve(information, mixed[..., None])[..., 0], axis=-1)
    left = np.maximum(square - explained, 1e-14 * square + 1e-300)
    half = np.linalg.slogdet(information)[1]
    return -0.5 * (np.array(determinants) + half + freedom * np.log(left)), left / freedom


def _square(left: Array, right: Array | None = None) -> Array:
    """Σ leftᵀ·right over all axes between the first and the last: (t, k + 1, k + 1)."""
    flat = left.reshape(len(left), -1, left.shape[-1])
    other = flat if right is None else right.reshape(flat.shape)
    return np.asarray(np.swapaxes(flat, 1, 2) @ other)


def _roots(structure: Structure, groups: Iterable[Index]) -> dict[int, Array]:
    """The Cholesky factor of the correlation matrix for every size of group; none where rows are independent."""
    if structure.kind == "independent":
        return {}
    return {
        size: np.asarray(np.linalg.cholesky(structure.matrix(size)), float) for size in {len(group) for group in groups}
    }
