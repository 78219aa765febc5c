"""What the design of the study can tell apart: D5 to D7."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from isoflop.findings import Finding
from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.diagnostics.evidence import Evidence, LeastSquares
from isoflop.fitting.diagnostics.search import robust_deviation
from isoflop.laws.graph import Array
from isoflop.quantities import format_number
from isoflop.runs.checks.cells import levels

_CORRELATED, _IN_PROPORTION = 0.95, 0.99
_RATIO, _LEAST_RATIO = 4.0, 2.0  # span of tokens per parameter
_DECADE, _TOO_NARROW = 1.0, 0.3  # decades
_SPREAD, _LEAST_SPREAD = 5.0, 3.0  # range of log-loss in standard deviations
_FEWEST_LEVELS = 3
_COUNT = np.log(1e4)  # the largest value of an input that counts parameters, tokens, FLOP, steps or examples
_ENTANGLED_PARAMETERS = 4  # laws of size and data with fewer are determined by runs in proportion too


def few_runs(evidence: Evidence) -> Iterator[Finding]:
    """Fewer distinct configurations than parameters and a few to spare."""
    fit = evidence.fit
    columns = [fit.runs.column(name) for name in fit.law.columns if fit.runs.has(name)]
    distinct = len(np.unique(np.stack(columns, axis=1), axis=0)) if columns else len(fit.runs)
    parameters = len(fit.law.parameters)
    if distinct < parameters + 3:
        message = (
            f"{distinct} distinct configurations for {parameters} parameters: at least {parameters + 3} are needed to "
            "see how well the law fits."
        )
        yield Finding("few-runs", "refuse" if distinct <= parameters else "warn", message)


def few_levels(evidence: Evidence) -> Iterator[Finding]:
    """Fewer than three values of an input: a power law through two is any power law."""
    fit = evidence.fit
    for column, values in _counts(evidence).items():
        count = int(levels(np.exp(values)).max()) + 1
        if count >= _FEWEST_LEVELS or len(fit.runs) <= len(fit.theta):
            continue
        hopeless = count == 1 or fit.status is not FitStatus.CONVERGED
        what = "one value" if count == 1 else "two values"
        message = f"{column} has {what} in these runs: how the loss depends on it cannot be told from fewer than three."
        yield Finding("few-levels", "refuse" if hopeless else "warn", message)


def narrow_range(evidence: Evidence) -> Iterator[Finding]:
    """Less than a decade of an input."""
    for column, values in _counts(evidence).items():
        decades = float(np.ptp(values)) / np.log(10.0)
        if decades < _DECADE - 1e-9:
            span = format_number(10.0**decades, 2)
            message = f"{column} spans {span}×, less than one decade: its exponent is weakly determined."
            yield Finding("narrow-range", "warn" if decades >= _TOO_NARROW else "refuse", message)


def _counts(evidence: Evidence) -> dict[str, Array]:
    """Logarithms of the inputs that are counts, of which laws are powers over decades: no losses, bits or shares."""
    return {column: values for column, values in evidence.log_inputs.items() if float(values.max()) > _COUNT}


def small_differences(evidence: Evidence, sound: LeastSquares | None) -> Iterator[Finding]:
    """Losses that hardly differ by more than their scatter."""
    fit = evidence.fit
    if not evidence.on_log or len(fit.runs) <= len(fit.theta):
        return
    used = evidence.everything if sound is None else sound.used
    deviation = robust_deviation(fit.residuals, len(fit.theta)) if sound is None else sound.deviation
    span = float(np.ptp(evidence.problem.target[used])) / max(deviation, 1e-300)
    if span < _SPREAD:
        message = (
            f"{fit.law.output} ranges over {span:.1f} standard deviations of its scatter: too little to fit a law to."
        )
        yield Finding("loss-range", "warn" if span >= _LEAST_SPREAD else "refuse", message)


def collinear(evidence: Evidence) -> Iterator[Finding]:
    """With N and D in proportion, or one the other's inverse, their two terms cannot be told apart."""
    law = evidence.fit.law
    if set(law.columns) != {"params", "tokens"} or len(law.parameters) < _ENTANGLED_PARAMETERS:
        return
    size, data = evidence.log_inputs["params"], evidence.log_inputs["tokens"]
    if np.ptp(size) == 0.0 or np.ptp(data) == 0.0:
        return
    correlation = float(np.corrcoef(size, data)[0, 1])
    ratio = float(np.exp(np.ptp(data - size)))
    if abs(correlation) > _CORRELATED or ratio < _RATIO:
        way = "rise together" if correlation > 0.0 else "are each other's inverse, as in one compute budget"
        message = (
            f"Model size and data {way} (correlation of logarithms {correlation:.2f}, tokens per parameter span "
            f"{format_number(ratio, 2)}×): vary one at a time."
        )
        hopeless = abs(correlation) > _IN_PROPORTION or ratio < _LEAST_RATIO
        yield Finding("collinear-design", "refuse" if hopeless else "warn", message)
