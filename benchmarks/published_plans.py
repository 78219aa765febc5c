"""`python -m benchmarks.published_plans`: write docs/reference/disagreements.md, published numbers beside ours.

It needs no data. The rows are those that the tests check; where one is off without a recorded cause, it exits with 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.planning.published_numbers import SECTIONS, Row

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "disagreements.md"
INTRODUCTION = """# Published plans, computed again

Written by `python -m benchmarks.published_plans`; do not edit. Each row is a number that a paper prints about what to
train, beside what `isoflop plan` and the modules under it compute from the published constants. Papers contradict
themselves in places, and what is rounded once does not give the next table: such rows are shown with their gap and its
cause, not smoothed over. The tests check every row.

{count} rows: {equal} agree to the digits printed, {explained} are off for a cause that is given{rest}.
"""
HEAD = "\n## {title}\n\n| published | printed | here | gap | cause |\n|---|---|---|---|---|\n"


def main() -> None:
    text = page()
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    sys.exit(1 if "**off**" in text else 0)


def page() -> str:
    """The whole page."""
    equal = explained = missed = 0
    body = ""
    for title, rows in SECTIONS.items():
        body += HEAD.format(title=title)
        for row in rows:
            ours = row.ours()
            same, agrees = abs(row.gap(ours)) <= row.rounding, row.agrees(ours)
            equal, explained, missed = equal + same, explained + (agrees and not same), missed + (not agrees)
            body += _line(row, ours, same=same, agrees=agrees)
    rest = f", {missed} are off without one" if missed else ""
    return INTRODUCTION.format(count=equal + explained + missed, equal=equal, explained=explained, rest=rest) + body


def _line(row: Row, ours: float, *, same: bool, agrees: bool) -> str:
    digits = len(row.printed.lower().partition("e")[0].replace(".", "").replace("-", "").lstrip("0")) + 1
    gap = "" if same else f"{row.gap(ours):+.1%}"
    cause = "" if same else row.cause if agrees else f"**off** {row.cause}"
    return f"| {row.name} | {row.printed} | {ours:.{max(digits, 4)}g} | {gap} | {cause} |\n"


if __name__ == "__main__":
    main()
