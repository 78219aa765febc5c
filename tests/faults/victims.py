"""Studies to be tormented: cheap runs of a program, real runs of the lab, their driver, and what must come of them."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from isoflop.runs.directory import RunDirectory
from isoflop.studies.driver import PreparedStudy, prepare_study

COMMON = """
[training]
context = 32
batch_tokens = 256
[training.learning_rate]
coefficient = 0.25
[fit]
law = "chinchilla-no-floor"
draws = 30
"""
CHEAP = (
    """
name = "cheap"
[text]
source = "own"
vocab = 256
tokens = "1M"
[trainer]
command = ["sh", "-c", '''
sleep {pause}
echo "{{{{\\"tokens\\": {{tokens}}, \\"loss\\": 3.{{width}}{{seed}}}}}}" > "{{directory}}/metrics.jsonl"
''']
[ladder]
widths = [8]
layers = 1
head_width = 8
tokens = ["4k"]
repeats = {{ 8 = {runs} }}
"""
    + COMMON
)
REAL = (
    """
name = "real"
[text]
source = "directory"
directory = "text"
[ladder]
widths = [8, 16]
layers = 1
head_width = 8
tokens = ["20k", "40k"]
repeats = {{ 8 = {runs}, 16 = {runs} }}
[evaluation]
windows = 32
"""
    + COMMON
)
DRIVE = """
import sys
from pathlib import Path
from isoflop.errors import IsoflopError
from isoflop.studies.dispatch import train_runs
from isoflop.studies.driver import prepare_study
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import QuietReporter
place, on = Path(sys.argv[1]), sys.argv[2]
try:
    engine = engine_for(place, on, slots=2)
    try:
        prepared = prepare_study(place, 2)
        launch = prepared.study.launch if prepared.study.trainer else None
        # How many crashes a run may have is tested elsewhere; here every run must come to its end.
        train_runs(place.parent, prepared.planned, engine, QuietReporter(), "", launch, retries=10**6)
    finally:
        engine.close()
except IsoflopError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
except KeyboardInterrupt:
    sys.exit(130)
"""


@dataclass
class Tally:
    """What was done to studies, `asked` times at least, and what came of their completed runs: the rest must stay 0."""

    fault: str
    injected: int = 0
    completed: int = 0
    lost: int = 0
    duplicated: int = 0
    corrupted: int = 0
    stuck: int = 0
    orphans: int = 0
    slow: int = 0
    asked: int = 0
    notes: list[str] = field(default_factory=list)

    def is_clean(self) -> bool:
        wrong = self.lost or self.duplicated or self.corrupted or self.stuck or self.orphans or self.slow
        return not wrong and self.injected >= self.asked


def cheap_study(place: Path, runs: int, pause: float = 0.02) -> Path:
    return _written(place, CHEAP.format(runs=runs, pause=pause))


def real_study(place: Path, runs: int) -> Path:
    study_file = _written(place, REAL.format(runs=runs))
    choose = random.Random(0)
    words = ["".join(choose.choices("abcdefghij", k=choose.randint(2, 6))) for _ in range(400)]
    (place / "text").mkdir(exist_ok=True)
    text = " ".join(choose.choices(words, weights=[1 / (rank + 1) for rank in range(400)], k=200_000))
    (place / "text" / "words.txt").write_text(text)
    return study_file


def _written(place: Path, text: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "study.toml").write_text(text)
    return place / "study.toml"


def start_driver(study_file: Path, on: str = "local", **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVE, str(study_file), on],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def processes_of(study_file: Path) -> dict[int, str]:
    """Every living process that was started on the study's directory, with the part it plays."""
    found = {}
    wanted = str(study_file.parent).encode()
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as stream:
                command = stream.read()
            if wanted not in command:
                continue
            with open(f"/proc/{name}/stat") as stream:
                fields = stream.read().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] in "ZX":
            continue
        found[int(name)] = _part(command, int(fields[1]))
    return found


def _part(command: bytes, parent: int) -> str:
    if b"isoflop.studies.nursery" in command:
        try:
            with open(f"/proc/{parent}/cmdline", "rb") as stream:
                return "worker" if b"isoflop.studies.nursery" in stream.read() else "nursery"
        except OSError:
            return "worker"
    for mark, part in ((b"guard.py", "guard"), (b"train_runs", "driver")):
        if mark in command:
            return part
    return "program"


def wait_until(condition: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Results:
    """The results of a study as they were when first seen: none may vanish or change afterwards."""

    def __init__(self, study_file: Path) -> None:
        self._runs = study_file.parent / "runs"
        self._first: dict[str, tuple[int, str]] = {}

    def look(self) -> None:
        for place in self._runs.glob("*/result.json"):
            if place.parent.name not in self._first:
                self._first[place.parent.name] = self._stamp(place)

    def changed(self) -> int:
        places = {name: self._runs / name / "result.json" for name in self._first}
        return sum(not place.exists() or self._stamp(place) != self._first[name] for name, place in places.items())

    @staticmethod
    def _stamp(place: Path) -> tuple[int, str]:
        return place.stat().st_ino, hashlib.sha256(place.read_bytes()).hexdigest()


Outcome = tuple[object, ...]


def outcomes(prepared: PreparedStudy) -> dict[str, Outcome | None]:
    """Everything about the planned runs that must not depend on how they came about; None where one is lost."""
    found: dict[str, Outcome | None] = {}
    for run in prepared.planned:
        result = RunDirectory(prepared.directory / "runs" / run.spec.identifier).result()
        found[run.spec.identifier] = (
            None if result is None else (result.state, result.loss, result.loss_standard_error, result.curve)
        )
    return found


def expected_outcomes(study_file: Path, place: Path) -> dict[str, Outcome | None]:
    """What the same study comes to in a directory of its own when nothing happens to it."""
    study = study_file.read_text().replace('directory = "text"', f'directory = "{study_file.parent / "text"}"')
    calm = _written(place, study)
    driver = start_driver(calm)
    _, errors = driver.communicate(timeout=900)
    assert driver.returncode == 0, errors
    return outcomes(prepare_study(calm))


def settle(tally: Tally, study_file: Path, expected: dict[str, Outcome | None], results: Results | None = None) -> None:
    """Count what came of a study that has been driven to its end."""
    found = outcomes(prepare_study(study_file))
    tally.completed += sum(outcome is not None for outcome in found.values())
    tally.lost += sum(outcome is None for outcome in found.values())
    tally.corrupted += sum(
        outcome is not None and outcome != expected[identifier] for identifier, outcome in found.items()
    )
    tally.duplicated += results.changed() if results is not None else 0
    if not wait_until(lambda: not processes_of(study_file), 6.0):
        tally.orphans += len(processes_of(study_file))
