"""Frontiers of the literature that come without a law of model size and data: N and D as powers of compute.

    hoffmann2022-approach1, -approach2   through the rows of Table 3 and Table A3
    kaplan2020                           Table 6, with the loss of compute of Table 5
    deepseek2024-frontier                non-embedding FLOP per token M = 6 N, and tokens
    grattafiori2024-tokens               tokens of compute (Llama 3)
    henighan2020-…-frontier              size of compute, one for each modality

Where a source gives N or D alone, the other follows from C = 6·N·D. Losses are given where the source has a law of
compute. [hoffmann2022], [kaplan2020], [deepseek2024], [grattafiori2024], [henighan2020]
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from isoflop.accounting.flops import FLOP_PER_PARAMETER_AND_TOKEN
from isoflop.errors import UsageError
from isoflop.findings import Finding
from isoflop.fitting.fit import Ensemble, Fit
from isoflop.fitting.frontier_fit import NAMES, Evidence, FrontierFit
from isoflop.fitting.published_fit import published_fit
from isoflop.laws.graph import Array
from isoflop.laws.published import Published, find_published
from isoflop.quantities import FLOP_PER_PF_DAY
from isoflop.runs.table import RunTable

# Size → FLOP for which it is optimal, as printed. Left out is the row of 67B, which lies 3 to 9 % off the line through
# the other eight in every approach: it is the row of Gopher's budget, not of that size.
_TABLE_3: Mapping[float, float] = {
    4e8: 1.92e19, 1e9: 1.21e20, 1e10: 1.23e22, 1.75e11: 3.85e24, 2.8e11: 9.90e24, 5.2e11: 3.43e25, 1e12: 1.27e26,
    1e13: 1.30e28,
}  # fmt: skip
_TABLE_A3: Mapping[float, float] = {
    4e8: 1.84e19, 1e9: 1.20e20, 1e10: 1.32e22, 1.75e11: 4.54e24, 2.8e11: 1.18e25, 5.2e11: 4.19e25, 1e12: 1.59e26,
    1e13: 1.75e28,
}  # fmt: skip
_SOURCES = {"hoffmann2022-approach1": "Table 3", "hoffmann2022-approach2": "Table A3"}
_ALIASES = {"kaplan2020": "kaplan2020-frontier"}
_LOSSES = {"kaplan2020-frontier": "kaplan2020-c-min", "henighan2020-language-frontier": "henighan2020-language-c"}


def has_published_frontier(name: str) -> bool:
    """Whether constants of that name are a frontier and no law.

    Example:
        >>> has_published_frontier("kaplan2020"), has_published_frontier("besiroglu2024")
        (True, False)
    """
    known = ("hoffmann2022-approach1", "hoffmann2022-approach2", "grattafiori2024-tokens")
    return name in (*_ALIASES, *known) or name.endswith("-frontier")


def published_frontier(name: str) -> FrontierFit:
    """The frontier called `name`, as a fit of the frontier without runs and without draws.

    Raises:
        UsageError: there is none of that name.

    Example:
        >>> size, data = published_frontier("hoffmann2022-approach1").allocation(5.76e23)
        >>> f"{size.value:.3g}", f"{data.value:.3g}"
        ('6.79e+10', '1.41e+12')
    """
    name = _ALIASES.get(name, name)
    constants = find_published(name)
    theta = _theta(name, constants)
    if theta is None:
        raise UsageError(f"published constants {name!r} are no frontier of size and data.")
    loss = _loss_law(name)
    message = (
        f"The frontier of {name} ({_SOURCES.get(name, constants.source)}; {constants.dataset or 'data not stated'}), "
        "not of your runs: sizes count parameters as that source does, and no interval is given."
    )
    return FrontierFit(
        method="isoflops",
        law=name,
        settings={},
        minima=(),
        theta=theta,
        evidence=Evidence(*(float("nan"),) * 4),
        ensemble=Ensemble(NAMES, np.empty((0, len(NAMES))), "published"),
        level=0.9,
        seed=0,
        runs=RunTable.from_columns({}, param_count=constants.param_count, source=(f"published:{name}",)),
        loss_law=loss,
        loss_reason="" if loss else "The source gives no loss along its frontier.",
        findings=(Finding("published-constants", "note", message),),
    )


def _theta(name: str, constants: Published) -> Array | None:
    """(k_N, a, k_D, b) with compute in FLOP."""
    values = constants.values
    if name == "hoffmann2022-approach1":
        return _from_size(*_line(_TABLE_3))
    if name == "hoffmann2022-approach2":
        return _from_size(*_line(_TABLE_A3))
    if name == "kaplan2020-frontier":
        return _from_size(values["N_e"] / FLOP_PER_PF_DAY ** values["p_N"], values["p_N"])
    if name == "deepseek2024-frontier":
        return np.array([values["M_coef"] / 6.0, values["M_exp"], values["D_coef"], values["D_exp"]])
    if name == "grattafiori2024-tokens":
        data, power = values["coefficient"], values["exponent"]
        return np.array([1.0 / (FLOP_PER_PARAMETER_AND_TOKEN * data), 1.0 - power, data, power])
    if {"C_0", "exponent"} == set(values):
        return _from_size((values["C_0"] * FLOP_PER_PF_DAY) ** -values["exponent"], values["exponent"])
    return None


def _line(rows: Mapping[float, float]) -> tuple[float, float]:
    """Coefficient and power of the straight line through log N over log C."""
    power, intercept = np.polyfit(np.log(list(rows.values())), np.log(list(rows)), 1)
    return float(np.exp(intercept)), float(power)


def _from_size(coefficient: float, power: float) -> Array:
    return np.array([coefficient, power, 1.0 / (FLOP_PER_PARAMETER_AND_TOKEN * coefficient), 1.0 - power])


def _loss_law(name: str) -> Fit | None:
    return published_fit(_LOSSES[name]) if name in _LOSSES else None
