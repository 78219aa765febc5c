"""`isoflop status`: how far a study is, whoever runs it."""

from __future__ import annotations

from pathlib import Path

import click

from isoflop.cli import options
from isoflop.cli.output import print_json, show


@click.command("status")
@click.argument("study", metavar="STUDY", type=click.Path(path_type=Path))
@options.as_json()
@options.debug()
def command(study: Path, as_json: bool) -> None:
    r"""Say how far a study is.

    It reads the study's directory alone, so it can be asked while the study runs elsewhere, or after a crash.

    \b
    Examples:
      isoflop status isoflop-demo
      isoflop status ladder/study.toml --json
    """
    from isoflop.studies.status import study_status

    status = study_status(study)
    if as_json:
        print_json(status.to_dict())
    else:
        show([str(status)])
