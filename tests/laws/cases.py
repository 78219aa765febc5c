"""One row per law: a point with its value worked out apart from the product, and a grid to recover the law from.

`expected` is arithmetic on plain numbers written out here, or a number that was published; never a call of the law.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log, log10, pi, sqrt

import numpy as np


@dataclass(frozen=True)
class Case:
    law: str
    inputs: Mapping[str, float]
    parameters: Mapping[str, float]
    expected: float
    grid: Mapping[str, tuple[float, float]]
    tolerance: float = 1e-12
    rows: int = 64
    objective: str = "huber:1e-3"
    even: tuple[str, ...] = field(default=())  # inputs spread evenly rather than by ratio

    def columns(self) -> dict[str, np.ndarray]:
        """Inputs by letter: a low-discrepancy set over the grid, so that every input varies apart from the others."""
        ratio = 2.0
        for _ in range(60):
            ratio = (1.0 + ratio) ** (1.0 / (len(self.grid) + 1))
        spread = {}
        for index, (name, (low, high)) in enumerate(self.grid.items(), start=1):
            fraction = (0.5 + np.arange(self.rows) * ratio**-index) % 1.0
            fraction = (1.0 - np.cos(pi * fraction)) / 2.0 if len(self.grid) == 1 else fraction
            even = name in self.even
            spread[name] = low + (high - low) * fraction if even else low * (high / low) ** fraction
        return spread


SIZES, TOKENS = (1e6, 1e10), (1e8, 1e12)
SIZE, DATA = {"N": SIZES}, {"D": TOKENS}
BOTH = {"N": SIZES, "D": TOKENS}
TEX = {"E": 1.6934, "A": 406.4, "B": 410.7, "alpha": 0.33917084, "beta": 0.2849083}
LOGISTIC_AT = 1 / (1 + exp(4.0 * (2.0 - 2.5)))


def _unrouted(experts: float, start: float, most: float) -> float:
    inverse = 1 / (experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most
    return 1 / inverse


_EXPERTS = _unrouted(64, 1.847, 314.478)

CASES = (
    Case(
        "chinchilla", {"N": 70e9, "D": 1.4e12}, TEX,
        1.6934 + 406.4 / 70e9**0.33917084 + 410.7 / 1.4e12**0.2849083, BOTH,
    ),
    Case(
        "chinchilla-tied", {"N": 1e9, "D": 2e10}, {"E": 1.8, "A": 500.0, "B": 1500.0, "alpha": 0.35},
        1.8 + 500 / 1e9**0.35 + 1500 / 2e10**0.35, BOTH,
    ),
    Case(
        "chinchilla-no-floor", {"N": 1e8, "D": 1e9}, {"A": 30.0, "B": 40.0, "alpha": 0.15, "beta": 0.2},
        30 / 1e8**0.15 + 40 / 1e9**0.2, BOTH,
    ),
    Case(
        "coupled", {"N": 1e8, "D": 1e9},
        {"E": 1.8, "A": 2e5, "B": 4e5, "alpha": 0.6, "beta": 0.65, "gamma": 0.6},
        1.8 + (2e5 / 10**4.8 + 4e5 / 10**5.85) ** 0.6, BOTH, rows=96,
    ),
    *(
        Case(
            f"coupled-{gamma}", {"N": 1e8, "D": 1e9}, {"E": 1.8, "A": a, "B": b, "alpha": power, "beta": power},
            1.8 + (a / 10 ** (8 * power) + b / 10 ** (9 * power)) ** gamma, BOTH,
        )
        for gamma, a, b, power in ((0.3, 2e8, 4e8, 1.0), (0.5, 2e5, 4e5, 0.6), (0.7, 2e3, 4e3, 0.45))
    ),
    Case(
        "data-demand", {"N": 1e8, "D": 1e9},
        {"E": 1.8, "A": 400.0, "B": 900.0, "alpha": 0.35, "beta": 0.45, "eta": 0.1},
        1.8 + 400 / 10**2.8 + 900 * 10**0.8 / 10**4.05, BOTH,
    ),
    Case(
        "size-demand", {"N": 1e8, "D": 1e9},
        {"E": 1.8, "A": 400.0, "B": 900.0, "alpha": 0.45, "beta": 0.35, "eta": 0.1},
        1.8 + 400 * 10**0.9 / 10**3.6 + 900 / 10**3.15, BOTH,
    ),
    Case(
        "log-quadratic", {"N": 1e8, "D": 1e9},
        {"c": 6.0, "c_N": -0.3, "c_D": -0.25, "c_NN": 0.006, "c_ND": -0.002, "c_DD": 0.005},
        exp(6 - log(10) * (2.4 + 2.25) + log(10) ** 2 * (0.006 * 64 - 0.002 * 72 + 0.005 * 81)), BOTH,
    ),
    Case("kaplan-n", {"N": 1e9}, {"N_c": 8.8e13, "alpha": 0.076}, 88000.0**0.076, SIZE),
    Case("kaplan-d", {"D": 1e9}, {"D_c": 5.4e13, "alpha": 0.095}, 54000.0**0.095, DATA),
    Case("kaplan-c", {"C": 8.64e19}, {"C_c": 3.1e8 * 8.64e19, "alpha_C": 0.05}, 3.1e8**0.05, {"C": (1e17, 1e23)}),
    Case("power-c", {"C": 1e20}, {"C_c": 1e27, "alpha": 0.05}, 10**0.35, {"C": (1e17, 1e23)}),
    Case("power-floor-n", {"N": 1e4}, {"E": 3.12, "N_c": 80.0, "alpha": 0.24}, 3.12 + 125**-0.24, {"N": (1e3, 1e9)}),
    Case("power-floor-d", {"D": 1e9}, {"E": 1.9, "D_c": 1e9, "alpha": 0.3}, 2.9, DATA),
    Case("power-floor-c", {"C": 1e20}, {"E": 1.7, "C_c": 1e20, "alpha": 0.15}, 2.7, {"C": (1e16, 1e24)}),
    Case("power", {"X": 100.0}, {"K": 5.0, "a": -0.5}, 0.5, {"X": (1.0, 1e6)}),
    Case("power-scale", {"X": 100.0}, {"X_c": 1e6, "alpha": 0.25}, 10.0, {"X": (1.0, 1e6)}),
    Case("power-floor", {"X": 100.0}, {"E": 0.5, "X_c": 1e6, "alpha": 0.25}, 10.5, {"X": (1e2, 1e12)}),
    Case("hestness", {"m": 1e6}, {"a": 11.9, "beta_g": -0.25, "gamma": 0.2}, 0.2 + 11.9 / 1e6**0.25, {"m": (1e3, 1e9)}),
    Case(
        "kaplan-nd", {"N": 1e9, "D": 2.29e10}, {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
        (64000.0 ** (0.076 / 0.103) + 18000.0 / 22.9) ** 0.103, BOTH,
    ),
    Case(
        "kaplan-ns", {"N": 1e8, "S": 1e4}, {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76},
        650000.0**0.077 + 0.21**0.76, {"N": SIZES, "S": (1e3, 1e6)},
    ),
    Case(
        "kaplan-critical-batch", {"L": 3.0}, {"B_star": 2.1e8, "alpha_B": 0.21}, 2.1e8 * exp(-log(3.0) / 0.21),
        {"L": (2.0, 6.0)},
    ),
    Case("kaplan-steps-examples", {"S": 3e3}, {"E_min": 1e9, "S_min": 1e3}, 1.5e9, {"S": (1.2e3, 1e5)}),
    Case(
        "kaplan-lr", {"N": 1e8}, {"a": 0.003239, "b": -0.0001395}, 0.003239 - 0.0001395 * 8 * log(10),
        {"N": (1e3, 1e9)},
    ),
    Case(
        "rosenfeld", {"n": 1e5, "m": 1e6},
        {"a": 600.0, "b": 500.0, "c_inf": 0.05, "eps_0": 0.9, "alpha": 0.75, "beta": 0.61},
        0.9 * (x := 600 / 1e5**0.75 + 500 / 1e6**0.61 + 0.05) / sqrt(x * x + 0.81),
        {"n": (1e3, 1e6), "m": (1e3, 1e8)},
    ),
    Case("alabdulmohsin-m1", {"x": 1e4}, {"beta": 5.0, "c": -0.25}, 0.5, {"x": (1e3, 1e7)}),
    Case("alabdulmohsin-m2", {"x": 1e4}, {"beta": 5.0, "c": -0.25, "eps_inf": 0.1}, 0.6, {"x": (1e3, 1e8)}),
    Case(
        "alabdulmohsin-m3", {"x": 1e4}, {"beta": 5.0, "c": -0.5, "gamma": 3e-4}, 5.0 * 0.02, {"x": (1e2, 1e7)},
    ),
    Case(
        "alabdulmohsin-m4", {"eps": 0.3}, {"beta": 5.0, "c": -0.4, "alpha": 0.5, "eps_inf": 0.1, "eps_0": 0.9},
        (0.2 / (5.0 * sqrt(0.6))) ** -2.5, {"eps": (0.12, 0.88)}, even=("eps",),
    ),
    Case(
        "broken-1", {"X": 1e6}, {"a": 0.2, "b": 5.0, "c_0": 0.1, "c_1": 0.4, "d_1": 1e6, "f_1": 0.5},
        0.2 + 5 / 1e6**0.1 * 2**-0.2, {"X": (1e2, 1e11)},
    ),
    Case(
        "broken-2", {"X": 1e4},
        {"a": 0.1, "b": 5.0, "c_0": 0.1, "c_1": 0.4, "d_1": 1e4, "f_1": 0.3, "c_2": -0.35, "d_2": 1e8, "f_2": 0.4},
        0.1 + 5 / 1e4**0.1 * 2**-0.12 * (1 + 1e-10) ** 0.14, {"X": (1e1, 1e12)}, rows=96,
    ),
    Case(
        "broken-3", {"X": 1e4},
        {"a": 0.1, "b": 5.0, "c_0": 0.05, "c_1": 0.4, "d_1": 1e4, "f_1": 0.3, "c_2": -0.35, "d_2": 1e8, "f_2": 0.3,
         "c_3": 0.5, "d_3": 1e12, "f_3": 0.3},
        0.1 + 5 / 1e4**0.05 * 2**-0.12 * (1 + 1e-4 ** (1 / 0.3)) ** 0.105 * (1 + 1e-8 ** (1 / 0.3)) ** -0.15,
        {"X": (1e1, 1e16)}, rows=128,
    ),
    Case(
        "chinchilla-broken", {"N": 1e9, "D": 1e10},
        {"E": 1.7, "A": 400.0, "B": 400.0, "alpha": 0.34, "beta": 0.28, "c_1": -0.15, "d_1": 1e10, "f_1": 0.4},
        1.7 + 400 / 1e9**0.34 + 400 / 1e10**0.28 * 2**0.06, {"N": SIZES, "D": (1e7, 1e13)}, rows=128,
    ),
    Case(
        "gadre", {"N": 1e9, "D": 2e10}, {"E": 1.8, "a": 2000.0, "b": 3000.0, "eta": 0.18},
        1.8 + (2000 * 20**0.18 + 3000 * 20**-0.18) / 1.2e20**0.18, BOTH,
    ),
    Case(
        "muennighoff", {"N": 6.34e9, "D": 242e9, "U": 25e9},
        {"E": 1.869144, "A": 520.825, "B": 1487.716, "alpha": 0.3526596, "R_D": 15.387756, "R_N": 5.309743},
        2.2256441, {"N": (1e7, 1e10), "D": (1e9, 1e12), "U": (1e8, 1e11)}, tolerance=3e-7, rows=160,
    ),
    Case(
        "muennighoff-data", {"N": 1e9, "D": 1e11, "U": 1e10},
        {"E": 1.9, "A": 500.0, "B": 1500.0, "alpha": 0.35, "beta": 0.36, "R_D": 15.0},
        1.9 + 500 / 1e9**0.35 + 1500 / (1e10 * (1 + 15 * (1 - exp(-9 / 15)))) ** 0.36,
        {"N": (1e7, 1e10), "D": (1e9, 1e12), "U": (1e8, 1e11)}, rows=96,
    ),
    Case(
        "clark", {"N": 1e8, "E": 64.0},
        {"a": -0.082, "b": -0.108, "c": 0.009, "d": 1.104, "E_start": 1.847, "E_max": 314.478},
        10 ** (-0.082 * 8 - 0.108 * log10(_EXPERTS) + 0.009 * 8 * log10(_EXPERTS) + 1.104),
        {"N": (1e7, 2e9), "E": (1.0, 1024.0)},
    ),
    Case(
        "krajewski", {"N": 1e9, "D": 1e11, "G": 8.0},
        {"c": 0.47, "g": 2.1, "a": 18.1, "b": 30.8, "gamma": 0.58, "alpha": 0.115, "beta": 0.147},
        0.47 + (2.1 / 8**0.58 + 18.1) / 1e9**0.115 + 30.8 / 1e11**0.147,
        {"N": SIZES, "D": TOKENS, "G": (1.0, 32.0)}, rows=128,
    ),
    Case(
        "abnar", {"N": 1e9, "D": 1e11, "S": 0.75},
        {"a": 16612.5, "b": 5455.67, "c": 0.4598, "d": 17.26, "e": 0.94, "alpha": 0.5962, "beta": 0.3954,
         "lambda_S": -0.1666, "delta": 0.1603, "gamma": 0.1595},
        16612.5 / 1e9**0.5962 + 5455.67 / 1e11**0.3954 + 0.4598 / 0.25**-0.1666 + 17.26 / (0.25**0.1603 * 1e9**0.1595)
        + 0.94,
        {"N": SIZES, "D": TOKENS, "S": (0.02, 0.98)}, rows=160, even=("S",),
    ),
    Case(
        "kumar", {"N": 1e9, "D": 1e10, "P_w": 4.0, "P_a": 6.0, "P_kv": 8.0},
        {**TEX, "gamma_w": 2.5, "gamma_a": 2.0, "gamma_kv": 1.0},
        1.6934 + 406.4 / (1e9 * (1 - exp(-1.6)) * (1 - exp(-3.0)) * (1 - exp(-8.0))) ** 0.33917084
        + 410.7 / 1e10**0.2849083,
        {"N": SIZES, "D": TOKENS, "P_w": (1.0, 16.0), "P_a": (1.0, 16.0), "P_kv": (1.0, 16.0)}, rows=200,
    ),
    Case(
        "kumar-weights", {"N": 1e9, "D": 1e10, "P_w": 5.0}, {**TEX, "gamma_w": 2.5},
        1.6934 + 406.4 / (1e9 * (1 - exp(-2.0))) ** 0.33917084 + 410.7 / 1e10**0.2849083,
        {**BOTH, "P_w": (1.0, 16.0)}, rows=96,
    ),
    Case(
        "kumar-quantised", {"N": 1e8, "D": 1e10, "P": 4.0},
        {"C_T": 0.06, "gamma_D": 0.5, "gamma_N": 0.25, "gamma_post": 0.5}, 0.06 * 1e5 / 1e2 * exp(-8.0),
        {**BOTH, "P": (3.0, 8.0)},
    ),
    Case(
        "tao", {"N": 1e9, "V": 1e8, "H": 1e11},
        {"E": 5.5, "A_1": 100.0, "A_2": 300.0, "B": 2000.0, "alpha_1": 0.25, "alpha_2": 0.4, "beta": 0.3},
        -5.5 + 100 / 1e9**0.25 + 300 / 1e8**0.4 + 2000 / 1e11**0.3,
        {"N": (1e7, 1e10), "V": (1e6, 1e9), "H": (1e9, 1e12)}, objective="ls@value", rows=96,
    ),
    Case(
        "farseer", {"N": 1e9, "D": 1e10},
        {"a_1": -0.12, "b_1": 0.42, "alpha": 0.12, "a_2": 90.0, "b_2": -6.0, "beta": -0.1, "a_3": -0.02, "b_3": 0.6,
         "gamma": 0.17},
        exp(-0.02 * 1e9**0.17 + 0.6)
        + exp(90 / 1e9**0.1 - 6.0) * 1e10 ** -exp(-0.12 * 1e9**0.12 + 0.42),
        {"N": SIZES, "D": TOKENS}, rows=200,
    ),
    Case(
        "hernandez", {"N": 1e8, "D_F": 1e6}, {"k": 1.9e4, "alpha": 0.18, "beta": 0.38},
        1.9e4 * 1e6**0.18 * 1e8**0.38, {"N": (1e5, 1e9), "D_F": (1e5, 1e8)},
    ),
    Case(
        "hernandez-loss", {"N": 1e8, "D_F": 1e6},
        {"N_c": 6.4e13, "D_k": 1e9, "alpha_N": 0.076, "alpha_D": 0.103, "alpha": 0.18, "beta": 0.38},
        (640000.0 ** (0.076 / 0.103) + 1e9 / (1e6**0.18 * 1e8**0.38)) ** 0.103,
        {"N": (1e5, 1e9), "D_F": (1e5, 1e8)}, rows=96,
    ),
    Case("pearce", {"N_E": 1e9}, {"gamma": 47491.0}, 1e9 + 4.7491e7, {"N_E": (1e3, 1e10)}),
    Case("deepseek-lr", {"C": 1e20}, {"K": 0.3118, "a": -0.125}, 0.3118 / 10**2.5, {"C": (1e17, 1e21)}),
    Case("deepseek-batch", {"C": 1e20}, {"K": 0.292, "a": 0.3271}, 0.292 * 10**6.542, {"C": (1e17, 1e21)}),
    Case(
        "steplaw-lr", {"N": 1e9, "D": 1e11}, {"K": 1.797, "a": -0.712922, "b": 0.307491},
        1.797 * 10 ** (-9 * 0.712922 + 11 * 0.307491), BOTH,
    ),
    Case("steplaw-batch", {"D": 1e11}, {"K": 0.5807, "a": 0.570944}, 0.5807 * 10**6.280384, DATA),
    Case("porian-lr", {"N": 1e8}, {"K": 1.0, "a": -0.3}, 10**-2.4, SIZE),
    Case("porian-batch", {"N": 1e8}, {"K": 200.0, "a": 0.4}, 200 * 10**3.2, SIZE),
    Case(
        "tissue", {"S_1": 4.0, "S_2": 0.05}, {"L_0": 2.6, "A": 0.5, "C": 0.4, "alpha": 0.5}, 2.6 + 0.25 - 0.02,
        {"S_1": (0.1, 10.0), "S_2": (1e-3, 0.3)},
    ),
    Case(
        "multi-power", {"S_1": 4.0, "H": 1e-3, "R": 1e-4, "S_D": 0.01},
        {"L_0": 2.6, "A": 0.5, "B": 400.0, "C": 2.0, "alpha": 0.5, "beta": 0.6, "gamma": 0.6},
        2.85 - 0.4 * (1 - (1 + 2.0 * 0.01 * 1e4**0.6) ** -0.6),
        {"S_1": (0.5, 20.0), "H": (1e-4, 1e-3), "R": (1e-5, 1e-3), "S_D": (1e-3, 1.0)}, rows=160,
    ),
    Case(
        "link-logistic", {"L": 2.0}, {"low": 0.25, "high": 0.95, "k": 4.0, "L_0": 2.5}, 0.25 + 0.7 * LOGISTIC_AT,
        {"L": (1.5, 4.0)},
    ),
    Case(
        "link-exponential", {"L": 2.0}, {"eps": 0.86, "k": 2.0, "gamma": 0.7}, 0.86 - 2 * exp(-1.4), {"L": (1.8, 5.0)},
    ),
    Case(
        "link-two-step", {"L": 2.0}, {"a": -0.7, "k": 4.0, "L_0": 2.5, "b": 0.95},
        0.95 - 0.7 * (1 - LOGISTIC_AT), {"L": (1.0, 3.0)},
    ),
)  # fmt: skip
