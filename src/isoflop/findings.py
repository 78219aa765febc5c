"""What the package says about data and fits: findings, each with a code, a severity and one sentence.

The rules that raise a finding live in the layer that has their inputs; the value and the order of severities
live here, so that every layer can carry findings and every output shows them alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Severity = Literal["note", "warn", "refuse"]

_WEIGHT: dict[str, int] = {"refuse": 0, "warn": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One thing worth saying: `code` for programs, `message` for people, `rows` as file lines (header = 1)."""

    code: str
    severity: Severity
    message: str
    rows: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this finding."""
        return {"code": self.code, "severity": self.severity, "message": self.message, "rows": list(self.rows)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Finding:
        """The finding that `to_dict` wrote."""
        return cls(record["code"], record["severity"], record["message"], tuple(record.get("rows", ())))


def by_weight(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without repeats, refusals first, then warnings, then notes."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: _WEIGHT[finding.severity]))


def refuses(findings: Iterable[Finding]) -> bool:
    """Whether any finding forbids an answer."""
    return any(finding.severity == "refuse" for finding in findings)


class _WithFindings(Protocol):
    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found."""


class Judged:
    """A value that carries `findings`."""

    @property
    def refused(self: _WithFindings) -> bool:
        """Whether a finding forbids using it without `--force`."""
        return refuses(self.findings)
