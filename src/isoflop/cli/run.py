"""`isoflop run`: everything a study file says, from where it stands."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, console, note, print_json, refusals_recorded, show
from isoflop.errors import Refusal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.studies.driver import PreparedStudy

SCHEMA = "isoflop.study/1"


@click.command("run")
@click.argument("study", metavar="STUDY.toml", type=click.Path(path_type=Path))
@click.option(
    "--on", type=click.Choice(["local", "inline", "slurm", "ray"]),
    help="Where to train, if not where the study file says: worker processes on every core of this machine (local), "
    "this process alone, a Slurm cluster, a Ray cluster.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what it would do and what that costs, and train nothing.")
@click.option("--retry-failed", is_flag=True, help="Train again the runs that failed before.")
@click.option(
    "--max-cost", metavar="COST",
    help="Train no run that would take the whole study beyond this: $20, 3 hours (summed over slots), 1e18 FLOP. What "
    "tells most for its cost comes first.",
)  # fmt: skip
@click.option(
    "--export", type=click.Choice(["sbatch", "skypilot", "kubernetes"]),
    help="Train nothing: write files into the study's directory that train its runs elsewhere.",
)  # fmt: skip
@options.answering
def command(
    study: Path,
    on: str | None,
    dry_run: bool,
    retry_failed: bool,
    max_cost: str | None,
    export: str | None,
    as_json: bool,
    force: bool,
) -> int:
    r"""Train, fit, forecast and compare everything a study file says.

    What it costs is said before anything starts. It goes on where it stands: stop it at any moment, run it again, and
    no finished run is lost.

    \b
    Examples:
      isoflop run quickstart/study.toml --dry-run
      isoflop run quickstart/study.toml
      isoflop run quickstart/study.toml --on slurm --max-cost "20 hours"
    """
    place = study / "study.toml" if study.is_dir() else study
    if export is not None:
        return _export(place, export, as_json)
    if dry_run:
        return _dry_run(place, on, max_cost, as_json)
    return run_to_outcome(place, on, Delivery(as_json, force), retry_failed=retry_failed, max_cost=max_cost)


def run_to_outcome(
    place: Path, on: str | None, delivery: Delivery, *, retry_failed: bool = False, max_cost: str | None = None
) -> int:
    """Run the study at `place`, show its progress on stderr and its outcome on stdout; the exit code it deserves."""
    from isoflop.cli.pages import study_page
    from isoflop.studies.driver import run_study
    from isoflop.studies.engines import engine_for
    from isoflop.studies.progress import reporter_for

    # Standard output is the outcome's: some engines print what their cluster has to say.
    with refusals_recorded(SCHEMA, delivery), redirect_stdout(sys.stderr):
        engine = engine_for(place, on)
        reporter = reporter_for(console(stderr=True))
        outcome = run_study(place, engine=engine, reporter=reporter, retry_failed=retry_failed, max_cost=max_cost)
    if delivery.as_json:
        mark = {"forced": True} if outcome.refused and delivery.force else {}
        print_json({**outcome.to_dict(), **mark})
    else:
        show(study_page(outcome))
    if outcome.refused and not delivery.force:
        why = "These data do not carry an answer" if outcome.analysis is None else "These data do not carry every fit"
        note(f"{why}; --force ends with exit code 0 all the same.")
        return Refusal.exit_code
    return 0


def _export(place: Path, kind: str, as_json: bool) -> int:
    from isoflop.studies.export import export_study

    written = export_study(place, kind)
    if as_json:
        record = {"schema": "isoflop.export/1", "kind": kind, "files": [str(path.resolve()) for path in written.files]}
        print_json({**record, "command": written.command})
    else:
        show([f"Written: {', '.join(str(path) for path in written.files)}.", f"Then: {written.command}"])
    return 0


def _dry_run(place: Path, on: str | None, max_cost: str | None, as_json: bool) -> int:
    from isoflop.studies.driver import prepare_study
    from isoflop.studies.engines import engine_for

    engine = engine_for(place, on)
    engine.close()
    prepared = prepare_study(place, engine.slots, max_cost=max_cost)
    if as_json:
        print_json(_plan(prepared))
    else:
        show([_runs_table(prepared), str(prepared), "Nothing was trained."])
    return 0


def _runs_table(prepared: PreparedStudy) -> RenderableType:
    """The runs of a plan, one line each, those that differ in the seed alone together."""
    from rich.table import Table

    from isoflop.quantities import format_count, format_flops, format_number

    table = Table("arm", "width", "layers", "tokens", "batch", "peak rate", "FLOP", "runs", header_style="bold")
    lines: dict[tuple[str, ...], int] = {}
    for run in prepared.planned:
        spec = run.spec
        arm = ", ".join(run.arms) if run.role == "ladder" else run.role
        shown: tuple[str, ...] = (
            arm,
            str(spec.shape.width),
            str(spec.shape.layers),
            format_count(spec.tokens),
            str(spec.batch_tokens),
            format_number(spec.optimizer.learning_rate, 3),
            format_flops(run.compute),
        )
        lines[shown] = lines.get(shown, 0) + 1
    for shown, count in lines.items():
        table.add_row(*shown, str(count))
    return table


def _plan(prepared: PreparedStudy) -> dict[str, object]:
    cost = prepared.cost
    runs = [
        {
            "run": run.spec.identifier,
            "role": run.role,
            "arms": [arm for arm in run.arms if arm],
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
        "remaining_slot_seconds": cost.busy,
        "remaining_cost_usd": cost.dollars,
        "rental": {"device": cost.rental.device, "hours": cost.rental.hours, "cost_usd": cost.rental.dollars},
        "warnings": [finding.to_dict() for finding in prepared.findings],
    }
