"""What follows from the constants of Kaplan et al. (2020): the compute-efficient frontier in closed form.

Equations are numbered as in the paper. N parameters, S steps, B batch in tokens, C compute in PF-days of 8.64e19 FLOP,
L loss in nats/token. The paper's own figures disagree with its formulas in places: which constants give which figure
is what the tests of this module record. Reference: kaplan2020
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isoflop.errors import UsageError
from isoflop.quantities import FLOP_PER_PF_DAY as PF_DAY


@dataclass(frozen=True)
class KaplanConstants:
    """Constants of L(N, S) and of the critical batch size: all that the frontier needs."""

    alpha_N: float
    N_c: float
    alpha_S: float
    S_c: float
    alpha_B: float
    B_star: float


TABLE_3 = KaplanConstants(0.077, 6.5e13, 0.76, 2.1e3, 0.21, 2.1e8)
TABLE_5 = KaplanConstants(0.076, 8.8e13, 0.76, 2.1e3, 0.21, 2.1e8)


@dataclass(frozen=True)
class PowerOfCompute:
    """coefficient · (C/PF-day)^exponent."""

    coefficient: float
    exponent: float

    def at(self, compute: float) -> float:
        """Its value at `compute` PF-days."""
        return float(self.coefficient * compute**self.exponent)


TABLE_6_SIZE = PowerOfCompute(1.3e9, 0.73)
TABLE_6_BATCH = PowerOfCompute(2.0e6, 0.24)
TABLE_6_STEPS = PowerOfCompute(5.4e3, 0.03)
TABLE_6_DATA = PowerOfCompute(2e10, 0.27)
EQUATION_6_7_DATA = PowerOfCompute(4e10, 0.26)  # at the critical batch, where C is twice C_min
LOSS_OF_COMPUTE = PowerOfCompute(3.1e8**0.05, -0.05)  # L(C_min), Table 5
DATA_LIMITED = PowerOfCompute(5.4e13**0.095, -0.095)  # L(D) of Table 5, a power of tokens instead of compute


def compute_exponent(constants: KaplanConstants) -> float:
    """α_C^min = 1/(1/α_S + 1/α_B + 1/α_N), equation 1.8.

    Example:
        >>> round(compute_exponent(TABLE_3), 4)
        0.0525
    """
    return 1.0 / (1.0 / constants.alpha_S + 1.0 / constants.alpha_B + 1.0 / constants.alpha_N)


def growth_exponents(constants: KaplanConstants) -> dict[str, float]:
    """How N, B and S grow with C along the frontier, equation 1.7; they sum to 1."""
    alpha = compute_exponent(constants)
    names = {"params": constants.alpha_N, "batch": constants.alpha_B, "steps": constants.alpha_S}
    return {name: alpha / exponent for name, exponent in names.items()}


def compute_scale(constants: KaplanConstants) -> float:
    """C_c in PF-days, equation B.8: the frontier is L = (C_c/C)^α_C."""
    n, s = constants.alpha_N, constants.alpha_S
    product = 6.0 * constants.N_c * constants.B_star * constants.S_c
    return float(product * (1.0 + n / s) ** (1.0 / s + 1.0 / n) * (s / n) ** (1.0 / s) / PF_DAY)


def frontier_loss(constants: KaplanConstants, compute: float) -> float:
    """Least loss for `compute` PF-days, L = (C_c/C)^α_C."""
    return float((compute_scale(constants) / compute) ** compute_exponent(constants))


def frontier_params(constants: KaplanConstants, compute: float) -> float:
    """Best model size for `compute` PF-days, equation B.9."""
    ratio = compute / compute_scale(constants)
    grown = ratio ** (compute_exponent(constants) / constants.alpha_N)
    return float(constants.N_c * grown * (1.0 + constants.alpha_N / constants.alpha_S) ** (1.0 / constants.alpha_N))


def frontier_steps(constants: KaplanConstants, compute: float) -> float:
    """Steps S_min of the best run of `compute` PF-days, equation B.10."""
    scale = compute_scale(constants)
    start = scale * PF_DAY / (6.0 * constants.N_c * constants.B_star)
    grown = (compute / scale) ** (compute_exponent(constants) / constants.alpha_S)
    return float(start * (1.0 + constants.alpha_N / constants.alpha_S) ** (-1.0 / constants.alpha_N) * grown)


def loss_of_compute(constants: KaplanConstants, params: float, compute: float) -> float:
    """Loss of a model of `params` after `compute` PF-days at the critical batch: equation B.3, solved for L.

    B.3 holds L on both sides, since the critical batch depends on it; its left side grows and its right side falls
    with L, so there is one root.
    """
    floor = (constants.N_c / params) ** constants.alpha_N
    low, high = floor, 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        steps = compute * PF_DAY * middle ** (1.0 / constants.alpha_B) / (6.0 * constants.B_star * params)
        above = middle > floor + (constants.S_c / steps) ** constants.alpha_S
        low, high = (low, middle) if above else (middle, high)
    return math.sqrt(low * high)


def compute_to_reach(constants: KaplanConstants, params: float, loss: float) -> float:
    """PF-days for a model of `params` to reach `loss`, equation B.15.

    Raises:
        UsageError: the model cannot reach that loss however long it trains.
    """
    floor = (constants.N_c / params) ** constants.alpha_N
    if not loss > floor:
        raise UsageError(
            f"loss={loss!r} is out of reach: {params:g} parameters end at {floor:.4g}; use a larger model."
        )
    steps = constants.S_c * (loss - floor) ** (-1.0 / constants.alpha_S)
    batch = constants.B_star * loss ** (-1.0 / constants.alpha_B)
    return float(6.0 * params * batch * steps / PF_DAY)


def stopping_excess(constants: KaplanConstants) -> float:
    """How far above its converged loss the best model stops, L/L(N, ∞) - 1 = α_N/α_S: equation B.5."""
    return constants.alpha_N / constants.alpha_S


def convergence_ratios(constants: KaplanConstants, excess: float, other: float) -> dict[str, float]:
    """Size, steps and compute of stopping at `excess` above the converged loss over those at `other`: B.12 to B.14.

    Example:
        >>> ratios = convergence_ratios(TABLE_3, 0.10, 0.02)
        >>> {name: round(ratio, 3) for name, ratio in ratios.items()}
        {'params': 2.666, 'steps': 0.133, 'compute': 0.354}
    """
    params = ((1.0 + excess) / (1.0 + other)) ** (1.0 / constants.alpha_N)
    steps = ((1.0 + 1.0 / excess) / (1.0 + 1.0 / other)) ** (1.0 / constants.alpha_S)
    return {"params": params, "steps": steps, "compute": params * steps}


def off_optimum_steps(constants: KaplanConstants, ratio: float) -> float:
    """Steps to the same loss of a model `ratio` times the efficient size, over those of the efficient one: B.17.

    Raises:
        UsageError: a model that small never reaches the loss.
    """
    bracket = 1.0 + constants.alpha_S / constants.alpha_N * (1.0 - ratio**-constants.alpha_N)
    if not bracket > 0.0:
        raise UsageError(f"ratio={ratio!r} is too small: such a model never reaches the loss of the efficient one.")
    return float(bracket ** (-1.0 / constants.alpha_S))


def off_optimum_compute(constants: KaplanConstants, ratio: float) -> float:
    """Compute to the same loss of a model `ratio` times the efficient size, over the efficient one's: B.16."""
    return ratio * off_optimum_steps(constants, ratio)


def minimum_steps(steps: float, batch: float, critical_batch: float) -> float:
    """S_min = S/(1 + B_crit/B), equation 5.4: the steps that a very large batch would have needed."""
    return steps / (1.0 + critical_batch / batch)


def minimum_compute(compute: float, batch: float, critical_batch: float) -> float:
    """C_min = C/(1 + B/B_crit), equation 5.5: the compute that a very small batch would have needed."""
    return compute / (1.0 + batch / critical_batch)


def tokens_without_overfitting(params: float) -> float:
    """Tokens that keep the loss of early-stopped training within noise of infinite data: 5e3·N^0.74, equation 4.4."""
    return float(5e3 * params**0.74)


def overfitting(params: float, tokens: float, *, N_c: float, D_c: float, alpha_N: float, alpha_D: float) -> float:
    """L(N, D)/L(N, ∞) - 1, equation 4.3, with constants of the law `kaplan-nd`."""
    return float((1.0 + (params / N_c) ** (alpha_N / alpha_D) * D_c / tokens) ** alpha_D - 1.0)


def earliest_stop(constants: KaplanConstants, loss: float, converged: float) -> float:
    """Steps before which early stopping cannot come, S_c/(L(N, D) - L(N, ∞))^(1/α_S): equation 5.7."""
    return float(constants.S_c / (loss - converged) ** (1.0 / constants.alpha_S))


@dataclass(frozen=True)
class Crossing:
    """Where the frontier would need a loss below what its own data allow: compute in PF-days, size, tokens, loss."""

    compute: float
    params: float
    tokens: float
    loss: float


def crossing(data: PowerOfCompute = TABLE_6_DATA, size: PowerOfCompute = TABLE_6_SIZE) -> Crossing:
    """Where L(C_min) meets L(D(C_min)), section 6.3: the laws must break down before.

    The answer moves by an order of magnitude with constants the paper prints as equivalent.

    Example:
        >>> point = crossing()
        >>> round(point.compute, -2), round(point.loss, 3)
        (11200.0, 1.668)
    """
    # Two straight lines in logarithms: loss of compute, and loss of the data that compute passes over.
    limited = PowerOfCompute(DATA_LIMITED.at(data.coefficient), DATA_LIMITED.exponent * data.exponent)
    slope = limited.exponent - LOSS_OF_COMPUTE.exponent
    compute = math.exp(math.log(LOSS_OF_COMPUTE.coefficient / limited.coefficient) / slope)
    return Crossing(compute, size.at(compute), data.at(compute), LOSS_OF_COMPUTE.at(compute))
