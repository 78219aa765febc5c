"""The newest checkpoint damaged at many places: the one before is used, and the run comes out the same to the bit."""

from __future__ import annotations

import json
import random
import shutil
import threading
from pathlib import Path

from isoflop.lab import checkpoint as checkpoints
from isoflop.lab.environment import use_one_thread
from isoflop.lab.training import Interrupted, train
from isoflop.runs.directory import RunDirectory, create_run_directory
from isoflop.studies.driver import prepare_study
from isoflop.studies.engine import DONE
from isoflop.studies.text import load_study_text
from isoflop.studies.worker import work
from tests.faults.victims import Tally, expected_outcomes, outcomes, real_study


def damage_checkpoints(place: Path, offsets: int, resumed: int, seed: int = 0) -> Tally:
    """Damage the newest checkpoint `offsets` times, a byte changed or the rest cut off; train `resumed` of them on."""
    tally = Tally("newest checkpoint damaged")
    use_one_thread()
    study_file = real_study(place / "study", 1)
    expected = expected_outcomes(study_file, place / "calm")
    prepared = prepare_study(study_file)
    run = max(prepared.planned, key=lambda planned: planned.compute)
    directory = create_run_directory(prepared.directory, run.spec)
    _train_part(directory, prepared.directory)
    newest, older = directory.checkpoints()[:2]
    good = checkpoints.load_checkpoint(older, run=directory.identifier)
    files = [newest / checkpoints.STATE_FILE, newest / checkpoints.MANIFEST_FILE]
    saved = {path: path.read_bytes() for path in files}
    choose = random.Random(seed)
    for number in range(offsets):
        path = files[number % 2]
        _damage(path, saved[path], choose)
        found = checkpoints.newest_readable(directory.checkpoints(), run=directory.identifier)
        # A change inside white space of the manifest is no damage.
        if found is None or (found.step, found.memory) != (good.step, good.memory):
            intact = found is not None and found.path == newest and path.name == checkpoints.MANIFEST_FILE
            tally.corrupted += not (intact and _says_the_same(path, saved[path]))
        path.write_bytes(saved[path])
        tally.injected += 1
    for number in range(resumed):
        copy = place / f"copy{number}"
        shutil.copytree(prepared.directory, copy)
        path = copy / files[number % 2].relative_to(prepared.directory)
        _damage(path, saved[files[number % 2]], choose)
        ended = work(copy, directory.identifier, stop=threading.Event())
        assert ended.exit_code == DONE, ended
        after = outcomes(prepare_study(copy / "study.toml"))[directory.identifier]
        tally.completed += 1
        tally.corrupted += after != expected[directory.identifier]
        shutil.rmtree(copy)
    tally.notes.append(f"{resumed} of them trained to the end, bit for bit as without damage")
    return tally


def _train_part(directory: RunDirectory, study_directory: Path) -> None:
    """Train until two checkpoints of one attempt stand."""
    attempt = directory.start_attempt()
    assert attempt is not None
    spec = directory.spec()
    steps = iter(range(spec.steps))
    try:
        train(
            spec,
            load_study_text(study_directory, spec.text.sha256),
            attempt=attempt,
            resume_from=(),
            on_progress=lambda progress: None,
            stop=lambda: next(steps) >= spec.steps // 2,
            checkpoint_seconds=0.0,
        )
    except Interrupted:
        attempt.release()


def _damage(path: Path, content: bytes, choose: random.Random) -> None:
    offset = choose.randrange(len(content))
    changed = bytes([content[offset] ^ choose.randint(1, 255)])
    path.write_bytes(content[:offset] + (changed + content[offset + 1 :] if choose.random() < 0.5 else b""))


def _says_the_same(path: Path, content: bytes) -> bool:
    try:
        return bool(json.loads(path.read_bytes()) == json.loads(content))
    except ValueError:
        return False
