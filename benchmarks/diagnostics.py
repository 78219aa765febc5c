"""`python -m benchmarks.diagnostics`: planted faults must be named, and clean studies left alone.

Writes docs/reference/diagnostics.md; exits 1 where a figure misses what is asked of it. `tests/diagnostics` runs a part
of the same code.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is loaded

import datetime
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.__main__ import machine
from benchmarks.parts import ROOT, run_parts
from isoflop.codes import codes, questions
from tests.diagnostics import trials
from tests.diagnostics.trials import KINDS, LEAST_FLAGGED, LEAST_ROWS, MOST_ALARMS, Tally, alarms, seeds_each, tally

PAGE = ROOT / "docs" / "reference" / "diagnostics.md"
# The modules that the findings come from.
MODULES = ("isoflop.fitting.estimation", "isoflop.fitting.isoflops", "isoflop.forecasting.frontier_prediction",
           "isoflop.forecasting.backtest", "isoflop.readers.read")  # fmt: skip
PLANTED = 40
STUDIES, CHOSEN, DRAWS, AT_ONCE = 500, 60, 200, 20
NAMES = {kind.name: kind for kind in KINDS}


def planted(name: str) -> dict[str, int]:
    """How often one kind of fault was planted, and named."""
    kind = NAMES[name]
    return asdict(tally(kind, seeds_each(kind.diagnostic, PLANTED)))


def clean(argument: tuple[str, int]) -> list[list[str]]:
    """The codes of warnings and refusals about each of some clean studies: (law, first study)."""
    law, first = argument
    return [sorted({item.code for item in alarms(seed, DRAWS, law)}) for seed in range(first, first + AT_ONCE)]


def main() -> None:
    started = time.monotonic()
    sources = [Path(__file__), *sorted(Path(trials.__file__).parent.rglob("*.py"))]
    found = run_parts("planted", planted, [(name, name) for name in NAMES], MODULES, *sources)
    parts = [(law, first) for law, most in (("chinchilla", STUDIES), ("auto", CHOSEN))
             for first in range(0, most, AT_ONCE)]  # fmt: skip
    said = run_parts("clean", clean, [(f"{law} {first}", (law, first)) for law, first in parts], MODULES, *sources)
    tallies = {name: Tally(**counts) for name, counts in found.items()}
    warned = {law: [one for key, some in said.items() if key.startswith(f"{law} ") for one in some]
              for law in ("chinchilla", "auto")}  # fmt: skip
    PAGE.write_text(page(tallies, warned), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    missed = misses(tallies, warned)
    print(f"{time.monotonic() - started:.0f} s; {'; '.join(missed) or 'all as asked'}", file=sys.stderr)
    sys.exit(1 if missed else 0)


def misses(tallies: dict[str, Tally], warned: dict[str, list[list[str]]]) -> list[str]:
    """What falls short of what is asked, in words."""
    found = [f"D{number} is flagged too seldom" for number in questions() if not _named(_total(tallies, number))]
    whole = _whole(tallies)
    if whole.right_rows < LEAST_ROWS * whole.asked:
        found.append("rows are named too seldom")
    share = [sum(map(bool, some)) / len(some) for some in warned.values()]
    return found + ["clean studies are warned of too often"] * (max(share) > MOST_ALARMS)


def page(tallies: dict[str, Tally], warned: dict[str, list[list[str]]]) -> str:
    return "\n".join([*_head(_whole(tallies)), *_table(tallies), *_kinds(tallies), *_clean(warned)]) + "\n"


def _head(whole: Tally) -> Iterator[str]:
    yield f"""# Do the warnings mean something?

Written by `make check-statistics`; do not edit. {machine()}, {datetime.datetime.now(datetime.UTC).date().isoformat()};
Python {platform.python_version()}, NumPy {version("numpy")}.

Every fit is asked 26 questions. Here faults of each sort are planted into studies that are otherwise sound, and read,
checked and fitted as users do it: {whole.flagged} of {whole.planted} are flagged with the right code, and of
{whole.asked} faults that lie in certain rows, {whole.right_rows} are said of exactly those rows. Asked: at least
{LEAST_FLAGGED:.0%} for each question, and at least {LEAST_ROWS:.0%} of the rows. `isoflop diagnostics CODE` says what a
code means and what to do.

A refusal stops the command (exit code 1) unless `--force` is given; a warning weakens the answer; a note only says what
was done.

| | question | codes | planted | flagged | right rows |
|---|---|---|---|---|---|"""


def _table(tallies: dict[str, Tally]) -> Iterator[str]:
    for number, question in questions().items():
        total = _total(tallies, number)
        own = [f"`{code.name}` ({' or '.join(code.severities)})" for code in codes() if code.diagnostic == number]
        flagged = str(total.flagged) if _named(total) else f"**{total.flagged}**"
        rows = f"{total.right_rows} of {total.asked}" if total.asked else "–"
        yield f"| D{number} | {question} | {', '.join(own)} | {total.planted} | {flagged} | {rows} |"


def _kinds(tallies: dict[str, Tally]) -> Iterator[str]:
    yield "\n## The faults\n\n| | fault | planted | flagged | right rows |\n|---|---|---|---|---|"
    for kind in KINDS:
        own = tallies[kind.name]
        rows = f"{own.right_rows} of {own.asked}" if own.asked else "–"
        yield f"| D{kind.diagnostic} | {kind.name} | {own.planted} | {own.flagged} | {rows} |"


def _clean(warned: dict[str, list[list[str]]]) -> Iterator[str]:
    yield f"""
## Clean studies

Studies with nothing wrong: a random Chinchilla law, 12 to 60 runs on a grid, in slices or scattered, 0.3 to 2 % even
noise, a decade or more of size and data, every second one with architectures and recipes. Each is fitted ({DRAWS}
draws) and asked for a forecast at four times its largest compute. Asked: warnings or refusals in at most
{MOST_ALARMS:.0%}.

| law | studies | with a warning or refusal | by code |
|---|---|---|---|"""
    for law, some in warned.items():
        count = sum(map(bool, some))
        by_code = Counter(code for one in some for code in one)
        listed = ", ".join(f"`{code}` {times}" for code, times in by_code.most_common()) or "–"
        share = f"{count} ({count / len(some):.1%})"
        yield f"| {law} | {len(some)} | {share if count <= MOST_ALARMS * len(some) else f'**{share}**'} | {listed} |"


def _total(tallies: dict[str, Tally], number: int) -> Tally:
    return _sum([tallies[kind.name] for kind in KINDS if kind.diagnostic == number])


def _whole(tallies: dict[str, Tally]) -> Tally:
    return _sum(list(tallies.values()))


def _sum(some: Sequence[Tally]) -> Tally:
    return sum(some[1:], some[0])


def _named(total: Tally) -> bool:
    return total.flagged >= LEAST_FLAGGED * total.planted


if __name__ == "__main__":
    main()
