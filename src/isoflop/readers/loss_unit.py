"""The unit of the loss: nats or bits, per token, byte or sequence; converted where that is exact, else recorded.

1 bit = ln 2 nats        per token = per byte x bytes_per_token        per token = per sequence / context
"""

from __future__ import annotations

import math

import numpy as np

from isoflop.errors import InputError
from isoflop.findings import Finding
from isoflop.runs.table import RunTable

UNITS = ("nats per token", "bits per token", "nats per byte", "bits per byte", "nats per sample")
"""The units a loss can be in; the first is what every table is brought to where that can be done exactly."""

_SPELLINGS = {
    "nats per token": ("nats/token", "nats", "nats per token", "nat/token"),
    "bits per token": ("bits/token", "bits", "bits per token", "bpt"),
    "nats per byte": ("nats/byte", "nats per byte"),
    "bits per byte": ("bits/byte", "bpb", "bits per byte", "bits per character", "bpc"),
    "nats per sample": ("nats/sample", "nats per sample", "nats per sequence", "nats/sequence"),
}


def unit_of(text: str) -> str | None:
    """The standard name of a unit as people write it, or None.

    Example:
        >>> unit_of("bits/byte"), unit_of("BPB"), unit_of("furlongs")
        ('bits per byte', 'bits per byte', None)
    """
    wanted = " ".join(text.lower().replace("_", " ").split())
    return next((unit for unit, spellings in _SPELLINGS.items() if wanted in spellings), None)


def convert_loss(table: RunTable) -> RunTable:
    """The table with its loss in nats per token where its `loss_unit` and other columns give that exactly.

    Raises:
        InputError: naming the row whose `loss_unit` is no unit.
    """
    if not table.has("loss_unit") or not table.has("loss") or table["loss"].dtype == object:
        return table
    written = table["loss_unit"].tolist()
    units = {text: unit_of(str(text)) for text in dict.fromkeys(written)}
    for text, unit in units.items():
        if unit is None and str(text).strip():
            line = int(table.row[written.index(text)])
            raise InputError(
                f"{' + '.join(table.source)}, row {line}, column 'loss_unit': {text!r} is no unit of a loss: "
                f"write one of {', '.join(UNITS)}."
            )
    factor = np.ones(len(table))
    final = np.empty(len(table), dtype=object)
    for unit in dict.fromkeys(units.values()):
        rows = np.array([units[text] == unit for text in written])
        scale, becomes = _factor(table, unit or "")
        factor[rows] = np.broadcast_to(scale, len(table))[rows]
        final[rows] = becomes
    table = table.with_columns({"loss": table["loss"] * factor, "loss_unit": final})
    return table.with_findings(*_said(units, final))


def _factor(table: RunTable, unit: str) -> tuple[np.ndarray, str]:
    """What a loss in `unit` is multiplied by, and the unit it is in then."""
    has = {name: table.has(name) and table[name].dtype != object for name in ("bytes_per_token", "context")}
    bits = math.log(2.0) if unit.startswith("bits") else 1.0
    if unit.endswith("per token"):
        return np.array(bits), "nats per token"
    if unit.endswith("per byte") and has["bytes_per_token"]:
        return bits * table["bytes_per_token"], "nats per token"
    if unit == "nats per sample" and has["context"]:
        return 1.0 / table["context"], "nats per token"
    return np.array(1.0), unit


def _said(units: dict[str, str | None], final: np.ndarray) -> list[Finding]:
    findings = []
    now = sorted(set(final.tolist()) - {""})
    converted = sorted({str(unit) for unit in units.values() if unit and unit not in now})
    if converted:
        message = f"The loss was given in {' and '.join(converted)} and is now in nats per token."
        findings.append(Finding("loss-unit", "note", message))
    kept = [unit for unit in now if unit != "nats per token"]
    if kept:
        missing = "context" if kept == ["nats per sample"] else "bytes_per_token"
        message = f"The loss is in {' and '.join(kept)}; --set {missing}=… makes it nats per token."
        findings.append(Finding("loss-unit", "note", message))
    if len(now) > 1:
        message = (
            f"Losses in {' and '.join(now)} stand in one table: bring them to one unit with --set bytes_per_token=…"
        )
        findings.append(Finding("ask-loss-unit", "warn", message))
    return findings
