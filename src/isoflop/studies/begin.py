"""Beginning a study: the file of a recipe, with the text and the seed of one's choice, in a directory of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

from isoflop import records
from isoflop.errors import UsageError
from isoflop.studies.recipe import recipe_text
from isoflop.studies.study_file import parse_study

NAMED_TEXTS = ("python-stdlib", "standard-ebooks", "synthetic")


def begin_study(
    directory: Path,
    recipe: str = "quickstart",
    *,
    size: str = "small",
    text: str | None = None,
    seed: int | None = None,
) -> Path:
    """Write `study.toml` of a recipe into `directory` and return its path; the same study there already is kept.

    `text` is a named source or the path of a folder of text files, `seed` decides everything random; both are those
    of the recipe unless given.

    Raises:
        UsageError: there is no such recipe or size, or the directory holds another study.
    """
    written = study_text(recipe, size=size, text=text, seed=seed)
    place = directory / "study.toml"
    parse_study(written, str(place), directory)
    if not records.publish_once(place, written) and place.read_text(encoding="utf-8") != written:
        raise UsageError(
            f"{place} is another study than the one asked for (recipe, size, text or seed differ, or it was edited): "
            f"go on with it by isoflop run {place}, or give another directory."
        )
    return place


def study_text(recipe: str, *, size: str = "small", text: str | None = None, seed: int | None = None) -> str:
    """The commented study file of a recipe, with its `[text]` and `seed` replaced where they are given.

    Example:
        >>> "seed = 7 " in study_text("quickstart", seed=7)
        True
    """
    written = recipe_text(recipe, size)
    if seed is not None:
        written = _replace(written, r"^seed = \d+", f"seed = {seed}")
    if text is not None and not re.search(r'^source = "python-stdlib"', written, flags=re.MULTILINE):
        raise UsageError(f"recipe {recipe!r} has texts of its own: leave --text out, and edit [text] in it.")
    if text in NAMED_TEXTS:
        written = _replace(written, r'^source = "[^"]*"', f'source = "{text}"')
    elif text is not None:
        folder = Path(text).expanduser().resolve()
        if not folder.exists():
            raise UsageError(
                f"--text={text!r} is neither a folder of text files nor one of {', '.join(NAMED_TEXTS)}: give one."
            )
        # A JSON string is also a TOML string.
        named = f'source = "directory"\ndirectory = {json.dumps(str(folder), ensure_ascii=False)}'
        written = re.sub(r"^# directory = .*\n", "", written, flags=re.MULTILINE)
        written = _replace(written, r'^source = "[^"]*"[^\n]*', named)
    return written


def _replace(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, lambda match: replacement, text, flags=re.MULTILINE)
    if count != 1:
        raise UsageError(f"the recipe has {count} lines like {pattern!r} where one is needed.")
    return changed
