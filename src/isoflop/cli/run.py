"""`isoflop run`: everything a study file says, from where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, console, note, print_json, refusals_recorded, show
from isoflop.errors import Refusal
from isoflop.findings import refuses

if TYPE_CHECKING:
    from isoflop.studies.driver import PreparedStudy

SCHEMA = "isoflop.study/1"


@click.command("run")
@click.argument("study", metavar="STUDY.toml", type=click.Path(path_type=Path))
@click.option(
    "--on", type=click.Choice(["local", "inline"]), default="local", show_default=True,
    help="Where to train: worker processes on every core of this machine, or this process alone.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what it would do and what that costs, and train nothing.")
@click.option("--retry-failed", is_flag=True, help="Train again the runs that failed before.")
@options.answering
def command(study: Path, on: str, dry_run: bool, retry_failed: bool, as_json: bool, force: bool) -> int:
    r"""Train, fit, forecast and compare everything a study file says.

    What it costs is said before anything starts. It goes on where it stands: stop it at any moment, run it again, and
    no finished run is lost.

    \b
    Examples:
      isoflop run quickstart/study.toml --dry-run
      isoflop run quickstart/study.toml
    """
    place = study / "study.toml" if study.is_dir() else study
    if dry_run:
        return _dry_run(place, on, as_json)
    return run_to_outcome(place, on, Delivery(as_json, force), retry_failed=retry_failed)


def run_to_outcome(place: Path, on: str, delivery: Delivery, *, retry_failed: bool = False) -> int:
    """Run the study at `place`, show its progress on stderr and its outcome on stdout; the exit code it deserves."""
    from isoflop.cli.pages import study_page
    from isoflop.studies.driver import engine_for, run_study
    from isoflop.studies.progress import reporter_for

    with refusals_recorded(SCHEMA, delivery):
        engine = engine_for(on, place.resolve().parent)
        reporter = reporter_for(console(stderr=True))
        outcome = run_study(place, engine=engine, reporter=reporter, retry_failed=retry_failed)
    findings = (*outcome.fit.findings, *(outcome.forecast.findings if outcome.forecast else ()))
    refused = refuses(findings)
    if delivery.as_json:
        mark = {"forced": True} if refused and delivery.force else {}
        print_json({**outcome.to_dict(), "refused": refused, **mark})
    else:
        show(study_page(outcome))
    if refused and not delivery.force:
        note("These data do not carry an answer; --force ends with exit code 0 all the same.")
        return Refusal.exit_code
    return 0


def _dry_run(place: Path, on: str, as_json: bool) -> int:
    from isoflop.studies.driver import engine_for, prepare_study

    engine = engine_for(on, place.resolve().parent)
    engine.close()
    prepared = prepare_study(place, engine.slots)
    if as_json:
        print_json(_plan(prepared))
    else:
        show([str(prepared), "Nothing was trained."])
    return 0


def _plan(prepared: PreparedStudy) -> dict[str, object]:
    cost = prepared.cost
    runs = [
        {
            "run": run.spec.identifier,
            "role": run.role,
            "width": run.spec.shape.width,
            "layers": run.spec.shape.layers,
            "tokens": run.spec.tokens,
            "compute": run.compute,
        }
        for run in prepared.planned
    ]
    return {
        "schema": "isoflop.run-plan/1",
        "study": prepared.study.name,
        "runs": runs,
        "done": cost.done,
        "remaining_compute": cost.compute,
        "remaining_seconds": cost.seconds,
        "warnings": [finding.to_dict() for finding in prepared.findings],
    }
