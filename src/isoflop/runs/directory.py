"""A run's directory on disk: the one place that writes and reads it.

    runs/<id>/spec.json                     what is to be trained; <id> is its identifier
    runs/<id>/launch.json                   how its training is started: limits, environment, devices
    runs/<id>/attempts/<k>/owner.json       which process works, or worked, on attempt k
    runs/<id>/attempts/<k>/heartbeat        touched while it does, gone once it has stopped
    runs/<id>/attempts/<k>/metrics.jsonl    one checksummed record a line
    runs/<id>/attempts/<k>/log.txt          what the process printed
    runs/<id>/attempts/<k>/checkpoint-*     where it can go on from
    runs/<id>/attempts/<k>/output/          what a program of the user's wrote
    runs/<id>/attempts/<k>/end.json         how the work on it ended, for engines that cannot ask its process
    runs/<id>/attempts/<k>/late-result.json a result that came after the run was done, kept aside
    runs/<id>/result.json                   the result; a run is done if and only if it is there

The number of an attempt is a fencing token: an attempt appears whole by one rename, numbers only grow, and an
attempt that finds a higher number than its own may no longer commit. No lock is ever held, so none has to be broken.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from isoflop import records
from isoflop.errors import EnvironmentFailure, InputError
from isoflop.runs.liveness import ProcessIdentity, is_certainly_gone, this_process
from isoflop.runs.run import Curve, Run, State
from isoflop.runs.spec import Devices, Launch, RunSpec

LEASE_SECONDS = 60.0
"""An attempt whose heartbeat is older may be taken over; workers beat every few seconds."""


@dataclass(frozen=True)
class Metrics:
    """The readable records of a metrics log in the order they were written, and the count of lines that were not."""

    records: tuple[dict[str, Any], ...]
    unreadable_lines: int


@dataclass(frozen=True)
class Attempt:
    """One try at a run: `path` its directory, `number` its fencing token."""

    path: Path
    number: int

    @property
    def metrics_path(self) -> Path:
        """Where its records are logged."""
        return self.path / "metrics.jsonl"

    @property
    def log_path(self) -> Path:
        """Where what it prints is kept."""
        return self.path / "log.txt"

    @property
    def output_path(self) -> Path:
        """Where a program of the user's may write."""
        return self.path / "output"

    def log(self, record: Mapping[str, Any]) -> None:
        """Append one record as one complete line with a checksum, never onto a torn one.

        Raises:
            EnvironmentFailure: the line could not be written whole.
        """
        line = records.canonical_json({**record, "crc": _checksum(record)}).encode() + b"\n"
        try:
            descriptor = os.open(self.metrics_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line
                if os.write(descriptor, line) < len(line):
                    raise OSError(0, "only part of a line fitted")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise EnvironmentFailure(
                f"{self.metrics_path} cannot be written ({error.strerror}): free space, then run the study again; "
                "it goes on where it was."
            ) from error

    def metrics(self) -> Metrics:
        """What it logged; torn, changed and foreign lines are skipped and counted."""
        return read_metrics(self.metrics_path)

    def beat(self) -> None:
        """Say that this attempt is still at work."""
        try:
            (self.path / "heartbeat").touch()
        except OSError as error:
            raise EnvironmentFailure(f"{self.path / 'heartbeat'} cannot be touched ({error.strerror}).") from error

    def release(self) -> None:
        """Say that the work on this attempt has ended, so that the run may be claimed again at once."""
        with contextlib.suppress(OSError):
            (self.path / "heartbeat").unlink()

    def record_end(self, exit_code: int, message: str) -> None:
        """Keep how the work ended, as far as the disk allows: what counts is the result."""
        with contextlib.suppress(EnvironmentFailure):
            record = {"schema": "isoflop.attempt-end/1", "exit_code": exit_code, "message": message}
            records.write_record(self.path / "end.json", record)

    def end(self) -> tuple[int, str] | None:
        """The exit code and last words that `record_end` kept, None where the attempt was cut off."""
        try:
            record = records.read_record(self.path / "end.json", "isoflop.attempt-end/1")
            return int(record["exit_code"]), str(record["message"])
        except (InputError, KeyError, TypeError, ValueError):
            return None

    def is_current(self) -> bool:
        """Whether no later attempt has taken the run over."""
        return max(_numbers(self.path.parent), default=0) <= self.number

    def is_alive(self, lease: float = LEASE_SECONDS) -> bool:
        """Whether its process may still be at work: not certainly gone, and seen within `lease` seconds.

        A heartbeat further than that in the future was made before the clock was put back: it says nothing. To take a
        living attempt for a dead one costs work, never a result: only the later one may commit.
        """
        owner = self.owner()
        return owner is not None and not is_certainly_gone(owner) and abs(self._silence()) <= lease

    def owner(self) -> ProcessIdentity | None:
        """The process that started it, None if its record cannot be read."""
        try:
            fields = records.read_record(self.path / "owner.json", "isoflop.attempt/1")
            return ProcessIdentity(fields["machine"], fields["pid"], fields["started"])
        except (InputError, KeyError):
            return None

    def _silence(self) -> float:
        """Seconds since the last heartbeat, both ends told by the clock of the file system, never by ours."""
        try:
            with tempfile.NamedTemporaryFile(prefix=".now-", dir=self.path) as probe:
                now = os.stat(probe.name).st_mtime
            return now - (self.path / "heartbeat").stat().st_mtime
        except OSError:
            return float("inf")


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one run; see the module for what is in it."""

    path: Path

    @property
    def identifier(self) -> str:
        """The identifier of the run, which is the name of its directory."""
        return self.path.name

    @property
    def result_path(self) -> Path:
        """The file whose presence means that the run is done."""
        return self.path / "result.json"

    @property
    def launch_path(self) -> Path:
        """Where it says how its training is started."""
        return self.path / "launch.json"

    @property
    def attempts_path(self) -> Path:
        """Where the attempts stand."""
        return self.path / "attempts"

    def spec(self) -> RunSpec:
        """What is to be trained.

        Raises:
            InputError: `spec.json` is missing, unreadable, or not the spec this directory is named after.
        """
        place = self.path / "spec.json"
        record = records.read_record(place, "isoflop.run-spec/1")
        try:
            spec = RunSpec.from_dict(record)
        except (KeyError, TypeError) as error:
            raise InputError(f"{place} lacks or has an unknown field ({error}): delete it and run again.") from error
        if spec.identifier != self.identifier:
            raise InputError(f"{place} is the spec of run {spec.identifier}: delete it and run again.")
        return spec

    def launch(self) -> Launch:
        """How its training is started here; what `Launch` says by itself where nothing was written."""
        if not self.launch_path.exists():
            return Launch()
        record = records.read_record(self.launch_path, "isoflop.launch/1")
        told = {key: value for key, value in record.items() if key != "schema"}
        try:
            return Launch(**{**told, "devices": Devices(**told.get("devices", {}))})
        except TypeError as error:
            raise InputError(f"{self.launch_path} lacks or has an unknown field ({error}): delete it.") from error

    def set_launch(self, launch: Launch) -> None:
        """Write how its training is started, unless that is what stands there or goes without saying."""
        if launch == Launch() and not self.launch_path.exists():
            return
        record = {"schema": "isoflop.launch/1", **asdict(launch)}
        if _digest_of(self.launch_path) != records.digest(record):
            records.write_record(self.launch_path, record, synced=False)

    def is_done(self) -> bool:
        """Whether the run has a result."""
        return self.result_path.exists()

    def result(self) -> Run | None:
        """The finished run with its curve, None while it is not done."""
        if not self.is_done():
            return None
        record = records.read_record(self.result_path, "isoflop.run/1")
        try:
            return Run.from_dict(record, self.curve())
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{self.result_path} lacks or has an unknown field ({error}): delete it to train the run again."
            ) from error

    def attempts(self) -> tuple[Attempt, ...]:
        """All attempts, oldest first."""
        return tuple(Attempt(self.attempts_path / str(n), n) for n in sorted(_numbers(self.attempts_path)))

    def start_attempt(self, lease: float = LEASE_SECONDS) -> Attempt | None:
        """Claim the run under the next number, or None if it is done or a living attempt has it.

        Of many callers at once exactly one gets a number: the attempt is made beside its place with its owner
        in it, and renamed there, which fails for all but the first.
        """
        while not self.is_done():
            latest = self.attempts()[-1:]
            if latest and latest[0].is_alive(lease):
                return None
            number = latest[0].number + 1 if latest else 1
            if self._place_attempt(number):
                return Attempt(self.attempts_path / str(number), number)
        return None

    def commit(self, attempt: Attempt, run: Run) -> bool:
        """Publish the result of an attempt exactly once; say whether it is now the result of the run.

        The result of an attempt that was overtaken, or came after another, is kept in its own directory.
        """
        if run.spec.identifier != self.identifier:
            raise InputError(f"{self.path}: the result is of run {run.spec.identifier}, not of this one.")
        _sync(attempt.metrics_path)
        text = records.to_json(run.to_dict(), indent=1) + "\n"
        if attempt.is_current() and records.publish_once(self.result_path, text):
            return True
        records.write_text(attempt.path / "late-result.json", text)
        return False

    def reopen(self) -> None:
        """Take the result back, so that the run is trained again; it is kept as `late-result.json`."""
        latest = self.attempts()[-1:]
        place = latest[0].path if latest else self.path
        try:
            os.replace(self.result_path, place / "late-result.json")
        except FileNotFoundError:
            return
        except OSError as error:
            raise EnvironmentFailure(f"{self.result_path} cannot be moved ({error.strerror}).") from error

    def metrics(self) -> Metrics:
        """The records of all attempts, oldest attempt first."""
        logs = [attempt.metrics() for attempt in self.attempts()]
        joined = tuple(record for log in logs for record in log.records)
        return Metrics(joined, sum(log.unreadable_lines for log in logs))

    def curve(self) -> Curve:
        """The learning curve stitched from all attempts by step; where two tell the same step, the later one counts."""
        return stitch(self.metrics().records)

    def checkpoints(self) -> tuple[Path, ...]:
        """All checkpoints over all attempts, the furthest in training first, then the latest attempt.

        A checkpoint is an entry `checkpoint-<step>` (with any extension) of an attempt's directory.
        """
        found = [
            (int(match[1]), attempt.number, entry)
            for attempt in self.attempts()
            for entry in attempt.path.iterdir()
            if (match := re.fullmatch(r"checkpoint-(\d+)(\.safetensors)?", entry.name))
        ]
        return tuple(entry for _, _, entry in sorted(found, reverse=True))

    def _place_attempt(self, number: int) -> bool:
        try:
            self.attempts_path.mkdir(parents=True, exist_ok=True)
            staged = Path(tempfile.mkdtemp(prefix=".staged-", dir=self.attempts_path))
        except OSError as error:
            raise EnvironmentFailure(
                f"{self.attempts_path} cannot be written ({error.strerror}): free space."
            ) from error
        try:
            staged.chmod(0o755)
            # No process outlives what could take an owner that is not synced, and an attempt without one is not alive.
            owner = {"schema": "isoflop.attempt/1", **asdict(this_process())}
            records.write_record(staged / "owner.json", owner, synced=False)
            (staged / "heartbeat").touch()
            # A directory that is there and not empty cannot be renamed onto; an attempt is never empty.
            os.rename(staged, self.attempts_path / str(number))
            return True
        except OSError:
            shutil.rmtree(staged, ignore_errors=True)
            if (self.attempts_path / str(number)).exists():
                return False
            raise
        except EnvironmentFailure:
            shutil.rmtree(staged, ignore_errors=True)
            raise


def create_run_directory(study_directory: Path, spec: RunSpec) -> RunDirectory:
    """The directory of `spec` under `study_directory/runs`, made if it is not there; doing it twice is the same."""
    directory = RunDirectory(study_directory / "runs" / spec.identifier)
    place = directory.path / "spec.json"
    # Thousands are written before the first run starts: none waits for the disk, and one that it lost is mended here.
    if _digest_of(place)[: len(spec.identifier)] != spec.identifier:
        records.write_record(place, spec.to_dict(), synced=False)
    return directory


def run_directories(study_directory: Path) -> tuple[RunDirectory, ...]:
    """Every run of a study that has a spec, by identifier."""
    places = sorted((study_directory / "runs").glob("*/spec.json"))
    return tuple(RunDirectory(place.parent) for place in places)


@dataclass(frozen=True)
class BriefResult:
    """What a list of runs shows of a result: its state, its seconds (0 unless done), its held-out loss."""

    state: State
    seconds: float
    loss: float | None


def brief_result(directory: RunDirectory) -> BriefResult:
    """The result of a finished run without its curve; one that cannot be read counts as failed."""
    try:
        record = records.read_record(directory.result_path, "isoflop.run/1")
        if record["state"] != "done":
            return BriefResult("diverged" if record["state"] == "diverged" else "failed", 0.0, None)
        return BriefResult("done", float(record["seconds"]), float(record["loss"]))
    except (InputError, KeyError, TypeError, ValueError):
        return BriefResult("failed", 0.0, None)


def read_metrics(path: Path) -> Metrics:
    """The records of a metrics log; lines that are torn, changed or foreign are skipped and counted."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Metrics((), 0)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be read ({error.strerror}).") from error
    lines = [line for line in lines if line]
    found = [record for line in lines if (record := _record_of(line)) is not None]
    return Metrics(tuple(found), len(lines) - len(found))


def last_record(attempt: Attempt) -> dict[str, Any] | None:
    """The last readable record of an attempt, found from the end of its log without reading the whole."""
    try:
        with attempt.metrics_path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 8192))
            lines = stream.read().split(b"\n")
    except OSError:
        return None
    return next((record for line in reversed(lines) if (record := _record_of(line)) is not None), None)


def stitch(metrics: Iterable[Mapping[str, Any]]) -> Curve:
    """The learning curve of records with `step`, `tokens` and `loss`, one point a step: the last one written."""
    points: dict[int, tuple[int, float]] = {}
    for record in metrics:
        step, tokens, loss = record.get("step"), record.get("tokens"), record.get("loss")
        if isinstance(step, int) and isinstance(tokens, int) and isinstance(loss, (int, float)):
            points[step] = (tokens, float(loss))
    steps = tuple(sorted(points))
    return Curve(steps, tuple(points[step][0] for step in steps), tuple(points[step][1] for step in steps))


def _record_of(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    told = record.pop("crc", None)
    try:
        return record if told == _checksum(record) else None
    except ValueError:
        return None


def _checksum(record: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(records.canonical_json(dict(record)).encode()):08x}"


def _digest_of(place: Path) -> str:
    """The digest of the record in a file, empty where there is none that can be read."""
    try:
        return records.digest(json.loads(place.read_bytes()))
    except (OSError, ValueError):
        return ""


def _numbers(attempts: Path) -> list[int]:
    try:
        return [int(name) for name in os.listdir(attempts) if name.isdecimal()]
    except FileNotFoundError:
        return []


def _sync(path: Path) -> None:
    """Make a log durable before the result that stands for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise EnvironmentFailure(f"{path} cannot be synced ({error.strerror}).") from error
    finally:
        os.close(descriptor)
