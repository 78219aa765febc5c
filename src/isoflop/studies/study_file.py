"""study.toml and recipes: text checked at this boundary, a Study inside.

Every message names the file and the key, says what stands there, and what may stand there.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from isoflop.errors import InputError, UsageError
from isoflop.quantities import ParamCount, parse_quantity
from isoflop.runs.spec import Precision, ScheduleSpec
from isoflop.studies.study import FitRule, HeadRule, HeldOut, Ladder, LearningRateRule, Study, TextSource, Training

# The largest whole number that TOML, JSON and floating point all carry exactly.
_LARGEST = 2**53


def _count(value: object) -> object:
    if not isinstance(value, str):
        return value
    number = parse_quantity(value, "tokens", "quantity")
    if number != int(number):
        raise UsageError(f"{value!r} is not a whole number: write 512k, 4M or 1e9.")
    return int(number)


Count = Annotated[int, BeforeValidator(_count), Field(ge=1, le=_LARGEST)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Text(_Section):
    source: str
    directory: str | None = None


class _Ladder(_Section):
    widths: list[Count] = Field(min_length=1)
    layers: Count
    heads: Count | None = None
    head_width: Count | None = None
    tokens: list[Count] = Field(min_length=1)
    repeats: dict[str, Count] = {}


class _LearningRate(_Section):
    coefficient: Positive
    width_power: float = -1.0


class _Schedule(_Section):
    warmup: Fraction = 0.02
    decay: Fraction = 0.2
    final: Fraction = 0.0


class _Training(_Section):
    context: Count
    batch_tokens: Count
    learning_rate: _LearningRate
    schedule: _Schedule = _Schedule()
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Positive = 1.0
    precision: Precision = "float32"


class _Evaluation(_Section):
    windows: Count


class _Fit(_Section):
    law: str
    param_count: ParamCount = "total"
    rows: str = "all"
    objective: str = "huber:1e-3"
    draws: Count = 1000
    level: Annotated[float, Field(gt=0, lt=1)] = 0.9


class _HeldOut(_Section):
    width: Count
    layers: Count | None = None
    tokens: Count


class _StudyFile(_Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
    recipe: str = "own"
    seed: Annotated[int, Field(ge=0, le=_LARGEST)] = 0
    text: _Text
    ladder: _Ladder
    training: _Training
    evaluation: _Evaluation
    fit: _Fit
    held_out: list[_HeldOut] = []


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
    return parse_study(text, str(path), path.parent)


def parse_study(text: str, name: str, base: Path = Path()) -> Study:
    """The study that the TOML `text` says; `name` is what messages call it, `base` where its paths start."""
    try:
        told = _StudyFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not TOML: {error}.") from error
    except ValidationError as error:
        raise InputError(f"{name}: {_describe(error)}") from error
    _check_together(told, name)
    return _to_study(told, base)


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    entries = resources.files("isoflop.studies").joinpath("recipes").iterdir()
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml")))


def recipe_text(name: str) -> str:
    """The commented study.toml of a recipe.

    Raises:
        UsageError: there is no recipe of that name.
    """
    if name not in recipe_names():
        raise UsageError(f"recipe {name!r} is not known: use one of {', '.join(recipe_names())}.")
    return resources.files("isoflop.studies").joinpath("recipes", f"{name}.toml").read_text(encoding="utf-8")


def load_recipe(name: str) -> Study:
    """The study of a recipe.

    Example:
        >>> load_recipe("quickstart").fit.law
        'chinchilla'
    """
    return parse_study(recipe_text(name), f"recipe {name}")


def _to_study(told: _StudyFile, base: Path) -> Study:
    ladder, training = told.ladder, told.training
    directory = base / told.text.directory if told.text.directory is not None else None
    return Study(
        name=told.name,
        recipe=told.recipe,
        seed=told.seed,
        text=TextSource(told.text.source, directory),
        ladder=Ladder(
            widths=tuple(ladder.widths),
            layers=ladder.layers,
            heads=_head_rule(ladder),
            tokens=tuple(ladder.tokens),
            repeats={int(width): count for width, count in ladder.repeats.items()},
        ),
        training=Training(
            context=training.context,
            batch_tokens=training.batch_tokens,
            learning_rate=LearningRateRule(**training.learning_rate.model_dump()),
            schedule=ScheduleSpec(**training.schedule.model_dump()),
            weight_decay=training.weight_decay,
            clip=training.clip,
            precision=training.precision,
        ),
        evaluation_windows=told.evaluation.windows,
        fit=FitRule(**told.fit.model_dump()),
        held_out=tuple(HeldOut(held.width, held.layers or ladder.layers, held.tokens) for held in told.held_out),
    )


def _head_rule(ladder: _Ladder) -> HeadRule:
    if ladder.head_width is not None:
        return HeadRule("width", ladder.head_width)
    return HeadRule("count", ladder.heads or 1)


def _check_together(told: _StudyFile, name: str) -> None:
    """What no single value can show."""
    ladder, training, schedule = told.ladder, told.training, told.training.schedule

    def require(holds: bool, message: str) -> None:
        if not holds:
            raise InputError(f"{name}: {message}")

    require(
        (told.text.source == "directory") == (told.text.directory is not None),
        "text.directory must be given when text.source is 'directory', and only then.",
    )
    require(
        (ladder.heads is None) != (ladder.head_width is None),
        "one of ladder.heads (the same number at every width) and ladder.head_width must be given, and only one.",
    )
    rule = _head_rule(ladder)
    if rule.kind == "width":
        require(rule.size % 2 == 0, f"ladder.head_width={rule.size} must be even.")
    named = f"head_width={rule.size}" if rule.kind == "width" else f"twice heads={rule.size}"
    for key, width in (
        *((f"ladder.widths[{place}]", width) for place, width in enumerate(ladder.widths)),
        *((f"held_out[{place}].width", held.width) for place, held in enumerate(told.held_out)),
    ):
        require(rule.fits(width), f"{key}={width} must be a multiple of {named}.")
    widths = {str(width) for width in ladder.widths}
    for width_text in ladder.repeats:
        require(width_text in widths, f"ladder.repeats.{width_text} is not one of ladder.widths {ladder.widths}.")
    require(
        training.batch_tokens % training.context == 0,
        f"training.batch_tokens={training.batch_tokens} must be a multiple of training.context={training.context}.",
    )
    require(
        schedule.warmup + schedule.decay <= 1,
        f"training.schedule: warmup={schedule.warmup} + decay={schedule.decay} must not exceed 1.",
    )


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
    sections: dict[str | int, type[_Section]] = {
        "text": _Text,
        "ladder": _Ladder,
        "training": _Training,
        "learning_rate": _LearningRate,
        "schedule": _Schedule,
        "evaluation": _Evaluation,
        "fit": _Fit,
        "held_out": _HeldOut,
    }
    names = [part for part in place if isinstance(part, str)]
    return tuple(sections[names[-1]].model_fields if names else _StudyFile.model_fields)
