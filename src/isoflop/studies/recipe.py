"""Recipes: study files that say what they vary and why, in three sizes.

A recipe is a template of a study file. `by_size(smoke, small, gpu)` stands where a value depends on the size, so each
line shows all three; what several recipes share is included. What comes out is an ordinary study file.
"""

from __future__ import annotations

from importlib import resources
from typing import Literal, get_args

import jinja2

from isoflop.errors import UsageError
from isoflop.studies.study import Study
from isoflop.studies.study_file import parse_study

Size = Literal["smoke", "small", "gpu"]
SIZES: tuple[Size, ...] = get_args(Size)
"""How much a recipe costs: seconds, minutes on two cores, hours on an accelerator."""


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    entries = resources.files("isoflop.studies").joinpath("recipes").iterdir()
    names = (entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))
    return tuple(sorted(name for name in names if not name.startswith("_")))


def recipe_text(name: str, size: str = "small") -> str:
    """The commented study.toml of a recipe.

    Raises:
        UsageError: there is no recipe or size of that name.

    Example:
        >>> 'recipe = "quickstart"' in recipe_text("quickstart")
        True
    """
    if name not in recipe_names():
        raise UsageError(f"recipe {name!r} is not known: use one of {', '.join(recipe_names())}.")
    if size not in SIZES:
        raise UsageError(f"size {size!r} is not known: use one of {', '.join(SIZES)}.")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    place = SIZES.index(size)

    def by_size(*values: str) -> str:
        return values[place]

    return environment.get_template(f"{name}.toml").render(by_size=by_size, size=size)


def recipe_title(name: str) -> str:
    """What a recipe shows, in one sentence: the first line of its file.

    Example:
        >>> recipe_title("quickstart").startswith("A ladder of small language models")
        True
    """
    return recipe_text(name).splitlines()[0].lstrip("# ")


def load_recipe(name: str, size: str = "small") -> Study:
    """The study of a recipe.

    Example:
        >>> load_recipe("quickstart").fit.law
        'chinchilla'
    """
    return parse_study(recipe_text(name, size), f"recipe {name}")


def _source(name: str) -> str:
    return resources.files("isoflop.studies").joinpath("recipes", name).read_text(encoding="utf-8")
