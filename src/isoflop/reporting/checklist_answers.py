"""The answers to the reporting checklist, each from the record alone: one function per question, None for unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from isoflop.fitting.fit import Part
from isoflop.quantities import format_count, format_flops, format_number
from isoflop.reporting.checklist_record import Answer, Record
from isoflop.reporting.numbers import percent
from isoflop.runs.columns import standard_name

_MOST_VALUES = 6


def form(record: Record) -> Answer:
    """The formula, or how several laws combine."""
    told = [f"{part.law.formula} ({part.law.name}{_share(record, part)})" for part in record.parts]
    if len(told) == 1:
        return f"{record.output} = {told[0]}", "law"
    return f"{record.output} = weighted geometric mean of {len(told)} laws: {'; '.join(told)}", "law"


def purpose(record: Record) -> Answer:
    """What the law can be asked."""
    allocation = ", and the best model size and data for a compute" if record.has_frontier else ""
    return f"{record.output} at given {_and([name for name, _ in record.inputs])}{allocation}", "law"


def variables(record: Record) -> Answer:
    """Inputs and output."""
    inputs = ", ".join(f"{column} ({meaning})" for column, meaning in record.inputs)
    return f"{inputs}; predicted: {record.output}", "law"


def parameters(record: Record) -> Answer:
    """Which constants are fitted."""
    told = [f"{len(part.law.parameters)} ({', '.join(part.law.parameter_names)})" for part in record.parts]
    return "; ".join(_owned(record, told)), "law"


def grounds(record: Record) -> Answer:
    """Where the form comes from, and how it was chosen."""
    known = ", ".join(record.references)
    if not record.contest:
        return (known, "law") if known else None
    names = _and([item.law for item in record.contest])
    how = f"chosen from {names} by their errors in forecasting the larger runs from the smaller"
    return "; ".join(part for part in (known, how) if part), "law"


def assumptions(record: Record) -> Answer:
    """Where the form is known to hold."""
    return (record.domain, "law") if record.domain else None


def models(record: Record) -> Answer:
    """How many models were trained."""
    if not record.runs.has("run"):
        return None
    names = [name for name in record.runs["run"].tolist() if name not in ("", None)]
    return (f"{len(set(names))}", "column run") if len(names) == len(record.runs) else None


def sizes(record: Record) -> Answer:
    """Model sizes."""
    return _range(record, "params", format_count)


def data_sizes(record: Record) -> Answer:
    """Training tokens."""
    return _range(record, "tokens", format_count)


def budgets(record: Record) -> Answer:
    """Training compute."""
    return _range(record, "compute", format_flops)


def training_data(record: Record) -> Answer:
    """On what the models were trained."""
    if record.facts.text:
        note = f" ({record.facts.text_note})" if record.facts.text_note else ""
        return f"{record.facts.text}{note}", "study"
    return _named(record, "dataset", "data", "corpus", "trainingdata", "traindata", "trainset", "trainingset")


def repetition(record: Record) -> Answer:
    """Whether data were seen more than once."""
    if not (record.runs.has("unique_tokens") and record.runs.has("tokens")):
        return None
    epochs = _known(record.runs["tokens"] / record.runs["unique_tokens"])
    if not len(epochs):
        return None
    most = format_number(float(epochs.max()), 3)
    said = "no" if epochs.max() <= 1.001 else f"yes: up to {most} passes over the data"
    return said, "columns tokens and unique_tokens"


def parameter_count(record: Record) -> Answer:
    """What N counts."""
    counted = {
        "total": "all parameters, embeddings included",
        "non-embedding": "parameters outside the embeddings",
        "active": "parameters active per token",
    }
    return (counted[record.runs.param_count], "table") if record.runs.param_count in counted else None


def compute_count(record: Record) -> Answer:
    """How compute was counted."""
    if any(finding.code == "derived-compute" for finding in record.findings):
        return "6 x parameters x tokens", "table"
    if record.specs:
        return "exact FLOP of each model's shape", "study"
    return None


def shapes(record: Record) -> Answer:
    """Depth, width and heads."""
    return _several(record, ("layers", "width", "heads"))


def tokenizer(record: Record) -> Answer:
    """Tokenizer or vocabulary."""
    return _named(record, "tokenizer", "tokeniser") or _several(record, ("vocab",))


def context(record: Record) -> Answer:
    """Context length."""
    return _several(record, ("context",))


def batch(record: Record) -> Answer:
    """Tokens per step."""
    return _several(record, ("batch_tokens",))


def learning_rate(record: Record) -> Answer:
    """Peak learning rates."""
    return _several(record, ("learning_rate",))


def schedule(record: Record) -> Answer:
    """Warm-up and decay."""
    kinds = {(spec.schedule.warmup, spec.schedule.decay, spec.schedule.final) for spec in record.specs}
    if kinds:
        told = [
            f"linear warm-up over {warmup:.0%} of the steps, constant, linear decay over the last {decay:.0%} to "
            f"{final:.0%} of the peak; the horizon is the tokens trained"
            for warmup, decay, final in sorted(kinds)
        ]
        return "; or ".join(told), "study"
    return _named(record, "schedule", "sched", "lrschedule", "decay", "scheduler")


def optimizer(record: Record) -> Answer:
    """The optimizer and its settings."""
    kinds = {(spec.optimizer.beta1, spec.optimizer.beta2, spec.optimizer.weight_decay) for spec in record.specs}
    if kinds:
        told = [f"AdamW, betas {one:g} and {two:g}, weight decay {decay:g}" for one, two, decay in sorted(kinds)]
        return "; or ".join(told), "study"
    return _named(record, "optimizer", "optimiser", "opt")


def tuning(record: Record) -> Answer:
    """How hyper-parameters were chosen: nothing that isoflop reads records it."""
    return None


def seeds(record: Record) -> Answer:
    """Seeds, and whether any configuration was repeated."""
    if not record.runs.has("seed"):
        return None
    values = _known(record.runs["seed"])
    return (f"{len(set(values.tolist()))} in {len(values)} rows", "column seed") if len(values) else None


def hardware(record: Record) -> Answer:
    """What it ran on."""
    return (record.facts.machine, "study") if record.facts.machine else None


def training_code(record: Record) -> Answer:
    """Whether others can train the same."""
    return ("yes: isoflop's own, from the study file", "study") if record.specs else None


def points(record: Record) -> Answer:
    """How many points were fitted."""
    return f"{len(record.runs)}", "table"


def checkpoints(record: Record) -> Answer:
    """Final losses or checkpoints."""
    if record.specs:
        return "the end of each run", "study"
    if not record.runs.has("run"):
        return None
    names = [str(name) for name in record.runs["run"].tolist()]
    if "" in names:
        return None
    most = max(names.count(name) for name in set(names))
    said = "one per run" if most == 1 else f"up to {most} per run, resampled together"
    return said, "column run"


def left_out(record: Record) -> Answer:
    """What was not fitted, and why."""
    reasons = [f"row {item.row}: {item.reason}" for item in record.runs.excluded]
    more = [f"and {len(reasons) - _MOST_VALUES} more"] if len(reasons) > _MOST_VALUES else []
    shown = "; ".join([*reasons[:_MOST_VALUES], *more])
    condition = next((finding.message for finding in record.findings if finding.code == "where"), "")
    held = f"{len(record.held_out)} held out" if record.held_out else ""
    return "; ".join(part for part in (condition, held, shown) if part) or "nothing of what was read", "table"


def metric(record: Record) -> Answer:
    """What was measured."""
    unit = f" in nats per {record.facts.unit}, taken as such" if record.output == "loss" else ""
    return f"{record.output}{unit}", "law"


def evaluation_text(record: Record) -> Answer:
    """On which held-out text."""
    if record.specs:
        windows = sorted({spec.evaluation_windows for spec in record.specs})
        kept = f"held-out end of {record.facts.text or 'the text'}, {_and([str(count) for count in windows])} windows"
        return kept, "study"
    return _named(
        record, "evalset", "evaldataset", "evaldata", "valset", "validationset", "validationdata", "evaluation"
    )


def metric_changes(record: Record) -> Answer:
    """Smoothing, interpolation, averaging."""
    return ("no: as measured", "study") if record.specs else None


def metric_noise(record: Record) -> Answer:
    """The standard error of a measurement."""
    return _range(record, "loss_standard_error", lambda value: format_number(value, 2))


def metric_shared(record: Record) -> Answer:
    """Whether the measurements are given."""
    digest = record.runs.sha256[:16]
    return f"yes: every fitted row stands in the saved fit (sha256 {digest}...)", "fit"


def objective(record: Record) -> Answer:
    """What is minimised."""
    scale = "log of the output" if record.on_log else "the output itself"
    return f"{record.objective.removesuffix('@value')}, summed over rows, on the {scale}", "fit"


def weighting(record: Record) -> Answer:
    """How rows count."""
    return ("all rows alike" if record.weights is None else f"by column {record.weights}"), "fit"


def algorithm(record: Record) -> Answer:
    """The solver."""
    return "damped Gauss-Newton, then Newton with exact second derivatives (isoflop)", "fit"


def constraints(record: Record) -> Answer:
    """What parameters may be."""
    told = []
    for part in record.parts:
        names = [item.name for item in part.law.parameters if item.scale == "log"]
        told.append(f"positive: {', '.join(names)}" if names else "none positive by form")
    return f"{'; '.join(_owned(record, told))}; the others free", "law"


def initialisation(record: Record) -> Answer:
    """Where the solver starts."""
    kinds = {
        "default": "variable projection on a grid of exponents, and points spread over all plausible constants",
        "projected": "variable projection on a grid of exponents",
        "hoffmann4500": "the grid of Hoffmann et al.",
    }
    kind = kinds.get(record.starts)
    return (f"{record.certificate.starts} starts: {kind}", "fit") if kind else None


def convergence(record: Record) -> Answer:
    """What proves the optimum."""
    known = record.certificate
    worst = "" if len(record.parts) == 1 else "Of the least settled law: "
    return (
        f"{worst}{record.status} Relative gradient {known.gradient:.0e}; "
        f"{known.agreeing} of {known.starts} starts agree",
        "certificate",
    )


def estimates(record: Record) -> Answer:
    """The fitted constants."""
    told = [", ".join(f"{name} = {estimate}" for name, estimate in part.params.items()) for part in record.parts]
    return "; ".join(_owned(record, told)), "fit"


def uncertainty(record: Record) -> Answer:
    """How intervals came about."""
    if not record.draws:
        return "none: nothing was drawn", "fit"
    return f"{record.level:.0%} percentiles of {record.draws} draws by {record.method}, {record.groups} groups", "fit"


def goodness(record: Record) -> Answer:
    """How far the runs lie from the law."""
    median, worst = (percent(value) if record.on_log else format_number(value, 2) for value in record.misfit)
    return f"half of the runs within {median} of the law, the farthest {worst} off", "fit"


def validation(record: Record) -> Answer:
    """Forecasts of runs that were not fitted."""
    told = []
    if record.held_out:
        error = percent(float(np.median([abs(item.outcome.error) for item in record.held_out])))
        inside = sum(item.outcome.covered for item in record.held_out)
        told.append(
            f"{len(record.held_out)} held out, forecast with a median error of {error}, {inside} inside their intervals"
        )
    if record.verdict is not None:
        verdict = record.verdict
        told.append(
            f"the largest {len(verdict.outcomes)} fitted runs, hidden, forecast with a median error of "
            f"{percent(verdict.median_abs_error)}, {verdict.coverage:.0%} inside their intervals"
        )
    if record.calibration.coverage is not None:
        told.append(
            f"at several cuts, {record.calibration.coverage:.0%} of {record.calibration.tested} hidden outcomes inside"
        )
    return ("; ".join(told), "back-test") if told else None


def reach(record: Record) -> Answer:
    """How far past the data forecasts were tested."""
    tested = [item.outcome.compute for item in record.held_out]
    if not tested or not record.runs.has("compute"):
        return None
    farthest = max(tested) / float(record.runs["compute"].max())
    return f"{format_number(farthest, 2)}x the largest compute fitted", "held-out runs"


def weaknesses(record: Record) -> Answer:
    """What the fit itself warns of."""
    codes = dict.fromkeys(finding.code for finding in record.findings if finding.severity != "note")
    return ", ".join(codes) or "none that its own checks know of", "findings"


def reproduction(record: Record) -> Answer:
    """What it takes to do it again."""
    source = _and(list(record.runs.source)) or "the saved fit"
    return f"{source}, seed {record.seed}; isoflop verify derives every number again", "fit"


def _share(record: Record, part: Part) -> str:
    return "" if len(record.parts) == 1 else f", weight {part.weight:.0%}"


def _owned(record: Record, told: Sequence[str]) -> list[str]:
    """One sentence for each law of a stack, each with the name of its law; as it is for a single law."""
    if len(record.parts) == 1:
        return list(told)
    return [f"{part.law.name}: {text}" for part, text in zip(record.parts, told, strict=True)]


def _range(record: Record, name: str, shown: Callable[[float], str]) -> Answer:
    if not record.runs.has(name) or record.runs[name].dtype == object:
        return None
    values = _known(record.runs[name])
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    return (shown(low) if low == high else f"{shown(low)} to {shown(high)}"), f"column {name}"


def _several(record: Record, names: Sequence[str]) -> Answer:
    """The values of columns: all of a few, the ends of many."""
    told = [(name, _values(record.runs[name])) for name in names if record.runs.has(name)]
    told = [(name, values) for name, values in told if values]
    if not told:
        return None
    return "; ".join(f"{name} {values}" for name, values in told), f"column {_and([name for name, _ in told])}"


def _values(column: Any) -> str:
    if column.dtype == object:
        return _and([str(value) for value in dict.fromkeys(column.tolist()) if value != ""][:_MOST_VALUES])
    values = np.unique(_known(column))
    if len(values) <= _MOST_VALUES:
        return _and([format_number(float(value), 6) for value in values])
    return f"{format_number(float(values[0]), 6)} to {format_number(float(values[-1]), 6)}"


def _named(record: Record, *spellings: str) -> Answer:
    """What a text or number column of one of these names holds."""
    for name in record.runs.columns:
        if standard_name(name) in spellings:
            return _several(record, (name,))
    return None


def _known(values: Any) -> Any:
    return values[np.isfinite(values)]


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else " and ".join([", ".join(words[:-1]), words[-1]]) if words else ""
