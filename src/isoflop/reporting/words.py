"""The words of a report: what was found, what it means and what it does not, decided by the values alone."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from isoflop.fitting.certificate import FitStatus
from isoflop.fitting.fit import Fit, Part
from isoflop.forecasting.backtest import Outcome, Verdict
from isoflop.forecasting.calibration import Calibration
from isoflop.laws.graph import Array
from isoflop.quantities import format_count, format_duration, format_flops, format_number
from isoflop.reporting.inputs import Facts, HeldOut, ReportInputs
from isoflop.reporting.numbers import bracketed, loss_text, percent
from isoflop.runs.compute import compute_of

_PARAM_COUNTS = {
    "total": "N counts all parameters, embeddings included",
    "non-embedding": "N counts the parameters outside the embeddings",
    "active": "N counts the parameters active per token",
    "unspecified": "the data do not say whether N includes the embeddings",
}


def headline(inputs: ReportInputs) -> str:
    """The report in one sentence."""
    unit, held_out = measure(inputs), inputs.held_out
    if len(held_out) == 1:
        outcome = held_out[0].outcome
        return (
            f"Forecast {bracketed(outcome.forecast)}{unit and ' ' + unit}; the run came out at "
            f"{loss_text(outcome.actual)}. The forecast was {off(outcome)}, and the outcome lies "
            f"{'inside' if outcome.covered else 'outside'} the {inputs.fit.level:.0%} interval."
        )
    if held_out:
        outcomes = [item.outcome for item in held_out]
        errors = [abs(outcome.error) for outcome in outcomes]
        inside = sum(outcome.covered for outcome in outcomes)
        return (
            f"{len(outcomes)} runs that were not fitted were forecast: median error "
            f"{percent(float(np.median(errors)))}, worst {percent(max(errors))}; {inside} of {len(outcomes)} came out "
            f"inside their {inputs.fit.level:.0%} intervals."
        )
    return f"{inputs.fit.law.output} = {formula_with_numbers(inputs.fit)}, fitted to {len(inputs.fit.runs)} runs."


def measure(inputs: ReportInputs) -> str:
    """The unit of what the law tells: nats per token for a loss, not known for anything else."""
    return f"nats per {inputs.facts.unit}" if inputs.fit.law.output == "loss" else ""


def reach_sentence(inputs: ReportInputs) -> str:
    """How far beyond the fitted runs the forecast reached, and when it was written."""
    if not inputs.held_out:
        return ""
    largest = float(compute_of(inputs.fit.runs).max())
    farthest = max(inputs.held_out, key=lambda item: item.outcome.compute)
    sentence = (
        f"The {'largest ' if len(inputs.held_out) > 1 else ''}held-out run{_described(farthest.outcome)} took "
        f"{format_number(farthest.outcome.compute / largest, 2)} times the compute of the largest run that was fitted."
    )
    if farthest.forecast_written and farthest.run is not None and farthest.run.finished:
        sentence += (
            f" The forecast was written to disk at {farthest.forecast_written}; the run finished at "
            f"{farthest.run.finished}."
        )
    elif farthest.forecast_written:
        sentence += f" The forecast was written to disk at {farthest.forecast_written}, before the run was trained."
    return sentence


def formula_with_numbers(fit: Fit) -> str:
    """The formula of the law with its constants put in, in four digits; a stack is named by its members.

    Example:
        >>> from isoflop.fitting.estimation import fit
        >>> from isoflop.readers.examples import example_runs
        >>> from isoflop.readers.read import read_runs
        >>> text = formula_with_numbers(fit("chinchilla", read_runs(example_runs()), draws=0))
        >>> "/N^" in text and "alpha" not in text
        True
    """
    return fit.formula if fit.members else part_with_numbers(fit.parts[0])


def part_with_numbers(part: Part) -> str:
    """The formula of one law of a fit with its constants put in, in four digits."""
    values = {name: format_number(estimate.value, 4) for name, estimate in part.params.items()}

    def number(match: re.Match[str]) -> str:
        text = values.get(match[0], match[0])
        return f"({text})" if text.startswith("-") else text

    return re.sub(r"[A-Za-z_]\w*", number, part.law.formula)


def certificate_sentences(fit: Fit) -> tuple[str, ...]:
    """What is known about the optimum, in words."""
    known, rows = fit.certificate, len(fit.runs)
    said = [fit.status.sentence]
    if fit.status is FitStatus.CONVERGED:
        said.append(
            f"{known.agreeing} of {known.starts} starting points, spread over all plausible constants, ended in this "
            "same optimum."
        )
    if fit.objective.name == "huber" and fit.objective.delta is not None:
        said.append(
            f"Errors below {format_number(fit.objective.delta)} in log-loss ({known.quadratic} of {rows} runs) count "
            "by their square, larger ones by their size, so that no single run decides."
        )
    if len(fit.ensemble):
        groups = int(fit.clusters.max()) + 1
        together = "run by run" if groups == rows else f"together within {groups} groups of runs of one kind"
        said.append(_interval_sentence(fit, together))
    else:
        said.append("No resamples were refitted, so nothing here has an interval.")
    return tuple(said)


_METHODS = {
    "cluster-bootstrap": "refits to the runs drawn again",
    "pairs-bootstrap": "refits to the runs drawn again",
    "bca": "refits to the runs drawn again and corrected for bias",
    "wild-bootstrap": "refits to the runs with their errors scaled at random",
    "parametric-bootstrap": "refits to runs simulated with the errors that the residuals show",
    "wald-t": "draws by the curvature at the optimum",
    "profile-likelihood": "draws from the profile of each constant",
}


def _interval_sentence(fit: Fit, together: str) -> str:
    how = _METHODS.get(fit.ensemble.method, fit.ensemble.method)
    return (
        f"The intervals come from {len(fit.ensemble)} {how}, {together}: {fit.level:.0%} of them fall between the "
        "bounds."
    )


def backtest_sentence(calibration: Calibration, verdict: Verdict | None) -> str:
    """What happened when the larger fitted runs were hidden and forecast from the smaller."""
    parts = []
    if verdict is not None:
        parts.append(
            f"With the runs above 1/{verdict.hide:g} of the largest compute hidden, the law fitted to the other "
            f"{len(verdict.fit.runs)} forecast the {len(verdict.outcomes)} hidden with a median error of "
            f"{percent(verdict.median_abs_error)}, at worst {percent(verdict.worst_abs_error)}; "
            f"{verdict.coverage:.0%} came out inside their {verdict.level:.0%} intervals."
        )
    if calibration.coverage is None or calibration.error_per_decade is None:
        parts.append("Too few runs remain when the largest are hidden: the intervals are not tested inside the data.")
    else:
        parts.append(
            f"With the largest runs hidden at several cuts, {calibration.coverage:.0%} of {calibration.tested} hidden "
            f"outcomes fell in their {calibration.level:.0%} intervals before any widening, and "
            f"{calibration.level:.0%} of the errors stayed below {percent(calibration.error_per_decade)} per decade of "
            f"compute. {_widening(calibration)}"
        )
    return " ".join(parts)


def _widening(calibration: Calibration) -> str:
    if not calibration.drift:
        return "The errors were as large as expected, so no interval is widened."
    return (
        f"The errors were larger than expected, as if the law bent by {percent(calibration.drift)} of the loss for "
        "each decade; every interval here is widened by that."
    )


def what_it_means(inputs: ReportInputs, calibration: Calibration) -> tuple[str, ...]:
    """What the reader may conclude."""
    fit, held_out = inputs.fit, inputs.held_out
    said = [_data_sentence(fit, inputs.facts)]
    missed = [item for item in held_out if not item.outcome.covered]
    if held_out and not missed:
        said.append(_success(inputs))
    elif missed:
        said.append(_failure(held_out, missed, fit.level))
    if len(held_out) == 1:
        said.append(
            f"One held-out run is one test. A {fit.level:.0%} interval is right when, over many forecasts, about "
            f"{round(fit.level * 100)} outcomes in 100 fall inside; a single outcome can be luck, good or bad."
        )
    elif not held_out:
        said.append(
            "No run was held out from this fit. Only the back-test inside the data says how well it forecasts: hold "
            "the largest run out, or train a larger one, before money depends on it."
        )
    if calibration.coverage is not None and calibration.coverage < calibration.level - 0.2:
        said.append(
            f"Inside the data the intervals proved too narrow ({calibration.coverage:.0%} covered, "
            f"{calibration.level:.0%} promised). They are widened accordingly, which helps only as far as the larger "
            "runs misbehave in the same way."
        )
    return tuple(said)


def what_it_does_not_mean(inputs: ReportInputs) -> tuple[str, ...]:
    """What the reader may not conclude."""
    fit, facts = inputs.fit, inputs.facts
    if fit.law.output != "loss":
        return (
            f"The constants belong to these data, to {fit.law.output} as it was measured in them, and to this way of "
            "training. They do not carry over to other models; the method does: measure a ladder of your own.",
        )
    text = f"this text ({facts.text})" if facts.text else "this text"
    said = [
        f"The constants belong to {text}, its division into {facts.unit}s, this architecture and this way of training. "
        "They do not carry over to other models; the method does: train a ladder of your own."
    ]
    floor = fit.params.get("E")  # a stack has no floor of its own
    if floor is not None:
        said.append(
            f"E = {format_number(floor.value, 4)} is where this formula ends for an infinite model on infinite data. "
            "No run came near it; it is a property of the fit, not a measured entropy of the text."
        )
    said.append(
        f"Loss is in nats per {facts.unit} (divide by 0.693 for bits), so it compares only with losses over the same "
        f"{facts.unit}s; {_PARAM_COUNTS[fit.runs.param_count]}. Compute is 6·N·D unless said otherwise, which is not "
        "the exact cost of small models."
    )
    said.append(
        "Lower loss is not the same as better answers on a task. Nothing here speaks about abilities, safety or use."
    )
    return tuple(said)


def cost_sentence(facts: Facts) -> str:
    """What all the runs cost."""
    parts = []
    if facts.flops is not None:
        parts.append(format_flops(facts.flops))
    if facts.seconds is not None:
        parts.append(f"{format_duration(facts.seconds)} of training")
    return " in ".join(parts)


def off(outcome: Outcome) -> str:
    """The error of a forecast in words.

    Example:
        >>> from isoflop.quantities import Estimate
        >>> off(Outcome(2, None, None, 1e9, 2.0, Estimate(2.01, 1.9, 2.1)))
        '0.50% too high'
    """
    if abs(outcome.error) < 5e-5:
        return "right to four digits"
    return f"{percent(abs(outcome.error))} too {'high' if outcome.error > 0 else 'low'}"


def _described(outcome: Outcome) -> str:
    if outcome.params is None or outcome.tokens is None:
        return ""
    return f" ({format_count(outcome.params)} parameters on {format_count(outcome.tokens)} tokens)"


def _data_sentence(fit: Fit, facts: Facts) -> str:
    runs = fit.runs
    ranges = []
    if runs.has("params"):
        ranges.append(f"{_range(runs['params'])} parameters")
    if runs.has("tokens"):
        ranges.append(f"{_range(runs['tokens'])} tokens")
    where = f" of {' and '.join(ranges)}" if ranges else ""
    residual = float(np.median(np.abs(fit.residuals)))
    size = percent(residual) if fit.objective.on == "log-loss" else format_number(residual, 2)
    source = f" on {facts.text}" if facts.text else ""
    return f"{len(runs)} runs{where}{source} follow one law, half of them within {size} of it."


def _success(inputs: ReportInputs) -> str:
    largest = float(compute_of(inputs.fit.runs).max())
    farthest = max(item.outcome.compute for item in inputs.held_out) / largest
    worst = max(abs(item.outcome.error) for item in inputs.held_out)
    which = "the run" if len(inputs.held_out) == 1 else f"all {len(inputs.held_out)} runs"
    return (
        f"From the smaller runs alone, the law told the loss of {which} it had not seen to within {percent(worst)}, at "
        f"up to {format_number(farthest, 2)} times their largest compute. Forecasts about as far beyond, made the same "
        "way, deserve about as much trust."
    )


def _failure(held_out: Sequence[HeldOut], missed: Sequence[HeldOut], level: float) -> str:
    count = "The held-out run" if len(held_out) == 1 else f"{len(missed)} of {len(held_out)} held-out runs"
    return (
        f"{count} came out outside the {level:.0%} interval. Either this is one of the misses that such an interval "
        "allows, or the larger run departs from what the ladder does: a learning rate that no longer suits its size, a "
        "schedule cut short, repeated data, a different code path. Find out which before extrapolating further."
    )


def _range(values: Array) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return format_count(low) if low == high else f"{format_count(low)} to {format_count(high)}"
