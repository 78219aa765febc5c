"""Placeholders: what stands in braces in the command of a user's own trainer, and what a run puts there.

    ["torchrun", "train.py", "--n_layer={layers}", "--lr={learning_rate:.3e}", "--out_dir={directory}"]

Everything is checked when the study is read, so that no run starts on a command that cannot be filled in. A literal
brace is written twice, as in Python's format strings; attributes and indices are not understood.
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from isoflop.accounting.parameters import count_parameters
from isoflop.errors import UsageError
from isoflop.lab.schedule import decay_steps_of, warmup_steps_of
from isoflop.runs.spec import RunSpec

Value = int | float | str

PLACEHOLDERS: Mapping[str, str] = {
    "layers": "number of layers",
    "width": "width of the model",
    "heads": "attention heads",
    "kv_heads": "key and value heads",
    "feedforward": "width of the feed-forward layers",
    "vocab": "size of the vocabulary",
    "context": "tokens of one sequence",
    "positions": "rotary or learned",
    "tied": "1 if the unembedding reuses the embedding, else 0",
    "norm": "layer or rms",
    "activation": "gelu or swiglu",
    "reuse": "passes through the stack of layers",
    "family": "transformer or lstm",
    "params": "parameters with embeddings, as isoflop counts them",
    "tokens": "training tokens",
    "unique_tokens": "distinct training tokens",
    "batch_tokens": "tokens of one optimizer step",
    "batch": "sequences of one optimizer step",
    "micro_batches": "parts of one batch, one after the other",
    "steps": "optimizer steps",
    "schedule": "wsd, cosine or constant",
    "schedule_steps": "optimizer steps that the schedule is made for",
    "warmup_steps": "steps of warm-up",
    "decay_steps": "steps of decay at the end of the schedule",
    "optimizer": "adamw or muon",
    "learning_rate": "peak learning rate",
    "final_learning_rate": "learning rate after the last step",
    "weight_decay": "weight decay",
    "beta1": "decay of the mean gradient",
    "beta2": "decay of the mean squared gradient",
    "clip": "bound on the norm of the gradient",
    "precision": "float32 or bfloat16",
    "seed": "seed of everything random",
    "run": "identifier of the run",
    "study": "directory of the study",
    "directory": "where this attempt may write",
    "resume": "what the attempt before wrote; an argument with it is left out at the first attempt",
}
"""Every placeholder, and what it stands for."""

_WORDS = frozenset("positions norm activation family schedule optimizer precision run study directory resume".split())
_FRACTIONS = frozenset("learning_rate final_learning_rate weight_decay beta1 beta2 clip".split())


def check_placeholders(arguments: Sequence[str], name: str) -> None:
    """See that every argument can be filled in.

    Raises:
        UsageError: naming `name`, the argument, the placeholder, and what may stand there.
    """
    for place, argument in enumerate(arguments):
        where = f"{name}[{place}]={argument!r}"
        for field, format_spec in _fields(argument, where):
            if field not in PLACEHOLDERS:
                near = difflib.get_close_matches(field, PLACEHOLDERS, 1)
                hint = f"did you mean {{{near[0]}}}?" if near else f"known are {', '.join(PLACEHOLDERS)}."
                raise UsageError(f"{where}: {{{field}}} is not a placeholder: {hint}")
            kind, sample = _sample(field)
            try:
                format(sample, format_spec)
            except ValueError as error:
                raise UsageError(
                    f"{where}: {{{field}}} is {kind}, for which the format :{format_spec} cannot be used ({error}); "
                    "choose another, or leave it out."
                ) from error


def fill(arguments: Sequence[str], values: Mapping[str, Value]) -> tuple[str, ...]:
    """The arguments with their values; those that name what is not there (`resume`, at first) are left out.

    Example:
        >>> fill(["--n_layer={layers}", "--resume={resume}"], {"layers": 4})
        ('--n_layer=4',)
    """
    return tuple(
        argument.format_map(values)
        for argument in arguments
        if all(field in values for field, _ in _fields(argument, ""))
    )


def values_of(spec: RunSpec) -> dict[str, Value]:
    """What a run puts for placeholders, whoever trains it wherever."""
    shape, optimizer, schedule = spec.shape, spec.optimizer, spec.schedule
    return {
        "layers": shape.layers,
        "width": shape.width,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "feedforward": shape.feedforward,
        "vocab": shape.vocab,
        "context": shape.context,
        "positions": shape.positions,
        "tied": int(shape.tied),
        "norm": shape.norm,
        "activation": shape.activation,
        "reuse": shape.reuse,
        "family": shape.family,
        "params": count_parameters(shape).total,
        "tokens": spec.tokens,
        "unique_tokens": min(spec.text.tokens, spec.unique_tokens or spec.text.tokens),
        "batch_tokens": spec.batch_tokens,
        "batch": spec.batch_tokens // shape.context,
        "micro_batches": spec.micro_batches,
        "steps": spec.steps,
        "schedule": schedule.kind,
        "schedule_steps": round(schedule.horizon * spec.steps),
        "warmup_steps": warmup_steps_of(spec.steps, schedule),
        "decay_steps": decay_steps_of(spec.steps, schedule),
        "optimizer": optimizer.name,
        "learning_rate": optimizer.learning_rate,
        "final_learning_rate": schedule.final * optimizer.learning_rate,
        "weight_decay": optimizer.weight_decay,
        "beta1": optimizer.beta1,
        "beta2": optimizer.beta2,
        "clip": optimizer.clip,
        "precision": spec.precision,
        "seed": spec.seed,
        "run": spec.identifier,
    }


def places_of(study_directory: Path, output: Path, previous: Path | None) -> dict[str, Value]:
    """Where an attempt reads and writes, as placeholders; without an attempt before there is no `resume`."""
    places: dict[str, Value] = {"study": str(study_directory), "directory": str(output)}
    return places if previous is None else {**places, "resume": str(previous)}


def _sample(placeholder: str) -> tuple[str, Value]:
    """What kind of value a placeholder stands for, and one of that kind."""
    if placeholder in _WORDS:
        return "text", "text"
    return ("a number with a fraction", 1.5) if placeholder in _FRACTIONS else ("a whole number", 1)


def _fields(argument: str, where: str) -> Iterator[tuple[str, str]]:
    """Every placeholder of an argument, with its format."""
    try:
        parts = list(string.Formatter().parse(argument))
    except ValueError as error:
        raise UsageError(f"{where}: {error}; write a literal brace twice.") from error
    for _, field, format_spec, conversion in parts:
        if field is None:
            continue
        if conversion or (format_spec and "{" in format_spec):
            raise UsageError(f"{where}: {{{field}}} may carry a format such as :.3e, and nothing else.")
        yield field, format_spec or ""
