"""`python -m benchmarks.published_fits DIRECTORY`: write docs/reference/published.md from the public run data.

The rows are those that the tests check; where one disagrees without a recorded cause, the exit code is 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded

from tests.published.cases import SECTIONS
from tests.published.published_case import Published
from tests.published.test_frontiers import TABLE as FRONTIERS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "published.md"
INTRODUCTION = """# Published fits, derived again

Written by `make published`; do not edit. Every row is a number that somebody published or measured, beside what
isoflop derives from the public data; the tests check the same rows. Where the two differ by more than the printed
digits, the cause is said. Rows of an earlier solver or refit were never published: they are kept so that a change of
the solver cannot go unnoticed.

{count} rows: {equal} agree to the digits printed, {explained} differ for a cause that is given{rest}.
"""
HEAD = "\n## {title}\n\n| published | printed | here | gap | |\n|---|---|---|---|---|\n"


class Frontier(Published):
    """A row of the frontiers: its printed number is no text, so it counts as equal to four decimals only."""

    @property
    def rounding(self) -> float:
        return 5e-5


def main() -> None:
    place = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ISOFLOP_DATA", "")
    if not place:
        sys.exit("Say where the public run data are: make published ISOFLOP_DATA=DIRECTORY")
    data = Path(place)
    sections = {
        **SECTIONS,
        "Frontiers": [
            Frontier(case.name, repr(float(case.printed)), case.ours, case.tolerance, case.cause) for case in FRONTIERS
        ],
    }
    equal, explained, missed, text = 0, 0, 0, ""
    for title, cases in sections.items():
        print(title, file=sys.stderr, flush=True)
        text += HEAD.format(title=title)
        for case, ours in derived(cases, data):
            is_equal, agrees = abs(ours - float(case.printed)) <= case.rounding, case.agrees(ours)
            equal, explained, missed = equal + is_equal, explained + (agrees and not is_equal), missed + (not agrees)
            text += row(case, ours, agrees=agrees, is_equal=is_equal)
    rest = f", {missed} disagree" if missed else ""
    head = INTRODUCTION.format(count=equal + explained + missed, equal=equal, explained=explained, rest=rest)
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(head + text, encoding="utf-8")
    sys.exit(1 if missed else 0)


def derived(cases: list[Published], data: Path) -> Iterator[tuple[Published, float]]:
    """Each case with what is derived here."""
    for case in cases:
        yield case, float(case.ours(data))


def row(case: Published, ours: float, *, agrees: bool, is_equal: bool) -> str:
    """A line of the table."""
    gap = "" if is_equal else f"{ours - float(case.printed):+.2g}"
    reason = "equal" if is_equal else case.cause if agrees else f"**disagrees**: {case.cause or 'no cause is known'}"
    return f"| {case.name} | {case.printed} | {ours:.{digits(case)}g} | {gap} | {reason} |\n"


def digits(case: Published) -> int:
    """As many significant digits as are printed, and one more, but not below four nor above eight."""
    printed = case.printed.lower().partition("e")[0].lstrip("-0.").replace(".", "")
    return min(max(len(printed) + 1, 4), 8)


if __name__ == "__main__":
    main()
