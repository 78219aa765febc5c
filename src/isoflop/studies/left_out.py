"""What a study varies and the command of its own trainer does not say: every run would be trained alike in it.

Looked at are the size, the tokens, the batch, the context, the learning rate and the seed, wherever they differ between
runs, and anything else in which runs differ that are the same in these and in all that the command says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter

from isoflop.findings import Finding
from isoflop.runs.spec import RunSpec
from isoflop.studies.placeholders import PLACEHOLDERS, Value, values_of

SAID_BY: Mapping[str, frozenset[str]] = {
    "width": frozenset({"width", "params"}),
    "layers": frozenset({"layers", "params"}),
    "tokens": frozenset({"tokens", "steps"}),
    "batch_tokens": frozenset({"batch_tokens", "batch"}),
    "context": frozenset({"context"}),
    "learning_rate": frozenset({"learning_rate"}),
    "seed": frozenset({"seed"}),
}
"""What every program must be told where it varies, and the placeholders any of which says it."""

_FOLLOWS = frozenset({"params", "steps", "batch", "run"})
"""Said by the others, or no part of how a run is trained."""


def left_out(specs: Sequence[RunSpec]) -> tuple[Finding, ...]:
    """One warning that names every placeholder that is missing from the command; none for the lab's own trainer."""
    trainer = specs[0].trainer if specs else None
    if trainer is None:
        return ()
    used = {name for argument in trainer.command for _, name, _, _ in Formatter().parse(argument) if name}
    values = [values_of(spec) for spec in specs]
    missing = {name for name, said_by in SAID_BY.items() if not said_by & used and _differ(name, values)}
    told = sorted(used.intersection(values[0]).union(SAID_BY) - {"run"})
    alike: dict[tuple[Value, ...], list[dict[str, Value]]] = {}
    for value in values:
        alike.setdefault(tuple(value[name] for name in told), []).append(value)
    missing.update(
        name
        for group in alike.values()
        for name in group[0].keys() - SAID_BY.keys() - _FOLLOWS
        if len(group) > 1 and _differ(name, group)
    )
    if not missing:
        return ()
    ordered = [name for name in PLACEHOLDERS if name in missing]
    named = ", ".join(f"{{{name}}} ({_range(name, values)})" for name in ordered)
    message = (
        f"trainer.command leaves out what the study varies: {named}. Name it there, as in "
        f'"--{ordered[0]}={{{ordered[0]}}}", unless the program sets it in the same way by itself.'
    )
    return (Finding("placeholder-left-out", "warn", message),)


def _differ(name: str, values: Sequence[Mapping[str, Value]]) -> bool:
    return len({value[name] for value in values}) > 1


def _range(name: str, values: Sequence[Mapping[str, Value]]) -> str:
    found = {value[name] for value in values}
    words = sorted(value for value in found if isinstance(value, str))
    if words:
        return ", ".join(words)
    low, high = (f"{edge(value for value in found if not isinstance(value, str)):,.4g}" for edge in (min, max))
    return f"{low} to {high}"
