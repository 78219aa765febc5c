"""From a study and the text that is really there to its runs; the same two give the same runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from isoflop.accounting.flops import training_flops, training_flops_per_token
from isoflop.accounting.parameters import count_parameters
from isoflop.accounting.shape import Shape
from isoflop.errors import UsageError
from isoflop.runs.spec import MaximalUpdate, OptimizerSpec, RunSpec, TextSpec
from isoflop.studies.study import Arm, Form, HeldOut, PlannedRun, Study, Training

SEEDS_APART = 1000


@dataclass(frozen=True)
class _Point:
    """One combination of what an arm varies beside form and budget."""

    training: Training
    learning_rate_factor: float
    unique_tokens: int | None
    mixture: tuple[float, ...]


def plan_runs(study: Study, text: TextSpec) -> tuple[PlannedRun, ...]:
    """The runs of `study` on `text`: the ladder from small to large, then the held-out runs in their order.

    A budget of tokens is rounded to whole batches. The runs of repeat r have seed `study.seed + 1000 r`. A run that
    several arms ask for is one run.

    Raises:
        UsageError: a held-out run is also in the ladder, or a shape or budget is impossible.
    """
    ladder: dict[RunSpec, list[str]] = {}
    for arm in study.arms or (study.base,):
        for spec in _arm_specs(study, arm, text):
            names = ladder.setdefault(spec, [])
            if arm.name not in names:
                names.append(arm.name)
    held_out = dict.fromkeys(_held_out_spec(study, held, text) for held in study.held_out)
    for spec in held_out:
        if spec in ladder:
            raise UsageError(
                f"study {study.name}: the held-out run of width {spec.shape.width} on {spec.tokens:,} tokens is also "
                "in the ladder: hold out a larger one."
            )
    small_to_large = sorted(ladder, key=lambda spec: training_flops(spec.shape, spec.tokens))
    return (
        *(PlannedRun("ladder", spec, tuple(ladder[spec])) for spec in small_to_large),
        *(PlannedRun("held-out", spec) for spec in held_out),
    )


def _arm_specs(study: Study, arm: Arm, text: TextSpec) -> Iterator[RunSpec]:
    ladder = arm.ladder
    for point in _points(arm):
        for form in ladder.forms or tuple(Form(width) for width in ladder.widths):
            shape = _shape(arm, form, point.training.context, text.vocab)
            budgets = _budgets(arm, shape)
            whole = [max(1, round(tokens / point.training.batch_tokens)) for tokens in budgets]
            tokens = list(dict.fromkeys(batches * point.training.batch_tokens for batches in whole))
            for repeat in range(max(ladder.seeds, ladder.repeats.get(form.width, 1))):
                seed = study.seed + SEEDS_APART * repeat
                if arm.training.branch:
                    longest = max(tokens)
                    branches = tuple(sorted(set(tokens) - {longest}))
                    yield replace(_spec(study, arm, text, shape, longest, seed, point), branches=branches)
                else:
                    for count in tokens:
                        yield _spec(study, arm, text, shape, count, seed, point)


def _points(arm: Arm) -> Iterator[_Point]:
    training, sweep = arm.training, arm.sweep
    for batch, factor, unique, context, horizon, mixture in product(
        sweep.batch_tokens or (training.batch_tokens,),
        sweep.learning_rate_factors or (1.0,),
        sweep.unique_tokens or (None,),
        sweep.contexts or (training.context,),
        sweep.horizons or (training.schedule.horizon,),
        sweep.mixtures or ((),),
    ):
        schedule = replace(training.schedule, horizon=horizon)
        changed = replace(training, batch_tokens=batch, context=context, schedule=schedule)
        yield _Point(changed, factor, unique, mixture)


def _budgets(arm: Arm, shape: Shape) -> tuple[float, ...]:
    """The tokens a shape is trained on."""
    ladder = arm.ladder
    params = count_parameters(shape).total
    return (
        *ladder.tokens,
        *(ratio * params for ratio in ladder.tokens_per_param),
        *(compute / training_flops_per_token(shape) for compute in ladder.compute),
    )


def _shape(arm: Arm, form: Form, context: int, vocab: int) -> Shape:
    model, width = arm.model, form.width
    is_lstm = model.family == "lstm"
    return Shape(
        layers=form.layers or arm.ladder.layers,
        width=width,
        heads=1 if is_lstm else form.heads or arm.ladder.heads.at(width),
        feedforward=4 * width if is_lstm else form.feedforward or round(model.feedforward_per_width * width),
        vocab=vocab,
        context=context,
        positions=model.positions,
        tied=model.tied,
        heads_per_kv=1 if is_lstm else model.heads_per_kv,
        norm=model.norm,
        activation=model.activation,
        reuse=model.reuse,
        family=model.family,
    )


def _spec(
    study: Study, arm: Arm, text: TextSpec, shape: Shape, tokens: int, seed: int, point: _Point | None = None
) -> RunSpec:
    point = point or next(_points(arm))
    training = point.training
    rate = training.learning_rate.at(shape.width, training.batch_tokens) * point.learning_rate_factor
    mup = arm.model.mup_width
    return RunSpec(
        shape=shape,
        text=text,
        tokens=tokens,
        batch_tokens=training.batch_tokens,
        optimizer=OptimizerSpec(
            rate, training.weight_decay, beta2=training.beta2, clip=training.clip, name=training.optimizer
        ),
        schedule=training.schedule,
        seed=seed,
        evaluation_windows=study.evaluation_windows,
        precision=training.precision,
        evaluation_points=study.evaluation_points,
        probes=study.probes,
        unique_tokens=point.unique_tokens,
        mixture=point.mixture,
        maximal_update=None if mup is None else MaximalUpdate(mup, mup // arm.ladder.heads.at(mup)),
        micro_batches=training.micro_batches,
        compile=training.compile,
        trainer=study.trainer,
    )


def _held_out_spec(study: Study, held: HeldOut, text: TextSpec) -> RunSpec:
    arm = study.base
    training = arm.training
    shape = _shape(arm, Form(held.width, held.layers), training.context, text.vocab)
    tokens = max(1, round(held.tokens / training.batch_tokens)) * training.batch_tokens
    return _spec(study, arm, text, shape, tokens, study.seed)
