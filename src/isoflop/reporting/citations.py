"""How to cite: BibTeX entries of a law's sources and of this package."""

from __future__ import annotations

import re
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from isoflop.errors import EnvironmentFailure
from isoflop.fitting.fit import Fit

_ENTRY = re.compile(r"^@\w+\{([^,\s]+),.*?^\}", re.MULTILINE | re.DOTALL)


def citations(fit: Fit) -> str:
    """BibTeX of this package, of the sources of the law, and of the methods the fit used.

    Raises:
        EnvironmentFailure: the bibliography is missing from the installation, or lacks a key.

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> "hoffmann2022" in citations(fit("chinchilla", read_runs(example_runs()), draws=0))
        True
    """
    known = bibliography()
    keys = dict.fromkeys((*fit.law.references, *_methods(fit)))
    missing = [key for key in keys if key not in known]
    if missing:
        raise EnvironmentFailure(f"references.bib lacks {', '.join(missing)}: install isoflop again.")
    return "\n\n".join((_own_entry(), *(known[key] for key in keys))) + "\n"


def bibliography() -> dict[str, str]:
    """Every entry of the bibliography by its key."""
    return {match[1]: match[0] for match in _ENTRY.finditer(_text())}


def _methods(fit: Fit) -> tuple[str, ...]:
    huber = ("huber1964",) if fit.objective.name == "huber" else ()
    chosen = ("bates1969", "tashman2000") if fit.contest else ()
    tested = ("tashman2000", "dersimonian1986") if fit.rolling is not None and len(fit.rolling) else ()
    return (*huber, *(OF_DRAWS.get(fit.ensemble.method, ()) if len(fit.ensemble) else ()), *chosen, *tested)


_WEIGHED = ("aitken1936", "patterson1971")  # the efficient fit: generalised least squares, its noise by REML
OF_DRAWS = {
    "cluster-bootstrap": ("cameron2008",),
    "pairs-bootstrap": ("efron1993",),
    "bca": ("efron1987",),
    "wild-bootstrap": ("webb2023",),
    "parametric-bootstrap": ("efron1993", *_WEIGHED),
    "wald-t": _WEIGHED,
    "profile-likelihood": ("bates1988", *_WEIGHED),
}
"""Keys of the bibliography for each way in which draws come about."""


def _own_entry() -> str:
    try:
        number = version("isoflop")
    except PackageNotFoundError:
        number = "unreleased"
    return (
        "@software{isoflop,\n"
        "  author = {{The isoflop contributors}},\n"
        "  title = {isoflop: scaling laws fitted, tested by back-test, and planned with},\n"
        f"  version = {{{number}}},\n"
        "  license = {Apache-2.0}\n"
        "}"
    )


def _text() -> str:
    packaged = resources.files("isoflop").joinpath("references.bib")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # In a checkout the file stands at the root, beside the source tree.
    beside = Path(__file__).parents[3] / "references.bib"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    raise EnvironmentFailure("references.bib is missing from this installation: install isoflop again.")
