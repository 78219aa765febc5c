"""Everything there is to say about a law in one value: what `isoflop laws NAME` and the documentation show."""

from __future__ import annotations

from typing import Any

from isoflop.laws.latex import latex, symbol
from isoflop.laws.law import Law
from isoflop.laws.published import published_for


def describe(law: Law) -> dict[str, Any]:
    """A law as plain data: formula, LaTeX, inputs, parameters, domain, references, published constants.

    Each parameter carries `published`: its value in every set of published constants of this law, by name.

    Example:
        >>> from isoflop.laws.catalogue import find
        >>> alpha = describe(find("chinchilla"))["params"][3]
        >>> alpha["name"], alpha["published"]["besiroglu2024"]
        ('alpha', 0.3478)
    """
    sets = published_for(law)
    values = {item.name: dict(zip(law.parameter_names, item.theta, strict=True)) for item in sets}
    return {
        "name": law.name,
        "title": law.title,
        "formula": law.formula,
        "latex": f"{symbol(law.output) if len(law.output) == 1 else _word(law.output)} = {latex(law)}",
        "output": law.output,
        "inputs": [
            {"name": item.name, "column": item.column, "meaning": item.meaning, "unit": item.unit}
            for item in law.inputs
        ],
        "params": [
            {
                "name": parameter.name,
                "symbol": parameter.symbol or symbol(parameter.name),
                "meaning": parameter.meaning,
                "unit": parameter.unit,
                "positive": parameter.scale == "log",
                "published": {name: theta[parameter.name] for name, theta in values.items()},
            }
            for parameter in law.parameters
        ],
        "domain": law.domain,
        "references": list(law.references),
        "published": [item.to_dict() for item in sets],
    }


def _word(name: str) -> str:
    return "L" if name == "loss" else rf"\text{{{name.replace('_', ' ')}}}"
