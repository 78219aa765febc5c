"""A disk that is full, broken or at its limit from the n-th write on: for every n, and for each of three errors.

    python -m tests.faults.disk cheap|real PLACE [EVERY]      (with the shim preloaded; prints a tally as JSON)

For each n a child is forked that trains a small study from nothing, then stops in the middle of it and goes on. It must
end by itself with a sentence and exit code 2, or not have needed that write; what is done must be right; and when the
disk is well again, the study must come to its end with the results it should have.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import redirect_stderr
from dataclasses import asdict
from pathlib import Path

from isoflop.errors import IsoflopError
from isoflop.studies.dispatch import train_runs
from isoflop.studies.driver import PreparedStudy, prepare_study
from isoflop.studies.engine import CANNOT_GO_ON
from isoflop.studies.inline import InlineEngine
from isoflop.studies.progress import QuietReporter
from isoflop.studies.worker import work
from tests.faults.shims import compiled
from tests.faults.victims import Tally, cheap_study, outcomes, real_study

ERRORS = (errno.ENOSPC, errno.EIO, errno.EFBIG)


def fill_disks(place: Path, kind: str, every: int = 1) -> Tally:
    """Every `every`-th write of a study of `kind` (cheap or real) fails, and all after it."""
    place.mkdir(parents=True, exist_ok=True)
    told = subprocess.run(
        [sys.executable, "-m", "tests.faults.disk", kind, str(place), str(every)],
        env={**os.environ, "LD_PRELOAD": str(compiled("disk", place))},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return Tally(**json.loads(told.stdout.splitlines()[-1]))


def _campaign(kind: str, place: Path, every: int) -> Tally:
    tally = Tally(f"ENOSPC, EIO, EFBIG at every write, {kind} runs")
    template = cheap_study(place / "template", 2, 0.0) if kind == "cheap" else real_study(place / "template", 1)
    text = template.read_text().replace("[trainer]", '[trainer]\nenvironment = { LD_PRELOAD = "" }')
    text = text.replace('tokens = ["20k", "40k"]', 'tokens = ["8k"]')
    template.write_text(text)
    if kind == "real":
        prepare_study(template)
    counting = {"FAULT_AT": "0", "FAULT_COUNT": str(place / "count"), "FAULT_ROOT": f"{template.parent}/runs"}
    assert _in_child(template, **counting)[0] == 0
    points = int((place / "count").read_text())
    expected = outcomes(prepare_study(template))
    shutil.rmtree(template.parent / "runs")
    absorbed = 0
    for number in ERRORS:
        for point in range(1, points + 1, every):
            study = place / "victim"
            shutil.rmtree(study, ignore_errors=True)
            shutil.copytree(template.parent, study)
            code, said = _in_child(
                study / "study.toml", FAULT_AT=str(point), FAULT_ERRNO=str(number), FAULT_ROOT=f"{study}/runs"
            )
            tally.injected += 1
            absorbed += code == 0
            _judge(tally, study / "study.toml", expected, code, said, f"{errno.errorcode[number]} at write {point}")
    tally.notes.insert(0, f"{points} writes, 3 errors; {absorbed} were not needed for a result")
    return tally


def _judge(
    tally: Tally, study_file: Path, expected: dict[str, tuple[object, ...] | None], code: int, said: str, where: str
) -> None:
    if code not in (0, CANNOT_GO_ON) or "Traceback" in said or (code and "cannot be" not in said and ":" not in said):
        tally.stuck += 1
        tally.notes.append(f"{where}: exit {code}: {said.strip()[-300:]}")
    try:
        after = outcomes(prepare_study(study_file))
        tally.corrupted += sum(found not in (None, expected[run]) for run, found in after.items())
    except IsoflopError as error:
        tally.corrupted += 1
        tally.notes.append(f"{where}: {error}")
    code, said = _in_child(study_file)
    if code:
        tally.stuck += 1
        tally.notes.append(f"{where}: after the repair exit {code}: {said.strip()[-300:]}")
    repaired = outcomes(prepare_study(study_file))
    tally.completed += sum(found is not None for found in repaired.values())
    tally.lost += sum(found is None for found in repaired.values())
    tally.corrupted += sum(found not in (None, expected[run]) for run, found in repaired.items())


def _in_child(study_file: Path, **environment: str) -> tuple[int, str]:
    """Train a study in a forked process; its exit code and what it said."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        os.environ.update(environment)
        said = io.StringIO()
        code = 1
        try:
            with redirect_stderr(said):
                code = _train(study_file)
        finally:
            os.write(write_end, said.getvalue().encode()[-4000:])
            os._exit(code)
    os.close(write_end)
    with os.fdopen(read_end) as stream:
        told = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told


def _train(study_file: Path) -> int:
    try:
        prepared = prepare_study(study_file)
        _stop_in_the_middle(prepared)
        launch = prepared.study.launch if prepared.study.trainer else None
        train_runs(prepared.directory, prepared.planned, InlineEngine(prepared.directory), QuietReporter(), "", launch)
        return 0
    except IsoflopError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception as error:
        print(f"Traceback: {error!r}", file=sys.stderr)
        return 1


def _stop_in_the_middle(prepared: PreparedStudy) -> None:
    """One worker on one real run is told to stop at its first step, so that a checkpoint is written and read."""
    run = prepared.planned[0]
    directory = prepared.directory / "runs" / run.spec.identifier
    if run.spec.trainer is None and directory.is_dir() and not list(directory.glob("attempts/*")):
        stop = threading.Event()
        stop.set()
        work(prepared.directory, run.spec.identifier, stop=stop)


def main() -> None:
    kind, place, every = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    # Retries of a run that cannot be written need no pause between them here.
    time.sleep = lambda seconds: None
    if kind == "real":
        import isoflop.lab.training  # noqa: F401
        from isoflop.lab.environment import use_one_thread, warm_up

        use_one_thread()
        warm_up()
    print(json.dumps(asdict(_campaign(kind, place, every))))


if __name__ == "__main__":
    main()
