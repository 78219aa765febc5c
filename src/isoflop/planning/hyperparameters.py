"""Batch size and learning rate by the named rules of the literature, each with where it was measured.

    step-law    η = 1.79·N^-0.713·D^0.307        B = 0.58·D^0.571         [steplaw2025], as printed
    deepseek    η = 0.3118·C^-0.125              B = 0.292·C^0.327        [deepseek2024]
    kaplan      η = 0.003239 - 0.0001395·ln N    B = 2.1e8·L^(-1/0.21)    [kaplan2020]

N parameters (non-embedding in all three), D tokens, C FLOP, L nats a token; B in tokens. Kaplan's B is the critical
batch size: twice the fewest steps, twice the fewest tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from isoflop.errors import UsageError
from isoflop.laws.published import Published, find_published
from isoflop.quantities import format_count

Rule = Literal["step-law", "deepseek", "kaplan"]
RULES: tuple[Rule, ...] = get_args(Rule)

# Where each rule was measured: quantity → (lowest, highest).
_MEASURED: Mapping[Rule, Mapping[str, tuple[float, float]]] = {
    "step-law": {"params": (6e7, 1e9), "tokens": (2e9, 1e11)},
    "deepseek": {"compute": (1e17, 3e20)},
    "kaplan": {"params": (768, 1.5e9)},
}
_CONSTANTS: Mapping[Rule, tuple[str, str]] = {
    "step-law": ("steplaw2025-lr-printed", "steplaw2025-batch-printed"),
    "deepseek": ("deepseek2024-lr", "deepseek2024-batch"),
    "kaplan": ("kaplan2020-lr", "kaplan2020-critical-batch"),
}


@dataclass(frozen=True)
class Recipe:
    """What one rule says: the peak learning rate (None where the rule has left its range) and the batch in tokens.

    `outside` names the quantities that lie beyond what the rule was measured on, and by how much.
    """

    rule: Rule
    learning_rate: float | None
    batch_tokens: float
    outside: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "rule": self.rule,
            "learning_rate": self.learning_rate,
            "batch_tokens": self.batch_tokens,
            "outside": list(self.outside),
        }


def recipe(rule: Rule, params: float, tokens: float, compute: float, loss: float) -> Recipe:
    """Batch size and learning rate of a run by the rule called `rule`.

    Raises:
        UsageError: there is no such rule; the message lists them.

    Example:
        >>> found = recipe("step-law", 1e9, 100e9, 6e20, 2.5)
        >>> f"{found.learning_rate:.3g}", f"{found.batch_tokens:.3g}"
        ('0.00163', '1.11e+06')
    """
    if rule not in RULES:
        raise UsageError(f"recipe={rule!r} is unknown: use one of {', '.join(RULES)}.")
    given = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    rate, batch = (_value(find_published(name), given) for name in _CONSTANTS[rule])
    outside = tuple(filter(None, (_beyond(name, given[name], *span) for name, span in _MEASURED[rule].items())))
    return Recipe(rule, rate if rate > 0.0 else None, batch, outside)


def _value(constants: Published, given: Mapping[str, float]) -> float:
    """The law of the constants at the given quantities."""
    from isoflop import expressions

    assert constants.law is not None
    names = {item.name: given[item.column] for item in constants.law.inputs}
    values = dict(zip(constants.law.parameter_names, constants.theta, strict=True))
    value = float(expressions.evaluate(constants.law.tree, {**names, **values}))
    return value if math.isfinite(value) else math.nan


def _beyond(name: str, value: float, low: float, high: float) -> str:
    if low <= value <= high:
        return ""
    times = format_count(float(format(value / high if value > high else low / value, ".2g")))
    return f"{name} {times} times {'above' if value > high else 'below'} what it was measured on"
