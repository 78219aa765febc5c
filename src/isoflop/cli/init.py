"""`isoflop init`: a study file to be edited."""

from __future__ import annotations

from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.output import print_json, show


@click.command("init")
@click.argument("recipe", default="quickstart", metavar="[RECIPE]")
@options.size()
@options.text()
@click.option("--seed", type=click.IntRange(0, 2**53), help="Decides everything random; the recipe's unless given.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="The directory; RECIPE unless given.")
@options.as_json()
@options.debug()
def command(recipe: str, size: str, text: str | None, seed: int | None, out: Path | None, as_json: bool) -> None:
    r"""Write the study file of a recipe, to be edited.

    A study file fixes everything before the first run starts: the ladder, the training, the rule of the fit, and the
    runs held out to be forecast.

    \b
    Examples:
      isoflop init
      isoflop init quickstart --size smoke --out first-try
    """
    from isoflop.studies.begin import begin_study

    place = begin_study(out or Path(recipe), recipe, size=size, text=text, seed=seed)
    if as_json:
        print_json({"schema": "isoflop.init/1", "recipe": recipe, "size": size, "study": str(place.resolve())})
    else:
        show([f"Written to {place}: read it, change what you like, then isoflop run {place}"])
