"""`isoflop compare`: laws against each other, or recipes (`--by family`)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from isoflop.cli import options
from isoflop.cli.output import Delivery, deliver, refusals_recorded
from isoflop.cli.reading_options import ReadingChoices, read_sources, source_options
from isoflop.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from isoflop.forecasting.comparison import Comparison
    from isoflop.forecasting.families import FamilyComparison
    from isoflop.forecasting.joint_law import Floor
    from isoflop.forecasting.twins import Pair
    from isoflop.runs.table import RunTable

SCHEMA = "isoflop.compare/1"


@click.command("compare")
@options.sources()
@click.option(
    "--laws", metavar="NAME,NAME", help="The laws to rank; those that auto considers and a few more if not given."
)
@click.option("--by", metavar="COLUMN", help="Compare the families named in this column, such as family or source.")
@click.option("--baseline", metavar="NAME", help="With --by, the family to compare with; the first unless given.")
@click.option(
    "--law", metavar="NAME|FORMULA", help="With --by, the law they share; chinchilla, or one of compute, unless given."
)
@click.option(
    "--floor",
    type=click.Choice(["shared", "own"]),
    help="With --by, whether all families end at one irreducible loss (shared, the default) or each at its own.",
)
@click.option(
    "--pair",
    type=click.Choice(["auto", "none"]),
    help="With --by, compare runs of equal size, data and seed with each other (auto, the default), or families as "
    "wholes.",
)
@click.option(
    "--same-evaluation",
    is_flag=True,
    help="With --by, say that all losses were measured on the same text with the same tokenizer.",
)
@click.option(
    "--params", metavar="N", callback=options.quantity("count"), multiple=True, help="Size of the run to forecast."
)
@click.option("--tokens", metavar="D", callback=options.quantity("tokens"), multiple=True, help="Its training tokens.")
@click.option(
    "--compute",
    metavar="C",
    callback=options.quantity("compute"),
    multiple=True,
    help="Its compute instead; with --by, tell losses and multiplier here: repeatable.",
)
@click.option(
    "--objective", metavar="NAME", help="What is minimised; huber:1e-3, or huber:1e-2 with --by, unless given."
)
@options.intervals()
@options.draws()
@options.cluster()
@options.columns
@source_options
@options.level()
@options.seed()
@options.out(None, "the comparison")
@options.answering
def command(
    sources: tuple[str, ...],
    laws: str | None,
    by: str | None,
    reading: ReadingChoices,
    y: str | None,
    as_json: bool,
    force: bool,
    out: Path | None,
    **asked: Any,
) -> int:
    r"""Say which law forecasts larger runs best, or what one recipe is worth over another.

    Laws are ranked by how far off they are on larger runs that they have not seen, never by how closely they follow
    those they have; together they forecast one run, with an interval that carries their spread.

    With --by, the ladders of two recipes are fitted together, and the answer is a multiplier: 1.3 means that the
    baseline needs 1.3 times the compute for the same loss. What cannot be compared, such as losses of different
    tokenizers, is refused.

    \b
    Examples:
      isoflop compare runs.csv
      isoflop compare runs.csv --laws chinchilla,chinchilla-tied,kaplan-nd --params 7B --tokens 1T
      isoflop compare runs.csv --by family
      isoflop compare adamw.csv muon.csv --by source --baseline adamw
      isoflop compare runs.csv --by learning_rate --baseline 0.002 --compute 1e22 --json
    """
    _require_matching(by, {"laws": laws, **asked})
    delivery = Delivery(as_json, force, out)
    with refusals_recorded(SCHEMA, delivery):
        runs = read_sources(sources, reading, y=y or "loss")
        if by is None:
            comparison = _compare_laws(runs, laws, y=y, **asked)
            return deliver(comparison, delivery, lambda: _laws_page(comparison, sources, reading))
        families = _compare_families(runs, by, y=y, **asked)
        return deliver(families, delivery, lambda: _families_page(families, force))


_OF_FAMILIES = {
    "baseline": "",
    "law": ": use --laws to rank laws",
    "floor": "",
    "pair": "",
    "same_evaluation": "",
}
_OF_LAWS = {
    "laws": ": all families follow one law, which --law names",
    "params": ": use --compute to say where losses are told",
    "tokens": ": use --compute to say where losses are told",
    "intervals": "",
}


def _require_matching(by: str | None, asked: dict[str, Any]) -> None:
    """Raise UsageError for an option of the other kind of comparison, which would be ignored."""
    other, kind = (_OF_FAMILIES, "goes with --by COLUMN") if by is None else (_OF_LAWS, f"does not go with --by {by}")
    for name, hint in other.items():
        if asked[name] not in (None, False, ()):
            raise UsageError(f"--{name.replace('_', '-')} {kind}{hint}.")
    for name in ("params", "tokens", "compute"):
        if by is None and len(asked[name]) > 1:
            raise UsageError(f"--{name} is given {len(asked[name])} times: laws are compared at one run, give it once.")


def _compare_laws(
    runs: RunTable,
    laws: str | None,
    *,
    params: tuple[float, ...],
    tokens: tuple[float, ...],
    compute: tuple[float, ...],
    objective: str | None,
    intervals: str | None,
    **asked: Any,
) -> Comparison:
    from isoflop.forecasting.comparison import compare

    for name in _OF_FAMILIES:
        asked.pop(name)
    names = list(dict.fromkeys(name.strip() for name in (laws or "").split(",") if name.strip()))
    if laws is not None and not names:
        raise UsageError(f"--laws {laws!r} names no law: write --laws chinchilla,kaplan-nd.")
    return compare(
        runs,
        names,
        params=params[0] if params else None,
        tokens=tokens[0] if tokens else None,
        compute=compute[0] if compute else None,
        objective=objective or "huber:1e-3",
        intervals=intervals or "auto",
        **asked,
    )


def _compare_families(
    runs: RunTable,
    by: str,
    *,
    floor: str | None,
    pair: str | None,
    law: str | None,
    objective: str | None,
    **asked: Any,
) -> FamilyComparison:
    from isoflop.forecasting.families import OBJECTIVE, compare_families

    for name in ("params", "tokens", "intervals"):
        asked.pop(name)
    return compare_families(
        runs,
        by,
        law=law or "auto",
        floor=cast("Floor", floor or "shared"),
        pair=cast("Pair", pair or "auto"),
        objective=objective or OBJECTIVE,
        **asked,
    )


def _laws_page(comparison: Comparison, sources: tuple[str, ...], reading: ReadingChoices) -> Iterator[RenderableType]:
    from rich.text import Text

    from isoflop.reporting.law_tables import laws_table, together_sentence
    from isoflop.reporting.tables import findings_lines

    yield laws_table(comparison)
    yield together_sentence(comparison)
    yield from findings_lines(comparison.findings)
    typed = shlex.join([*sources, *reading.arguments])
    yield Text(f"Next: isoflop fit {typed} --out fit.json", no_wrap=True)


def _families_page(comparison: FamilyComparison, force: bool) -> Iterator[RenderableType]:
    from isoflop.reporting.family_tables import families_table, points_table, reading_hint
    from isoflop.reporting.tables import findings_lines

    answered = [item for item in comparison.advantages if force or not item.refused]
    yield families_table(comparison, answered)
    yield points_table(comparison, answered)
    yield reading_hint(comparison)
    yield from findings_lines(comparison.findings)
