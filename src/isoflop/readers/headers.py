"""What a header stands for: its column, the unit written into it, and why it was taken so.

"Model Size (B)"      params, in billions            "FLOPs (1E21)"            compute, in 1e21
"params_M"            params, in millions            "throughput/total_gflops" compute, in 1e9 FLOP
"model.hidden_dim"    width (the last part of a path) "d" beside "L" and "h"    width, not tokens
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isoflop.quantities import FLOP_PER_PF_DAY
from isoflop.readers.loss_unit import unit_of
from isoflop.runs.columns import Column, column_named, recognise, standard_name

_UNIT_BEHIND = re.compile(r"(.+?)\s*[(\[]\s*(?:in\s+)?([^()\[\]]+?)\s*[)\]]\s*")
_UNIT_SUFFIX = re.compile(r"(.+?)(?:[_ ](?:in[_ ])?)([kKMBGT]|thousands?|millions?|billions?|trillions?|pf[-_]?days?)")
_FLOP_PREFIX = re.compile(r"(.*?)([kmgtpez])(flops?)", re.IGNORECASE)
_COUNT_UNITS = {
    "k": 1e3,
    "m": 1e6,
    "b": 1e9,
    "g": 1e9,
    "t": 1e12,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
    "pfday": FLOP_PER_PF_DAY,
}
_FLOP_SCALES = {"k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21}
_POWER = re.compile(r"(?:1e|10\^|10\*\*|1E)(\d{1,2})")
_NOT_TOTALS = frozenset({"throughput", "perf", "performance", "speed", "system", "time", "timing", "timers", "memory"})
"""Parts of a path under which `flops` and `tokens` are rates, not totals."""

_LETTERS = {"d": "width", "L": "layers", "h": "heads", "T": "context", "V": "vocab"}
"""Single letters that describe an architecture where at least two of d, L and h stand side by side."""


@dataclass(frozen=True)
class HeaderReading:
    """A header, the column it stands for, what its cells are multiplied by, and why; a low `rank` wins a rivalry."""

    column: Column
    why: str
    rank: int
    scale: float = 1.0
    unit: str = ""


def assign(header: Sequence[str], chosen: Mapping[str, str]) -> dict[str, HeaderReading | None]:
    """What each header stands for; of several that claim one column, the most direct wins.

    `chosen` is the user's word: header → column.
    """
    letters = _LETTERS if sum(letter in header for letter in "dLh") >= 2 else {}
    claims: dict[str, list[tuple[HeaderReading, str]]] = {}
    for name in header:
        reading = _chosen(name, chosen) if name in chosen else _read(name, letters)
        if reading is not None:
            claims.setdefault(reading.column.name, []).append((reading, name))
    taken: dict[str, HeaderReading | None] = dict.fromkeys(header)
    for rivals in claims.values():
        reading, name = min(rivals, key=lambda item: item[0].rank)
        taken[name] = reading
    return taken


def read_header(name: str) -> HeaderReading | None:
    """What one header stands for by itself, or None.

    Example:
        >>> reading = read_header("Model Size (B)")
        >>> reading.column.name, reading.scale
        ('params', 1000000000.0)
    """
    return _read(name, {})


def _chosen(name: str, chosen: Mapping[str, str]) -> HeaderReading:
    column = column_named(chosen[name]) or Column(chosen[name], "number", "a column of your own")
    return HeaderReading(column, "you say so", -1)


def _read(name: str, letters: Mapping[str, str]) -> HeaderReading | None:
    if name in letters and (column := column_named(letters[name])) is not None:
        return HeaderReading(column, "a letter of the architecture beside d, L and h", 5)
    if (column := recognise(name)) is not None:
        if letters and standard_name(name) in ("d", "l", "h", "t", "v"):
            return None
        return HeaderReading(column, *_direct(name, column))
    # A benchmark score is called after its task, whatever words that has in it.
    return None if name.startswith("eval:") else _with_unit(name) or _end_of_path(name)


def _direct(name: str, column: Column) -> tuple[str, int]:
    if name == column.name:
        return "standard name", 0
    order = [standard_name(spelling) for spelling in (column.name, *column.synonyms)]
    return f"another name for {column.name}", 10 + order.index(standard_name(name))


def _with_unit(name: str) -> HeaderReading | None:
    for pattern in (_UNIT_BEHIND, _UNIT_SUFFIX):
        match = pattern.fullmatch(name)
        column = recognise(match[1]) if match else None
        scale = _scale(match[2], column) if match and column else None
        if match and column and scale is not None:
            return HeaderReading(column, f"another name for {column.name}, in {match[2]}", 200, scale, match[2])
    match = _FLOP_PREFIX.fullmatch(name.rsplit("/", 1)[-1])
    column = recognise(match[1] + match[3]) if match else None
    if match and column and column.kind == "compute":
        unit = f"{match[2].upper()}FLOP"
        return HeaderReading(column, f"another name for compute, in {unit}", 200, _FLOP_SCALES[match[2].lower()], unit)
    return None


def _scale(unit: str, column: Column) -> float | None:
    """What a unit in a header multiplies by; None where it is no unit of that column."""
    if match := _POWER.fullmatch(unit):
        return float(10 ** int(match[1]))
    word = standard_name(unit).removesuffix("s")
    if column.kind == "compute":
        if word.endswith("flop"):
            prefix = word.removesuffix("flop")
            return 1.0 if not prefix else _FLOP_SCALES.get(prefix)
        return _COUNT_UNITS["pfday"] if word in ("pfday", "pfsday", "petaflopsday", "pflopsday") else None
    if column.kind in ("count", "tokens"):
        word = re.sub(r"(token|param|parameter)$", "", word) or "one"
        return 1.0 if word == "one" else _COUNT_UNITS.get(word)
    return 1.0 if column.name == "loss" and unit_of(unit) else None


def _end_of_path(name: str) -> HeaderReading | None:
    parts = re.split(r"[/.:]", name)
    column = recognise(parts[-1]) if len(parts) > 1 else None
    # What a loss, a step or a name further down a path belongs to cannot be told from its last word.
    if column is None or column.name in ("loss", "train_loss", "run", "step", "perplexity", "state", "seconds"):
        return None
    is_rate = any(part.lower() in _NOT_TOTALS for part in parts[:-1])
    if column.kind in ("compute", "tokens") and is_rate and not parts[-1].lower().startswith("total"):
        return None
    if len(standard_name(parts[-1])) < 3:
        return None
    return HeaderReading(column, f"its path ends in {parts[-1]}", 300)
