"""Run the small size of all recipes but quickstart and write what came out: docs/recipes/NAME.md and the list of all.

    python docs/recipes.py [NAME ...] [--studies DIRECTORY] [--list]

Quickstart is left out: that is make demo. It goes on where it was stopped: studies that are done are not trained again.
With --list only the list is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from isoflop.errors import IsoflopError
from isoflop.studies.begin import begin_study
from isoflop.studies.driver import run_study
from isoflop.studies.progress import PlainReporter
from isoflop.studies.recipe import load_recipe, recipe_names, recipe_title
from isoflop.studies.study import FORECAST

PAGES = Path(__file__).parent / "recipes"
DEMO = "../reference/demo.md"


def run_recipe(name: str, studies: Path) -> None:
    """Run the small size of one recipe and keep its page; what cannot be answered is the page then."""
    place = begin_study(studies / name, name, size="small")
    head = f"<!-- written by make recipes -->\n\n# {name}\n\n{recipe_title(name)}\n\n```text\nisoflop init {name}\n"
    head += f"isoflop run {name}/study.toml\n```\n\n"
    try:
        outcome = run_study(place, reporter=PlainReporter(Console(stderr=True)))
    except IsoflopError as error:
        if getattr(error, "exit_code", 1) != 1:
            raise
        (PAGES / f"{name}.md").write_text(f"{head}No answer: {error}\n", encoding="utf-8")
        return
    if outcome.analysis is not None:
        _, _, page = (outcome.directory / "reports" / "report.md").read_text(encoding="utf-8").partition("\n\n")
        (PAGES / f"{name}.md").write_text(head + page, encoding="utf-8")


def list_page() -> str:
    """All recipes, with a link to what came out of those that have been run."""
    lines = [
        "# Recipes",
        "",
        "Every recipe has three sizes: `--size smoke` (seconds), `small` (minutes on two CPU cores) and `gpu` (for "
        "one 80 GB card; nobody has run that yet, on CUDA or MPS). `make recipes` runs the small size of all but "
        "`quickstart`, which is `make demo`, and writes the pages below; it can be stopped and goes on where it was. A "
        "recipe without a page has not been run at its small size yet.",
        "",
        "| recipe | shows | what came out |",
        "|---|---|---|",
    ]
    for name in recipe_names():
        if load_recipe(name).analysis == FORECAST:
            outcome = f"[the demo]({DEMO})"
        elif (PAGES / f"{name}.md").exists():
            outcome = f"[page]({name}.md)"
        else:
            outcome = "not run yet"
        lines.append(f"| `{name}` | {recipe_title(name)} | {outcome} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is asked for, then write the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--studies", type=Path, default=Path("recipes"))
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    PAGES.mkdir(exist_ok=True)
    names = chosen.names or [name for name in recipe_names() if load_recipe(name).analysis != FORECAST]
    for name in () if chosen.list else names:
        run_recipe(name, chosen.studies)
        (PAGES / "index.md").write_text(list_page(), encoding="utf-8")
    (PAGES / "index.md").write_text(list_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
