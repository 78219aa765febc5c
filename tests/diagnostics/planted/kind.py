"""What a planted fault is: a study with one thing wrong, and what was said about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import Fit
from isoflop.fitting.solver import Effort
from isoflop.runs.table import RunTable
from tests.diagnostics.clean_studies import LAW, Study

Generator = np.random.Generator


@dataclass(frozen=True)
class Outcome:
    """What was said of a study, and which rows of it (lines of the file) are wrong; none where it is not a row."""

    findings: tuple[Finding, ...]
    rows: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Kind:
    """A kind of fault: the diagnostic it belongs to, in words, the codes that name it, and how it is planted."""

    diagnostic: int
    name: str
    codes: frozenset[str]
    plant: Callable[[int], Outcome]


@dataclass(frozen=True)
class Score:
    """Whether one planted fault was named: by its code, and by its rows (None where it is not a row fault)."""

    flagged: bool
    right_rows: bool | None


def kind(diagnostic: int, name: str, codes: str, plant: Callable[[int], Outcome]) -> Kind:
    """A kind whose codes are words of one text."""
    return Kind(diagnostic, name, frozenset(codes.split()), plant)


def score(kind: Kind, seed: int) -> Score:
    """Plant the fault with this seed, and judge what is said of it.

    Rows are right if the findings of the right code name exactly those that are wrong.
    """
    outcome = kind.plant(seed)
    right = [finding for finding in outcome.findings if finding.code in kind.codes]
    if not outcome.rows:
        return Score(bool(right), None)
    return Score(bool(right), {row for finding in right for row in finding.rows} == outcome.rows)


BRIEFLY = Effort(newton_steps=100, patience=0)
"""For faults whose optimum lies in a valley without an end, along which the solver would go on for long."""


def generator(seed: int) -> Generator:
    """The random numbers of a fault, apart from those of its study."""
    return np.random.default_rng([seed, 26])


def fitted(study: Study | RunTable, **options: object) -> Fit:
    """The chinchilla law fitted to a study, read and checked as a file would be."""
    table = study.table() if isinstance(study, Study) else study
    settings: dict[str, object] = {"draws": 0, "starts": "projected", **options}
    return fit(settings.pop("law", LAW), table, **settings)  # type: ignore[arg-type]


def said(study: Study | RunTable, places: Iterable[int] = (), **options: object) -> Outcome:
    """What a fit to the study says, where the rows at `places` are wrong."""
    return Outcome(fitted(study, **options).findings, lines(places))


def lines(places: Iterable[int]) -> frozenset[int]:
    """Lines in the file of rows counted from 0: a header comes first."""
    return frozenset(int(place) + 2 for place in places)
