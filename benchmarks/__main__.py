"""`python -m benchmarks [PEER_PYTHON]`: measure everything, write docs/reference/benchmarks.md, exit 1 on a miss."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before NumPy is loaded

from benchmarks.tasks import Row, all_rows

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"
PEER = Path(__file__).parents[1] / ".venv" / "peer" / "bin" / "python"
INTRODUCTION = """# Benchmarks

Written by `make bench`; do not edit. {machine}, {date}; Python {python}, NumPy {numpy}, SciPy {scipy}.

Times are CPU seconds of one process with one thread, unless they are said to be wall time; the peer runs on the same
data in the same session. Objectives are relative to the certified optimum of these 240 runs, 0.001018274017800603.
The load on the machine was {load:.1f} when the measurements ended: ratios carry over to other machines, seconds do not.

| task | isoflop | peer | ratio | target | |
|---|---|---|---|---|---|
"""


def main() -> None:
    interpreter = Path(sys.argv[1]) if len(sys.argv) > 1 else PEER
    rows = all_rows(interpreter, lambda text: print(text, file=sys.stderr, flush=True))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(rows))
    print(page(rows))
    sys.exit(0 if all(row.met for row in rows) else 1)


def page(rows: list[Row]) -> str:
    """The table as Markdown."""
    head = INTRODUCTION.format(
        machine=machine(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        python=platform.python_version(),
        numpy=version("numpy"),
        scipy=version("scipy"),
        load=os.getloadavg()[0],
    )
    lines = [
        f"| {row.task} | {row.ours} | {row.peer} | {row.result} | {row.target} | {'met' if row.met else 'missed'} |"
        for row in rows
    ]
    return head + "\n".join(lines) + "\n"


def machine() -> str:
    """The processor's name and how many there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name} ({os.cpu_count()} cores), {platform.system()}"


if __name__ == "__main__":
    main()
