"""study.toml: text checked at this boundary, a Study inside.

Every message names the file and the key, says what stands there, and what may stand there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from isoflop.errors import InputError, UsageError
from isoflop.lab.source import OWN_TEXT, Dataset, OwnText, TextSource, TokenFile
from isoflop.runs.spec import Devices, Launch, ScheduleSpec
from isoflop.studies.analyses.catalogue import ANALYSES
from isoflop.studies.site import Site
from isoflop.studies.study import (
    FORECAST,
    Arm,
    FitRule,
    Form,
    HeadRule,
    HeldOut,
    Ladder,
    LearningRateRule,
    ModelRule,
    Study,
    Sweep,
    Training,
)
from isoflop.studies.study_sections import (
    SECTIONS,
    LadderSection,
    ModelSection,
    StudySection,
    SweepSection,
    TextPartSection,
    TextSection,
    TrainingSection,
)

# Of each group an arm replaces all by the one it gives.
_ALTERNATIVES = (("tokens", "tokens_per_param", "compute"), ("heads", "head_width"), ("widths", "forms"))


def read_study(path: Path) -> Study:
    """The study in the file `path`; a relative text directory is taken from where the file stands.

    Raises:
        InputError: the file is missing, is not TOML, or a key or value is not one a study can have.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: write one with isoflop init.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    # Resolved, so that a study is the same one from whichever directory it is looked at.
    return parse_study(text, str(path), path.resolve().parent)


def parse_study(text: str, name: str, base: Path = Path()) -> Study:
    """The study that the TOML `text` says; `name` is what messages call it, `base` where its paths start."""
    try:
        raw = tomllib.loads(text)
        told = StudySection.model_validate(raw)
        _check_trainer(told, name)
        study = _to_study(told, raw, base)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not TOML: {error}.") from error
    except ValidationError as error:
        raise InputError(f"{name}: {_describe(error)}") from error
    except UsageError as error:
        raise InputError(f"{name}: {error}") from error
    _check_together(study, told, name)
    return study


def _to_study(told: StudySection, raw: Mapping[str, Any], base: Path) -> Study:
    ladder, evaluation = _ladder(told.ladder), told.evaluation
    devices = told.devices.devices() if told.devices else Devices()
    return Study(
        name=told.name,
        recipe=told.recipe,
        seed=told.seed,
        text=_text(told.text, base),
        ladder=ladder,
        training=_training(told.training),
        evaluation_windows=evaluation.windows if evaluation else 0,
        fit=FitRule(**told.fit.model_dump()),
        held_out=tuple(HeldOut(held.width, held.layers or ladder.layers, held.tokens) for held in told.held_out),
        analysis=told.analysis,
        model=ModelRule(**told.model.model_dump()),
        sweep=_sweep(told.sweep),
        arms=tuple(_arm(arm.name, arm.model_dump(), raw) for arm in told.arms),
        evaluation_points=evaluation.points if evaluation else 1,
        probes=tuple(evaluation.probes) if evaluation else (),
        mirrors=tuple(told.mirrors),
        stack=told.stack,
        trainer=told.trainer.spec() if told.trainer else None,
        launch=told.trainer.launch() if told.trainer else Launch(devices=devices),
        site=Site(told.on, told.slurm.site(devices.processes), told.ray.site(devices.processes)),
        spending=told.cost.spending(),
    )


def _arm(name: str, own: Mapping[str, Any], raw: Mapping[str, Any]) -> Arm:
    """The arm whose tables are those of the study with its own laid over them."""
    laid = {key: _laid_over(raw.get(key, {}), own[key]) for key in ("ladder", "model", "training", "sweep")}
    return Arm(
        name=name,
        ladder=_ladder(LadderSection.model_validate(laid["ladder"])),
        model=ModelRule(**ModelSection.model_validate(laid["model"]).model_dump()),
        training=_training(TrainingSection.model_validate(laid["training"])),
        sweep=_sweep(SweepSection.model_validate(laid["sweep"])),
    )


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    replaced = {key for group in _ALTERNATIVES if any(key in above for key in group) for key in group}
    joined = {key: value for key, value in below.items() if key not in replaced}
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(joined.get(key), dict)
        joined[key] = _laid_over(joined[key], value) if both else value
    return joined


def _ladder(told: LadderSection) -> Ladder:
    return Ladder(
        widths=tuple(told.widths) or tuple(dict.fromkeys(form.width for form in told.forms)),
        layers=told.layers,
        heads=_head_rule(told),
        tokens=tuple(told.tokens),
        repeats={int(width): count for width, count in told.repeats.items() if width.isdecimal()},
        seeds=told.seeds,
        tokens_per_param=tuple(told.tokens_per_param),
        compute=tuple(told.compute),
        forms=tuple(Form(it.width, it.layers or 0, it.heads or 0, it.feedforward or 0) for it in told.forms),
    )


def _training(told: TrainingSection) -> Training:
    fields = told.model_dump(exclude={"learning_rate", "schedule"})
    return Training(
        learning_rate=LearningRateRule(**told.learning_rate.model_dump()),
        schedule=ScheduleSpec(**told.schedule.model_dump()),
        **fields,
    )


def _sweep(told: SweepSection) -> Sweep:
    lists = {key: tuple(value) for key, value in told.model_dump().items()}
    return Sweep(**{**lists, "mixtures": tuple(tuple(weights) for weights in told.mixtures)})


def _text(told: TextSection, base: Path) -> TextSource:
    file, own = None, None
    if told.source == OWN_TEXT and told.vocab and told.tokens:
        own = OwnText(told.vocab, told.tokens)
    if told.file is not None:
        validation = base / told.validation if told.validation is not None else None
        file = TokenFile(base / told.file, validation, told.dtype, told.vocab)
    return TextSource(
        source=told.source,
        directory=base / told.directory if told.directory is not None else None,
        tokenizer=told.tokenizer,
        limit=told.limit,
        file=file,
        dataset=_dataset(told, base),
        parts=tuple((part.name, _part(part, base)) for part in told.parts),
        own=own,
    )


def _part(told: TextPartSection, base: Path) -> TextSource:
    directory = base / told.directory if told.directory is not None else None
    return TextSource(told.source, directory, limit=told.limit, dataset=_dataset(told, base))


def _dataset(told: TextSection | TextPartSection, base: Path) -> Dataset | None:
    if told.dataset is None:
        return None
    beside = base / told.dataset
    return Dataset(str(beside) if beside.is_dir() else told.dataset, told.subset, told.split, told.field)


def _head_rule(ladder: LadderSection) -> HeadRule:
    if ladder.head_width is not None:
        return HeadRule("width", ladder.head_width)
    return HeadRule("count", ladder.heads or 1)


def _check_trainer(told: StudySection, name: str) -> None:
    """A program of the user's reads text of its own, of which the study must know the size; the lab reads none such."""

    def require(holds: bool, message: str) -> None:
        if not holds:
            raise InputError(f"{name}: {message}")

    own, text = told.trainer is not None, told.text
    require(
        own == (text.source == OWN_TEXT),
        f"text.source must be {OWN_TEXT!r} where there is a [trainer], and only there: a program reads its own text.",
    )
    require(
        own or told.evaluation is not None,
        "evaluation is missing: give [evaluation] windows, the held-out contexts scored at the end of every run.",
    )
    if not own:
        require(text.tokens is None, f"text.tokens belongs to text.source = {OWN_TEXT!r}: use text.limit.")
        return
    require(
        text.vocab is not None and text.tokens is not None,
        f"text.vocab and text.tokens (distinct training tokens) must be given with text.source = {OWN_TEXT!r}.",
    )
    evaluation = told.evaluation
    _leave_to_the_lab(
        require,
        {
            "devices": told.devices is not None,
            "mirrors": bool(told.mirrors),
            "evaluation.points": evaluation is not None and evaluation.points > 1,
            "evaluation.probes": evaluation is not None and bool(evaluation.probes),
            "training.branch": told.training.branch or any(arm.training.get("branch") for arm in told.arms),
        },
    )


def _leave_to_the_lab(require: Callable[[bool, str], None], given: Mapping[str, bool]) -> None:
    for key, is_given in given.items():
        require(not is_given, f"{key} is for the lab's own trainer: leave it out where there is a [trainer].")


def _check_together(study: Study, told: StudySection, name: str) -> None:
    """What no single value can show."""

    def require(holds: bool, message: str) -> None:
        if not holds:
            raise InputError(f"{name}: {message}")

    ladder = told.ladder
    require(
        study.analysis == FORECAST or study.analysis in ANALYSES,
        f"analysis={study.analysis!r} is not known: use {FORECAST} or one of {', '.join(ANALYSES)}.",
    )
    require(
        study.analysis == FORECAST or not study.held_out,
        f"held_out belongs to analysis = {FORECAST!r}: analysis {study.analysis!r} has none.",
    )
    require(
        (ladder.heads is None) != (ladder.head_width is None),
        "one of ladder.heads (the same number at every width) and ladder.head_width must be given, and only one.",
    )
    widths = {str(width) for width in study.ladder.widths}
    for width_text in ladder.repeats:
        require(width_text in widths, f"ladder.repeats.{width_text} is not one of ladder.widths {ladder.widths}.")
    for arm in (study.base, *study.arms):
        where = f"arm {arm.name!r}: " if arm.name else ""
        for message in _contradictions(arm):
            require(False, f"{where}{message}")
    rule = study.ladder.heads
    for place, held in enumerate(study.held_out):
        require(rule.fits(held.width), f"held_out[{place}].width={held.width} must be a multiple of {_named(rule)}.")


def _contradictions(arm: Arm) -> list[str]:
    """What cannot be in the sections of an arm, taken together."""
    ladder, training, schedule = arm.ladder, arm.training, arm.training.schedule
    found = []
    if not ladder.widths:
        found.append("one of ladder.widths and ladder.forms must be given.")
    if sum(map(bool, (ladder.tokens, ladder.tokens_per_param, ladder.compute))) != 1:
        found.append("one of ladder.tokens, ladder.tokens_per_param and ladder.compute must be given, and only one.")
    rule = ladder.heads
    if rule.kind == "width" and rule.size % 2:
        found.append(f"ladder.head_width={rule.size} must be even.")
    if arm.model.family == "transformer":
        free = {form.width for form in ladder.forms if form.heads}
        wrong = [
            f"ladder.widths[{place}]={width} must be a multiple of {_named(rule)}."
            for place, width in enumerate(ladder.widths)
            if width not in free and not rule.fits(width)
        ]
        found.extend(wrong)
    batches, contexts = arm.sweep.batch_tokens or (training.batch_tokens,), arm.sweep.contexts or (training.context,)
    found.extend(
        f"training.batch_tokens={batch} must be a multiple of training.context={context}."
        for batch in batches
        for context in contexts
        if batch % context
    )
    if schedule.kind == "constant" and training.branch:
        found.append("training.branch needs a schedule that decays: use schedule.kind = 'wsd'.")
    if schedule.kind == "cosine" and training.branch:
        found.append("training.branch needs a schedule with a stable stretch: use schedule.kind = 'wsd'.")
    return found


def _named(rule: HeadRule) -> str:
    return f"head_width={rule.size}" if rule.kind == "width" else f"twice heads={rule.size}"


def _describe(error: ValidationError) -> str:
    problems = [dict(problem) for problem in error.errors(include_url=False)]
    # A misspelt key also makes the right one missing: the misspelling is what the reader has to see first.
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    return " ".join(_sentence(problem) for problem in problems[:5])


def _sentence(problem: dict[str, Any]) -> str:
    place, given = problem["loc"], problem["input"]
    key = _key(place)
    match problem["type"]:
        case "extra_forbidden":
            return f"{key} is not a key of a study: allowed here are {', '.join(_allowed(place[:-1]))}."
        case "missing":
            return f"{key} is missing: give it."
        case "value_error":
            return f"{key}: {problem['ctx']['error']}"
    message = str(problem["msg"])
    return f"{key}={given!r} is not possible: {message[:1].lower()}{message[1:]}."


def _key(place: tuple[str | int, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def _allowed(place: tuple[str | int, ...]) -> tuple[str, ...]:
    names = [part for part in place if isinstance(part, str)]
    return tuple((SECTIONS[names[-1]] if names else StudySection).model_fields)
