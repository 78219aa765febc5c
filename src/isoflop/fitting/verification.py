"""Every number of a saved fit, derived again from the rows it carries, and compared with what the file claims.

The rows in the file are refitted with the settings in the file; nothing else of it is believed. Two numbers agree when
they differ by no more than 1e-9 of the larger: other processors round differently in the last digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from isoflop import records
from isoflop.errors import InputError, IsoflopError
from isoflop.findings import Finding
from isoflop.fitting.envelope import fit_envelope
from isoflop.fitting.estimation import fit
from isoflop.fitting.fit import SCHEMA, Fit, from_record
from isoflop.fitting.frontier_fit import FrontierFit, is_frontier_record
from isoflop.fitting.isoflops import fit_isoflops
from isoflop.quantities import format_number
from isoflop.runs.table import RunTable

VERIFICATION_SCHEMA = "isoflop.verification/1"

_AGREE = 1e-9
# What is zero but for rounding agrees within 1e-9; starts near a watershed may end elsewhere where rounding differs.
_NOISE = {"gradient": 1e-9, "residuals": 1e-9, "smallest_eigenvalue": 1e-9, "agreeing": 3.0}
_MARKS = ("forced",)  # keys that say how a file was written, not what was found
_MOST_REFITS = 5


@dataclass(frozen=True)
class Claim:
    """One claim of a file: what it says, what its data say, and whether they agree.

    `count` is how many values stand behind it, `difference` the largest relative difference among its numbers.
    """

    name: str
    claimed: str
    found: str
    agrees: bool
    count: int
    difference: float | None


@dataclass(frozen=True)
class Verification:
    """All claims of a saved fit, or of a report, beside what its rows give."""

    path: str
    law: str
    claims: tuple[Claim, ...]
    kind: Literal["fit", "report", "study"] = "fit"

    @property
    def first_disagreement(self) -> Claim | None:
        """The first claim that the data do not bear out."""
        return next((claim for claim in self.claims if not claim.agrees), None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A refusal that names the first disagreement; none where everything agrees."""
        first = self.first_disagreement
        if first is None:
            return ()
        wrong = sum(not claim.agrees for claim in self.claims)
        message = (
            f"{self.path}: {first.name} is claimed to be {first.claimed}, its rows give {first.found} "
            f"({wrong} of {len(self.claims)} claims disagree): the file was changed, or written by another version."
        )
        return (Finding("disagreement", "refuse", message),)

    @property
    def refused(self) -> bool:
        """Whether anything disagrees."""
        return self.first_disagreement is not None

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON object."""
        return {
            "schema": VERIFICATION_SCHEMA,
            "kind": self.kind,
            "path": self.path,
            "law": self.law,
            "agrees": not self.refused,
            "refused": self.refused,
            "values": sum(claim.count for claim in self.claims),
            "claims": [asdict(claim) for claim in self.claims],
            "warnings": [finding.to_dict() for finding in self.findings],
        }


def verify(path: str | Path) -> Verification:
    """Derive every number of a saved fit again from its rows and settings, and compare.

    Raises:
        InputError: the file is not a saved fit, or is not whole.

    Example:
        >>> import tempfile
        >>> from isoflop.readers.examples import example_runs
        >>> fitted = fit("chinchilla", example_runs(), where="held_out == 0", draws=20)
        >>> with tempfile.TemporaryDirectory() as place:
        ...     fitted.save(Path(place) / "fit.json")
        ...     verify(Path(place) / "fit.json").refused
        False
    """
    return verify_record(records.read_record(Path(path), SCHEMA), str(path))


def verify_record(record: Mapping[str, Any], path: str) -> Verification:
    """What `verify` does, for the record of a fit that was read from `path`.

    Raises:
        InputError: the record is not that of a fit, or is not whole.
    """
    try:
        again = _again(record)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, IsoflopError):
            raise
        raise InputError(
            f"{path} is not a whole fit ({type(error).__name__}: {error}): verify needs the file that --out wrote, "
            "with its rows and draws."
        ) from error
    return Verification(path, str(record.get("law")), tuple(_claims(record, records.jsonable(again))))


def _again(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record that the rows and settings of `record` give."""
    if is_frontier_record(record):
        return _refit_frontier(record).to_dict()
    if "declaration" not in record:
        raise InputError(
            f"the file holds a {record.get('law')} fit without the declaration of one law, which verify cannot refit."
        )
    return _refit(record).to_dict()


def _refit_frontier(record: Mapping[str, Any]) -> FrontierFit:
    runs, settings = RunTable.from_dict(record["rows"]), dict(record["settings"])
    refit: Callable[..., FrontierFit] = fit_envelope
    if record["method"] == "isoflops":
        refit = fit_isoflops
        settings["window"] = math.inf if settings["window"] is None else settings["window"]
    return refit(runs, **settings, level=record["level"], seed=record["seed"])


def _refit(record: Mapping[str, Any]) -> Fit:
    claimed = from_record(record)
    settings: dict[str, Any] = {
        "objective": claimed.objective,
        "level": claimed.level,
        "cluster": claimed.cluster,
        "intervals": claimed.intervals,
        "starts": claimed.starts,
        "x": claimed.asked_columns,
        "y": claimed.law.output if claimed.contest else None,
        "weights": claimed.weights,
        "seed": claimed.seed,
    }
    wanted = draws = len(claimed.ensemble)
    found = fit(claimed.asked, claimed.runs, draws=draws, **settings)
    # Draws that did not settle were left out of the file; asking for that many more brings the same ones.
    for _ in range(_MOST_REFITS):
        missing = wanted - len(found.ensemble)
        if missing <= 0 or not len(found.ensemble):
            break
        draws += missing
        found = fit(claimed.asked, claimed.runs, draws=draws, **settings)
    return found


def _claims(claimed: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[Claim]:
    """One claim for every leaf of the record, lists of values as one; the data first, since all else follows."""
    order = ("data", "rows", "params", "objective", "status", "certificate", "frontier", "minima", "bias", "ensemble")
    names = sorted(
        {*claimed, *found} - {*_MARKS}, key=lambda name: (order.index(name) if name in order else len(order), name)
    )
    for name in names:
        yield from compare_records(name, claimed.get(name), found.get(name))


def compare_records(name: str, claimed: Any, found: Any) -> Iterator[Claim]:
    """One claim for every leaf of `claimed` and `found`, lists of values as one; `name` is where they stand."""
    if isinstance(claimed, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys((*claimed, *found)):
            if key not in _MARKS:
                yield from compare_records(f"{name}.{key}", claimed.get(key), found.get(key))
        return
    if _is_table(claimed) and _is_table(found) and len(claimed) == len(found):
        for place, (one, other) in enumerate(zip(claimed, found, strict=True)):
            yield from compare_records(f"{name}[{place}]", one, other)
        return
    yield _claim(name, claimed, found)


def _is_table(value: Any) -> bool:
    """A list of objects, such as minima or warnings."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _claim(name: str, claimed: Any, found: Any) -> Claim:
    one, other = list(_leaves(claimed, "")), list(_leaves(found, ""))
    if [place for place, _ in one] != [place for place, _ in other]:
        return Claim(name, f"{len(one)} values", f"{len(other)} values", False, len(one), None)
    noise = _NOISE.get(name.rpartition(".")[2], 0.0)
    differences = [_difference(a, b, noise) for (_, a), (_, b) in zip(one, other, strict=True)]
    largest = max(differences, default=0.0)
    agrees = largest <= _AGREE
    shown = None if math.isinf(largest) else largest
    if len(one) == 1 or agrees:
        return Claim(name, _shown(claimed), _shown(found), agrees, len(one), shown)
    worst = next(place for place, difference in enumerate(differences) if difference > _AGREE)
    where = f"{name}{one[worst][0]}"
    return Claim(where, _shown(one[worst][1]), _shown(other[worst][1]), False, len(one), shown)


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}")
    else:
        yield place, value


def _difference(claimed: Any, found: Any, noise: float) -> float:
    """The relative difference of two numbers; 0 or infinity for anything else."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (claimed, found))
    if claimed == found:
        return 0.0
    if not numbers:
        return math.inf
    apart = abs(claimed - found)
    return 0.0 if apart <= noise else apart / max(abs(claimed), abs(found))


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (int, float)):
        return repr(value) if isinstance(value, int) else format_number(value, 12)
    if isinstance(value, str):
        return value if len(value) <= 60 else f"{value[:57]}…"
    return f"{sum(1 for _ in _leaves(value, ''))} values"
