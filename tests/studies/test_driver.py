"""A whole study: its steps and their order, faults in the middle of it, and going on afterwards."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from isoflop.errors import EnvironmentFailure, UsageError
from isoflop.runs.directory import RunDirectory
from isoflop.studies import dispatch
from isoflop.studies.dispatch import train_runs
from isoflop.studies.driver import StudyOutcome, prepare_study, run_study
from isoflop.studies.engine import CANNOT_GO_ON, Engine, Job, JobStatus
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import QuietReporter, Reporter, StudyProgress
from isoflop.studies.status import study_status
from isoflop.studies.verification import verify_study

DRIVE = """
import sys
from pathlib import Path
from rich.console import Console
from isoflop.errors import IsoflopError
from isoflop.studies import driver
from isoflop.studies.driver import run_study
from isoflop.studies.progress import PlainReporter
driver.write_study_report = lambda study, directory: None
try:
    run_study(Path(sys.argv[1]), reporter=PlainReporter(Console(width=200)))
except IsoflopError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
except KeyboardInterrupt:
    sys.exit(130)
"""
# About a second a run: a fault can strike while it trains.
SLOW = ('"4k", "8k", "16k"', '"20k", "150k"')


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The report takes longer than these trainings; one test writes it, the others are about what comes before."""
    if request.function is not test_a_study_goes_from_plan_to_outcome:
        monkeypatch.setattr("isoflop.studies.driver.write_study_report", lambda study, directory: None)


class Notes(QuietReporter):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.seen: list[StudyProgress] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def update(self, progress: StudyProgress) -> None:
        self.seen.append(progress)


def measured(study_file: Path) -> dict[str, object]:
    """Everything about the runs that must not depend on how they came about."""
    results = {}
    for place in study_file.parent.glob("runs/*"):
        run = RunDirectory(place).result()
        assert run is not None
        results[place.name] = (run.state, run.loss, run.loss_standard_error, run.curve)
    return results


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory, text_directory: Path
) -> Callable[[Callable[..., Path]], dict[str, object]]:
    """What the slow study comes to when nothing happens to it."""
    kept: dict[str, object] = {}

    def results(make_study: Callable[..., Path]) -> dict[str, object]:
        if not kept:
            place = make_study(SLOW)
            run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter())
            kept.update(measured(place))
        return kept

    return results


@pytest.fixture
def drive() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(study_file: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVE, str(study_file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def training_attempts(study_file: Path) -> list[RunDirectory]:
    """Runs that are training now."""
    logs = study_file.parent.glob("runs/*/attempts/*/metrics.jsonl")
    runs = [RunDirectory(log.parent.parent.parent) for log in logs]
    return [run for run in runs if not run.is_done() and run.attempts()[-1].is_alive()]


def processes_of(study_file: Path) -> list[int]:
    """Every process that was started on the study's directory."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().split(b"\0")
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(study_file.parent).encode() in command and state != "Z":
            found.append(int(place.name))
    return found


def test_a_study_goes_from_plan_to_outcome(make_study: Callable[..., Path]) -> None:
    place = make_study()
    assert "not started" in str(study_status(place.parent))
    reporter = Notes()
    outcome = run_study(place, reporter=reporter)
    assert isinstance(outcome, StudyOutcome)
    record = outcome.to_dict()
    assert record["schema"] == "isoflop.study/1"
    assert {state: record["runs"][state] for state in ("done", "failed", "diverged")} == {
        "done": 10,
        "failed": 0,
        "diverged": 0,
    }
    assert json.loads(Path(record["fit"]).read_text())["law"] == "chinchilla-no-floor"
    (row,) = record["held_out"]
    assert row["actual"] == pytest.approx(row["forecast"]["value"] / (1 + row["error"]))
    assert "Cost: " in reporter.notes[0] and "about" in reporter.notes[0]
    assert "complete (10 done)" in str(study_status(place))
    last = reporter.seen[-1]
    assert last.title == "Training what was forecast" and last.runs[0].state == "done"

    # The forecast was on disk before the run it is about had begun.
    forecasts = list(place.parent.glob("forecasts/*.json"))
    held_out = RunDirectory(place.parent / "runs" / row["run"])
    assert forecasts[0].stat().st_mtime_ns < (held_out.path / "spec.json").stat().st_mtime_ns
    assert "forecast-after-outcome" not in forecasts[0].read_text()

    # Again: nothing is trained, nothing rewritten, and the answer is the same.
    times = {path: path.stat().st_mtime_ns for path in place.parent.glob("runs/**/*") if path.is_file()}
    again = run_study(place, reporter=QuietReporter())
    assert again.to_dict() == record
    assert {path: path.stat().st_mtime_ns for path in place.parent.glob("runs/**/*") if path.is_file()} == times
    assert list(place.parent.glob("forecasts/*.json")) == forecasts


def test_a_forecast_made_after_the_outcome_says_so(make_study: Callable[..., Path]) -> None:
    place = make_study()
    run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter())
    place.write_text(place.read_text().replace("draws = 100", "draws = 120"))
    outcome = run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter())
    assert len(list(place.parent.glob("forecasts/*.json"))) == 2
    assert outcome.forecast is not None
    assert "forecast-after-outcome" in {finding.code for finding in outcome.forecast.findings}


def test_killing_a_worker_and_the_nursery_loses_nothing(
    make_study: Callable[..., Path],
    drive: Callable[[Path], subprocess.Popen[str]],
    unbroken: Callable[[Callable[..., Path]], dict[str, object]],
) -> None:
    expected = unbroken(make_study)
    place = make_study(SLOW)
    process = drive(place)
    wait_for(lambda: training_attempts(place))
    owner = training_attempts(place)[0].attempts()[-1].owner()
    assert owner is not None
    nursery = int(Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(owner.pid, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{owner.pid}").exists())
    # And the process that starts them, with whatever it has at work.
    wait_for(lambda: training_attempts(place))
    os.kill(nursery, signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "inside the interval" in output or "outside the interval" in output
    assert measured(place) == expected
    assert not processes_of(place)


def test_killing_the_driver_leaves_no_orphan_and_loses_nothing(
    make_study: Callable[..., Path],
    drive: Callable[[Path], subprocess.Popen[str]],
    unbroken: Callable[[Callable[..., Path]], dict[str, object]],
) -> None:
    expected = unbroken(make_study)
    place = make_study(SLOW)
    process = drive(place)
    wait_for(lambda: list(place.parent.glob("runs/*/result.json")) and training_attempts(place))
    process.kill()
    process.wait()
    finished = {path: path.read_bytes() for path in place.parent.glob("runs/*/result.json")}
    # At once, while the orphans are still saving: they may end their run or leave it, never spoil it.
    again = drive(place)
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors
    assert measured(place) == expected
    assert all(path.read_bytes() == content for path, content in finished.items())
    wait_for(lambda: not processes_of(place), 5.0)


def test_ctrl_c_stops_within_five_seconds_and_the_study_goes_on(
    make_study: Callable[..., Path],
    drive: Callable[[Path], subprocess.Popen[str]],
    unbroken: Callable[[Callable[..., Path]], dict[str, object]],
) -> None:
    expected = unbroken(make_study)
    place = make_study(SLOW)
    stop_in_the_middle(place, drive(place), signal.SIGINT)
    status = study_status(place.parent)
    assert status.counts is not None and status.counts.running == 0 and status.counts.waiting > 0
    assert list(place.parent.glob("runs/*/attempts/1/checkpoint-*"))
    outcome = run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter())
    assert outcome.counts.done == len(expected)
    assert measured(place) == expected


def test_a_termination_stops_like_ctrl_c(
    make_study: Callable[..., Path], drive: Callable[[Path], subprocess.Popen[str]]
) -> None:
    place = make_study(SLOW)
    stop_in_the_middle(place, drive(place), signal.SIGTERM)
    assert list(place.parent.glob("runs/*/attempts/1/checkpoint-*"))


def stop_in_the_middle(place: Path, process: subprocess.Popen[str], number: signal.Signals) -> None:
    wait_for(lambda: len(training_attempts(place)) > 0)
    asked = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - asked <= 5.0
    assert process.returncode == 128 + number
    assert "to go on" in errors and str(place.parent) in errors and "Traceback" not in errors
    assert not processes_of(place)


def test_a_second_signal_stops_at_once(
    make_study: Callable[..., Path], drive: Callable[[Path], subprocess.Popen[str]]
) -> None:
    place = make_study(SLOW)
    process = drive(place)
    wait_for(lambda: len(training_attempts(place)) > 0)
    # Workers that are stopped cannot answer the first signal.
    owners = [run.attempts()[-1].owner() for run in training_attempts(place)]
    for owner in owners:
        assert owner is not None
        os.kill(owner.pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert time.monotonic() - asked <= 2.0
    assert process.returncode == 130
    wait_for(lambda: not processes_of(place), 2.0)


def test_a_full_disk_is_said_once_and_harms_nothing(make_study: Callable[..., Path]) -> None:
    place = make_study()
    prepared = prepare_study(place)
    limit = 3000

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    told = subprocess.run(
        [sys.executable, "-c", DRIVE, str(place)], capture_output=True, text=True, preexec_fn=no_large_files, timeout=60
    )
    assert told.returncode == EnvironmentFailure.exit_code, told.stderr
    assert "metrics.jsonl cannot be written" in told.stderr and "Traceback" not in told.stderr
    assert not list(place.parent.glob("runs/*/result.json"))
    train_runs(place.parent, prepared.of("ladder"), engine_for(place, "inline"), QuietReporter(), "ladder")
    status = study_status(place.parent)
    assert status.counts is not None and status.counts.done == 9 and status.counts.failed == 0


def test_a_run_that_diverges_is_left_behind(make_study: Callable[..., Path]) -> None:
    place = make_study(("coefficient = 0.25", "coefficient = 1e-11\nwidth_power = 11.0"))
    prepared = prepare_study(place)
    engine = engine_for(place, "inline")
    train_runs(place.parent, prepared.of("ladder"), engine, QuietReporter(), "ladder")
    status = study_status(place.parent)
    assert status.counts is not None
    assert status.counts.diverged == 6 and status.counts.done == 3 and status.counts.waiting == 1


class CrashingEngine(Engine):
    """Every job of `crashing` ends with `status`; the others are trained in this process."""

    name, slots = "crashing", 1

    def __init__(self, place: Path, crashing: str, status: JobStatus) -> None:
        self._inner = engine_for(place / "study.toml", "inline")
        self._crashing, self._status = crashing, status
        self._pending = False
        self.crashes = 0

    def submit(self, jobs: Sequence[Job]) -> None:
        self._pending = self._pending or any(job.identifier == self._crashing for job in jobs)
        self._inner.submit([job for job in jobs if job.identifier != self._crashing])

    def poll(self, wait: float = 0.0) -> Mapping[str, JobStatus]:
        told = dict(self._inner.poll())
        if self._pending:
            self._pending, self.crashes = False, self.crashes + 1
            told[self._crashing] = self._status
        return told

    def cancel(self, *, now: bool = False) -> None:
        self._pending = False
        self._inner.cancel(now=now)

    def close(self) -> None:
        self._inner.close()

    def logs(self, identifier: str, lines: int = 20) -> str:
        return "the last line" if identifier == self._crashing else ""


def test_a_run_that_keeps_crashing_is_recorded_and_the_study_goes_on(make_study: Callable[..., Path]) -> None:
    place = make_study()
    prepared = prepare_study(place)
    ladder = prepared.of("ladder")
    name = ladder[4].spec.identifier
    engine = CrashingEngine(place.parent, name, JobStatus("ended", -signal.SIGKILL))
    train_runs(place.parent, ladder, engine, QuietReporter(), "ladder")
    assert engine.crashes == dispatch.RETRIES + 1
    result = RunDirectory(place.parent / "runs" / name).result()
    assert result is not None and result.state == "failed" and result.loss is None
    assert "SIGKILL" in result.message and "memory" in result.message and "the last line" in result.message
    status = study_status(place.parent)
    assert status.counts is not None and status.counts.failed == 1 and status.counts.done == 8

    outcome = run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter(), retry_failed=True)
    assert outcome.counts.failed == 0 and outcome.counts.done == 10


def test_a_worker_that_cannot_go_on_ends_the_study_with_its_words(make_study: Callable[..., Path]) -> None:
    place = make_study()
    ladder = prepare_study(place).of("ladder")
    status = JobStatus("ended", CANNOT_GO_ON, "metrics.jsonl cannot be written (No space left on device).")
    with pytest.raises(EnvironmentFailure, match="No space left"):
        train_runs(
            place.parent, ladder, CrashingEngine(place.parent, ladder[0].spec.identifier, status), QuietReporter(), "x"
        )


def test_repeated_text_is_said(make_study: Callable[..., Path]) -> None:
    prepared = prepare_study(make_study(('tokens = "48k"', 'tokens = "4M"')))
    assert [finding.code for finding in prepared.findings] == ["repeated-text"]
    assert "times over" in str(prepared)


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="use one of local, inline, slurm, ray"):
        engine_for(tmp_path / "study.toml", "slrum")
    assert isinstance(QuietReporter(), Reporter)


def test_a_study_that_is_moved_is_the_same_study(
    make_study: Callable[..., Path], text_directory: Path, tmp_path: Path
) -> None:
    """Its own text may even be gone: what counts is kept with the study, by digest."""
    place = make_study((f'directory = "{text_directory}"', 'directory = "words"'))
    shutil.copytree(text_directory, place.parent / "words")
    outcome = run_study(place, engine=engine_for(place, "inline"), reporter=QuietReporter())
    moved = tmp_path / "elsewhere" / "moved"
    moved.parent.mkdir()
    shutil.move(place.parent, moved)
    shutil.rmtree(moved / "words")
    assert not verify_study(moved).refused
    again = run_study(moved / "study.toml", engine=engine_for(moved / "study.toml", "inline"), reporter=QuietReporter())
    assert again.counts == outcome.counts
    assert len(list(moved.glob("corpus/*.json"))) == 1
