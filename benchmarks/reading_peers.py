"""The corpus of dialects and malformed tables through isoflop and two peers, for docs/reference/inputs.md.

    python -m benchmarks.reading_peers SCALING_LAWS CHINCHILLA_PYTHON

SCALING_LAWS is the command `scaling-laws` of simple-scaling-laws 0.2.0 (which needs Python 3.12), CHINCHILLA_PYTHON an
interpreter that has chinchilla 0.2.0. Each file goes through reading and the default fit; a peer is told which column
is which by the names in the file. "Right" means exponents of 0.34 and 0.28, those of the ladder, within 0.005.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.reading import PAGE, replace_between
from tests.readers.corpus import CORPUS, HEADER, Case, Reads

BEGIN, END = "<!-- peers: written by `python -m benchmarks.reading_peers` -->", "<!-- end of peers -->"
ALPHA, BETA, CLOSE = 0.34, 0.28, 0.005
CASES = tuple(case for case in CORPUS if case.plain)
CHINCHILLA = """
import os, sys
os.environ.update(OMP_NUM_THREADS="1")
import numpy as np, chinchilla.core, chinchilla.database
from chinchilla import Chinchilla
from chinchilla._metrics import log_huber
pandas = chinchilla.database.pd
read = pandas.read_csv
def with_compute(path):  # the corpus has no column C, which it insists on
    table = read(path)
    if {"N", "D"} <= set(table):
        table["C"] = 6.0 * pandas.to_numeric(table.N, errors="coerce") * pandas.to_numeric(table.D, errors="coerce")
    return table
pandas.read_csv = with_compute
grid = {"e": [0.0, 1.0], "a": [5.0, 10.0], "b": [5.0, 10.0], "alpha": [0.3, 0.5], "beta": [0.3, 0.5]}
model = Chinchilla(sys.argv[1], param_grid=grid, loss_fn=log_huber, log_level=50)
model.visualizer.optim = lambda *arguments, **options: None
model.fit(parallel=False)
print(f"alpha={model.alpha:.6g}, beta={model.beta:.6g}")
"""
OURS = """
import sys
from isoflop.cli.main import main
main(["fit", sys.argv[1], "--draws", "0", "--json"])
"""


@dataclass(frozen=True)
class Answer:
    """What a tool said of a file, and how long it took."""

    text: str
    code: int
    seconds: float

    @property
    def has_traceback(self) -> bool:
        return "Traceback (most recent call last)" in self.text

    @property
    def names_the_row(self) -> bool:
        return re.search(r"\b(?:row|line)s?\W*\d+", self.text) is not None

    @property
    def is_right(self) -> bool:
        found: dict[str, float] = {}
        for name, text in re.findall(r'"?(alpha|beta)"?\s*(?:=|: \{\s*"value":)\s*(\d+\.?\d*(?:e-?\d+)?)', self.text):
            found.setdefault(name, float(text))
        known = {"alpha": ALPHA, "beta": BETA}
        return len(found) == 2 and all(abs(found[name] - value) < CLOSE for name, value in known.items())


def told(command: list[str]) -> Answer:
    started = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return Answer("no answer in two minutes", 124, 120.0)
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    return Answer(text, done.returncode, time.monotonic() - started)


def roles_in(content: bytes) -> dict[str, str]:
    """Which column of the file plays which role, as a user of a peer would have to say."""
    text = content.decode("utf-8-sig", "replace")
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip() and "\0" not in line]
    names = [cell.strip().strip('"') for cell in (lines[0] if lines else ",".join(HEADER)).split(",")]
    marks = {
        "training_run_id": ("run", "name"),
        "model_size": ("param", "size"),
        "dataset_size": ("token",),
        "test_loss": ("loss",),
    }
    return {
        role: name
        for role, words in marks.items()
        for name in names
        if len(name) < 40 and any(word in name.lower() for word in words)
    }


def by_simple_scaling_laws(program: str) -> Callable[[bytes, Path], Answer]:
    def fit(content: bytes, folder: Path) -> Answer:
        path = folder / "runs.csv"
        path.write_bytes(content)
        options = [word for role, name in roles_in(content).items() for word in ("--columns", f"{role}={name}")]
        return told([program, "fit", str(path), "-o", str(folder / "out.slaw"), "--draws", "100", *options])

    return fit


def by_chinchilla(interpreter: str) -> Callable[[bytes, Path], Answer]:
    def fit(content: bytes, folder: Path) -> Answer:
        # It takes the columns C, N, D and loss by these names only.
        renamed = content.replace(b"params", b"N", 1).replace(b"tokens", b"D", 1)
        (folder / "df.csv").write_bytes(renamed)
        return told([interpreter, "-W", "ignore", "-c", CHINCHILLA, str(folder)])

    return fit


def by_isoflop(content: bytes, folder: Path) -> Answer:
    path = folder / "runs.csv"
    path.write_bytes(content)
    return told([sys.executable, "-c", OURS, str(path)])


def verdict(case: Case, answer: Answer) -> str:
    if answer.has_traceback or answer.code == 124:
        return "traceback"
    if answer.code != 0:
        return "refused, valid" if isinstance(case.expected, Reads) else "refused, as it must"
    if answer.is_right:
        return "accepted, right"
    return "accepted, names the row" if answer.names_the_row else "accepted, wrong"


VERDICTS = {
    "accepted, right": "accepted, with the right exponents",
    "accepted, names the row": "accepted with other exponents, the row named",
    "accepted, wrong": "accepted with other exponents, the row not named",
    "refused, as it must": "refused in a sentence, as it must be",
    "refused, valid": "refused in a sentence, though it is valid",
    "traceback": "traceback",
}


def main(scaling_laws: str, chinchilla: str) -> None:
    tools = {
        "isoflop": by_isoflop,
        "simple-scaling-laws 0.2.0": by_simple_scaling_laws(scaling_laws),
        "chinchilla 0.2.0": by_chinchilla(chinchilla),
    }
    counts: dict[str, Counter[str]] = {name: Counter() for name in tools}
    seconds: dict[str, list[float]] = {name: [] for name in tools}
    named: Counter[str] = Counter()
    details = ["| file | " + " | ".join(tools) + " |", "|---" * (len(tools) + 1) + "|"]
    about_a_row = [case for case in CASES if is_about_a_row(case)]
    for case in CASES:
        cells = []
        for name, fit in tools.items():
            with tempfile.TemporaryDirectory() as folder:
                answer = fit(case.content(), Path(folder))
            said = verdict(case, answer)
            counts[name][said] += 1
            seconds[name].append(answer.seconds)
            named[name] += case in about_a_row and answer.names_the_row and not answer.has_traceback
            cells.append(said)
            if name == "isoflop" and said in ("traceback", "accepted, wrong", "refused, valid"):
                print(f"{case.name}: {said}: {answer.text[-300:]}", file=sys.stderr)
        details.append(f"| {case.name} | " + " | ".join(cells) + " |")
        print(details[-1], flush=True)
    lines = [
        f"Measured on {date.today()} with `python -m benchmarks.reading_peers`: {len(CASES)} text files of the corpus, "
        "each through reading and the default fit.",
        "",
        "| outcome | " + " | ".join(tools) + " |",
        "|---" * (len(tools) + 1) + "|",
        *(
            f"| {text} | " + " | ".join(str(counts[name][key]) for name in tools) + " |"
            for key, text in VERDICTS.items()
        ),
        f"| names the row, of {len(about_a_row)} files with one bad row | "
        + " | ".join(str(named[name]) for name in tools)
        + " |",
        "| median seconds a file, whole process | "
        + " | ".join(f"{sorted(seconds[name])[len(CASES) // 2]:.2f}" for name in tools)
        + " |",
        "",
        *details,
    ]
    replace_between(PAGE, BEGIN, END, "\n".join(lines))


def is_about_a_row(case: Case) -> bool:
    """Whether one row is what is wrong with a file."""
    if isinstance(case.expected, Reads):
        return bool(case.expected.lost) or "duplicate-rows" in case.expected.codes
    return any(part.startswith(("row 9", "line 9")) for part in case.expected.named)


if __name__ == "__main__":
    main(*sys.argv[1:3])
