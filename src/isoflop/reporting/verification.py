"""Every number of a report, derived again from the rows that stand in it.

A report carries what it was made from. Its rows are fitted again, its forecasts made again, its back-test repeated;
then the page is rendered anew and must be the file, byte for byte but for the last digits of numbers that another
processor rounds differently.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from isoflop.errors import InputError, IsoflopError
from isoflop.fitting.fit import Fit, predict
from isoflop.fitting.verification import Claim, Verification, compare_records, verify_record
from isoflop.fitting.verification import verify as verify_fit
from isoflop.forecasting.backtest import Outcome
from isoflop.forecasting.calibration import Calibration, calibrated_bounds
from isoflop.quantities import Estimate
from isoflop.reporting.embedding import from_record
from isoflop.reporting.inputs import ReportInputs
from isoflop.reporting.report import calibration_of, chart_library, verdict_of

_INPUTS = re.compile(r'<script type="application/json" id="isoflop-inputs">(.*?)</script>', re.DOTALL)
_UNSHOWN = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_AGREE = 1e-9
_AROUND = 24  # characters of a line shown before and after what differs
_MOST_LINES = 20


def verify(path: str | Path) -> Verification:
    """Derive every number of a saved fit or a report again from the rows it carries; its content says which it is.

    Raises:
        InputError: the file is neither, or is not whole.

    Example:
        >>> import tempfile
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> fitted = fit("chinchilla", example_runs(), where="held_out == 0", draws=20)
        >>> with tempfile.TemporaryDirectory() as place:
        ...     fitted.save(Path(place) / "fit.json")
        ...     verify(Path(place) / "fit.json").kind
        'fit'
    """
    return verify_report(path) if is_page(Path(path)) else verify_fit(path)


def is_page(path: Path) -> bool:
    """Whether a file begins as HTML does; False for what cannot be read.

    Example:
        >>> is_page(Path("no such file.html"))
        False
    """
    try:
        with path.open("rb") as stream:
            return stream.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    except OSError:
        return False


def verify_report(path: str | Path) -> Verification:
    """Derive every number of a report again from the rows in it, and compare.

    Raises:
        InputError: the file is not a report, or does not carry what it was made from.
        MissingExtraError: the chart library is not installed.
    """
    path = Path(path)
    page = _text(path)
    try:
        record = _inputs(path, page)
        inputs = from_record(record)
        fitted = verify_record(record["fit"], str(path))
        hide = record["hide"]
        verdict = None if hide is None else verdict_of(inputs.fit, float(hide))
        derived = replace(inputs, verdict=verdict, calibration=calibration_of(inputs.fit))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, IsoflopError):
            raise
        raise InputError(
            f"{path} does not carry all it was made from ({type(error).__name__}: {error}): write it with isoflop "
            "report."
        ) from error
    claims = [replace(claim, name=f"fit.{claim.name}") for claim in fitted.claims]
    claims += [*_run_claims(derived), *_outcome_claims(derived)]
    claims += _page_claims(page, _rendered(derived))
    return Verification(str(path), fitted.law, tuple(claims), "report")


def _text(path: Path) -> str:
    try:
        # Bytes, not text: reading as text would hide changed ends of lines.
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give a report that isoflop wrote.") from error
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8: give a report that isoflop wrote.") from None


def _inputs(path: Path, page: str) -> dict[str, Any]:
    """The JSON object that a report carries."""
    found = _INPUTS.findall(page)
    if len(found) != 1:
        raise InputError(
            f"{path} carries {len(found) or 'nothing'} of what a report is made from, where it must once: it is no "
            "report of isoflop, or one of an earlier version."
        )
    record: Any = json.loads(found[0])
    if not isinstance(record, dict):
        raise InputError(f"{path} carries no JSON object: write it again with isoflop report.")
    return record


def _rendered(inputs: ReportInputs) -> str:
    with chart_library("verifying a report"):
        from isoflop.reporting.document import render_drawn
    return render_drawn(inputs, inputs.calibration or calibration_of(inputs.fit))


def _run_claims(inputs: ReportInputs) -> Iterator[Claim]:
    """The loss of each run against the row that was fitted, where the rows name their runs."""
    rows = inputs.fit.runs
    if not (rows.has("run") and rows.has("loss")):
        return
    fitted = dict(zip(rows["run"].tolist(), rows["loss"].tolist(), strict=True))
    for place, run in enumerate(inputs.runs):
        if run.spec.identifier in fitted:
            yield from compare_records(f"runs[{place}].loss", run.loss, fitted[run.spec.identifier])


def _outcome_claims(inputs: ReportInputs) -> Iterator[Claim]:
    """What was forecast of each held-out run against the fit, what came against the run."""
    for place, item in enumerate(inputs.held_out):
        name = f"held_out[{place}]"
        again = _forecast_again(inputs.fit, item.outcome, inputs.calibration or calibration_of(inputs.fit))
        if again is not None:
            yield from compare_records(f"{name}.forecast", item.outcome.forecast.to_dict(), again.to_dict())
        if item.run is not None:
            yield from compare_records(f"{name}.actual", item.outcome.actual, item.run.loss)
            known = {run.spec.identifier: run.to_dict() for run in inputs.runs}
            if item.run.spec.identifier in known:
                yield from compare_records(f"{name}.run", item.run.to_dict(), known[item.run.spec.identifier])


def _forecast_again(fit: Fit, outcome: Outcome, calibration: Calibration) -> Estimate | None:
    """The forecast of an outcome from the fit; None where the outcome does not hold all that the law takes."""
    sizes: Mapping[str, float | None] = {"params": outcome.params, "tokens": outcome.tokens}
    if outcome.params is None:
        sizes = {**sizes, "compute": outcome.compute}
    if not len(fit.ensemble) or any(sizes.get(name) is None for name in fit.law.columns):
        return None
    columns = {name: np.array([sizes[name]], dtype=float) for name in fit.law.columns}
    value = float(predict(fit.law, fit.theta, columns)[0][0])
    low, high = calibrated_bounds(fit, columns, np.array([outcome.compute]), fit.level, calibration)
    return Estimate(value, float(low[0]), float(high[0]))


def _page_claims(claimed: str, found: str) -> Iterator[Claim]:
    """One claim where the page is the same; else one for each line that differs, the first twenty of them."""
    if claimed == found:
        count = len(_NUMBER.findall(_UNSHOWN.sub("", claimed)))
        yield Claim("page", "as written", "rendered the same", True, count, 0.0)
        return
    one, other = claimed.split("\n"), found.split("\n")
    wrong, largest = [], 0.0
    for place in range(max(len(one), len(other))):
        told, right = (lines[place] if place < len(lines) else "" for lines in (one, other))
        difference = _difference(told, right)
        if difference is not None and difference <= _AGREE:
            largest = max(largest, difference)
            continue
        shown = _excerpts(told, right)
        wrong.append(Claim(f"page line {place + 1}", *shown, False, 1, difference))
        if len(one) != len(other) or len(wrong) == _MOST_LINES:
            break  # from a line too few or too many on, all lines are shifted
    if wrong:
        yield from wrong
    else:
        yield Claim("page", "as written", "rendered but for last digits", True, len(_NUMBER.findall(claimed)), largest)


def _difference(claimed: str, found: str) -> float | None:
    """The largest relative difference of the numbers of two lines; None where their words differ."""
    if claimed == found:
        return 0.0
    if _NUMBER.split(claimed) != _NUMBER.split(found):
        return None
    pairs = zip(map(float, _NUMBER.findall(claimed)), map(float, _NUMBER.findall(found)), strict=True)
    return max((abs(one - other) / max(one, other) for one, other in pairs if one != other), default=0.0)


def _excerpts(claimed: str, found: str) -> tuple[str, str]:
    """The two lines around the first place where they differ."""
    first = next(
        (place for place, (one, other) in enumerate(zip(claimed, found, strict=False)) if one != other),
        min(len(claimed), len(found)),
    )
    return _excerpt(claimed, first), _excerpt(found, first)


def _excerpt(line: str, place: int) -> str:
    start, end = max(place - _AROUND, 0), place + _AROUND
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}".strip() or "nothing"
