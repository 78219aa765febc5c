"""`isoflop recipes`: what studies start from."""

from __future__ import annotations

import click

from isoflop.cli import options
from isoflop.cli.output import print_json, show


@click.command("recipes")
@options.as_json()
@options.debug()
def command(as_json: bool) -> None:
    r"""List the recipes that studies start from.

    A recipe is a study file that says what it varies and why; `isoflop init` writes it where it can be edited. With
    --json every choice is spelt out, those too that the file leaves to the defaults.

    \b
    Examples:
      isoflop recipes
      isoflop init quickstart
    """
    from rich.table import Table

    from isoflop.studies.recipe import load_recipe, recipe_names, recipe_title

    names = recipe_names()
    said = {name: recipe_title(name) for name in names}
    if as_json:
        studies = [{"name": name, "says": said[name], **load_recipe(name).to_dict()} for name in names]
        print_json({"schema": "isoflop.recipes/1", "recipes": studies})
        return
    table = Table("recipe", "what it is", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        table.add_row(name, said[name])
    show([table, "Next: isoflop init quickstart"])
