"""Beginning a study: the recipe's file with another text or seed, and never over somebody's own study."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoflop.errors import UsageError
from isoflop.studies.begin import NAMED_TEXTS, begin_study, study_text
from isoflop.studies.recipe import recipe_names, recipe_text
from isoflop.studies.study_file import parse_study, read_study


@pytest.mark.parametrize("recipe", recipe_names())
def test_a_recipe_as_it_is(recipe: str) -> None:
    assert study_text(recipe) == recipe_text(recipe)


@pytest.mark.parametrize("text", NAMED_TEXTS)
def test_a_named_text(text: str) -> None:
    study = parse_study(study_text("quickstart", text=text, seed=11), "study")
    assert (study.text.source, study.text.directory, study.seed) == (text, None, 11)


def test_a_folder_of_text_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / 'my "notes" \\1 é'
    folder.mkdir()
    place = begin_study(tmp_path / "study", text=str(folder))
    assert read_study(place).text.directory == folder


def test_beginning_again_keeps_the_study_and_another_is_refused(tmp_path: Path) -> None:
    place = begin_study(tmp_path, seed=1)
    before = place.read_bytes()
    assert begin_study(tmp_path, seed=1) == place
    for options in ({"seed": 2}, {"size": "smoke", "seed": 1}, {"seed": 1, "text": "synthetic"}):
        with pytest.raises(UsageError, match="another study"):
            begin_study(tmp_path, **options)  # type: ignore[arg-type]
    assert place.read_bytes() == before


@pytest.mark.parametrize(
    ("recipe", "size", "named"),
    [("quickstart", "tiny", "smoke, small, gpu"), ("nosuch", "small", "nosuch.*quickstart")],
)
def test_a_size_or_recipe_that_is_not_there_is_named(recipe: str, size: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        study_text(recipe, size=size)


def test_a_recipe_with_texts_of_its_own_takes_no_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'transfer' has texts of its own"):
        study_text("transfer", text="synthetic")
