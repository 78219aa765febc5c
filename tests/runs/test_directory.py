"""The protocol of a run's directory: torn logs, racing attempts, stalled workers, exactly one result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from isoflop import records
from isoflop.accounting.shape import Shape
from isoflop.errors import EnvironmentFailure, InputError
from isoflop.runs import directory as protocol
from isoflop.runs.directory import RunDirectory, create_run_directory, run_directories
from isoflop.runs.run import Run
from isoflop.runs.spec import Launch, OptimizerSpec, RunSpec, ScheduleSpec, TextSpec


def make_spec(seed: int = 0) -> RunSpec:
    shape = Shape(layers=1, width=8, heads=1, feedforward=32, vocab=16, context=8)
    text = TextSpec("synthetic", "0" * 64, 16, 1000, 100)
    return RunSpec(shape, text, 640, 64, OptimizerSpec(0.01), ScheduleSpec(), seed, 2)


def make_run(spec: RunSpec, loss: float = 2.0) -> Run:
    return Run(spec, "done", 100, 80, 1e6, loss, 0.01, 1.0, 1.0, "2026-01-01T00:00:00Z")


@pytest.fixture
def run_directory(tmp_path: Path) -> RunDirectory:
    return create_run_directory(tmp_path, make_spec())


def test_the_directory_is_named_after_the_spec_and_gives_it_back(tmp_path: Path) -> None:
    spec = make_spec()
    made = [create_run_directory(tmp_path, spec) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].path == tmp_path / "runs" / spec.identifier
    assert made[0].spec() == spec
    assert run_directories(tmp_path) == (made[0],)
    assert not made[0].is_done() and made[0].result() is None


@pytest.mark.parametrize("left", [b"", b"\0\0\0", b'{"schema": '])
def test_what_a_power_failure_left_of_spec_and_launch_is_written_anew(
    left: bytes, tmp_path: Path, run_directory: RunDirectory
) -> None:
    run_directory.set_launch(Launch(timeout=60.0))
    for place in (run_directory.path / "spec.json", run_directory.launch_path):
        place.write_bytes(left)
    again = create_run_directory(tmp_path, make_spec())
    again.set_launch(Launch(timeout=60.0))
    assert again.spec() == make_spec() and again.launch() == Launch(timeout=60.0)
    # An attempt whose owner is gone with it can be taken over at once.
    attempt = again.start_attempt()
    assert attempt is not None and again.start_attempt() is None
    (attempt.path / "owner.json").write_bytes(left)
    assert again.start_attempt() is not None


def test_a_spec_of_another_run_is_refused(tmp_path: Path, run_directory: RunDirectory) -> None:
    other = tmp_path / "runs" / "0123456789abcdef"
    os.rename(run_directory.path, other)
    with pytest.raises(InputError, match=run_directory.identifier):
        RunDirectory(other).spec()


def test_a_result_comes_back_with_its_curve(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None and attempt.number == 1
    for step in (1, 2, 3):
        attempt.log({"step": step, "tokens": 64 * step, "loss": 3.0 / step})
    assert run_directory.commit(attempt, make_run(run_directory.spec()))
    result = run_directory.result()
    assert result is not None and result.loss == 2.0
    assert result.curve.step == (1, 2, 3) and result.curve.loss == (3.0, 1.5, 1.0)
    assert run_directory.start_attempt() is None


def test_a_log_torn_at_any_byte_loses_only_the_torn_line(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None
    for step in (1, 2):
        attempt.log({"step": step, "tokens": step, "loss": 1.25})
    whole = attempt.metrics_path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        attempt.metrics_path.write_bytes(whole[:length])
        kept = attempt.metrics()
        # Without its newline the last line may still be whole; then it is not lost.
        whole_line = length == len(whole) - 1
        assert [record["step"] for record in kept.records] == ([1, 2] if whole_line else [1]), length
        assert kept.unreadable_lines == (0 if whole_line or length == first else 1)
        attempt.log({"step": 3, "tokens": 3, "loss": 1.0})
        after = attempt.metrics()
        assert [record["step"] for record in after.records] == ([1, 2, 3] if whole_line else [1, 3]), length


def test_a_flipped_byte_is_never_read_as_a_record(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None
    attempt.log({"step": 1, "tokens": 64, "loss": 1.2345})
    good = attempt.metrics_path.read_bytes()
    original = attempt.metrics().records
    for place in range(len(good) - 1):
        for bit in (1, 4, 32):
            changed = bytearray(good)
            changed[place] ^= bit
            attempt.metrics_path.write_bytes(bytes(changed))
            assert attempt.metrics().records in ((), original), (place, bit)


def test_the_later_attempt_wins_where_two_tell_the_same_step(run_directory: RunDirectory) -> None:
    for number, losses in ((1, {1: 3.0, 2: 2.5, 3: 2.4}), (2, {2: 2.0, 3: 1.9, 4: 1.8})):
        attempt = run_directory.start_attempt(lease=-1.0)
        assert attempt is not None and attempt.number == number
        for step, loss in losses.items():
            attempt.log({"step": step, "tokens": step, "loss": loss})
        attempt.log({"evaluation": 1.0})
    assert run_directory.curve().loss == (3.0, 2.0, 1.9, 1.8)


def test_a_living_attempt_keeps_the_run(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None and attempt.is_alive() and attempt.is_current()
    assert run_directory.start_attempt() is None


def test_a_released_run_can_be_claimed_at_once(run_directory: RunDirectory) -> None:
    first = run_directory.start_attempt()
    assert first is not None
    first.release()
    second = run_directory.start_attempt()
    assert second is not None and second.number == 2 and not first.is_alive()


def test_a_run_is_taken_over_when_its_process_has_ended(run_directory: RunDirectory) -> None:
    claim = (
        "import sys; from pathlib import Path; from isoflop.runs.directory import RunDirectory;"
        "print(RunDirectory(Path(sys.argv[1])).start_attempt().number)"
    )
    told = subprocess.run([sys.executable, "-c", claim, run_directory.path], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "1"
    assert not run_directory.attempts()[0].is_alive()
    attempt = run_directory.start_attempt()
    assert attempt is not None and attempt.number == 2


def test_another_machine_is_judged_by_its_heartbeat_alone(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None
    owner = {"schema": "isoflop.attempt/1", "machine": "elsewhere", "pid": 1, "started": "0"}
    records.write_record(attempt.path / "owner.json", owner)
    assert attempt.is_alive(lease=60.0)
    past = time.time() - 120
    os.utime(attempt.path / "heartbeat", (past, past))
    assert not attempt.is_alive(lease=60.0)
    attempt.beat()
    assert attempt.is_alive(lease=60.0)


def test_a_stalled_worker_that_comes_back_cannot_commit(run_directory: RunDirectory) -> None:
    stalled = run_directory.start_attempt()
    successor = run_directory.start_attempt(lease=-1.0)
    assert stalled is not None and successor is not None and successor.number == 2
    assert not stalled.is_current()
    assert not run_directory.commit(stalled, make_run(run_directory.spec(), loss=9.0))
    assert not run_directory.is_done()
    assert run_directory.commit(successor, make_run(run_directory.spec(), loss=2.0))
    assert json.loads((stalled.path / "late-result.json").read_text())["loss"] == 9.0
    result = run_directory.result()
    assert result is not None and result.loss == 2.0


def test_of_many_claims_at_once_exactly_one_gets_the_run(tmp_path: Path) -> None:
    for seed in range(20):
        run_directory = create_run_directory(tmp_path, make_spec(seed))
        with ThreadPoolExecutor(8) as pool:
            claims = list(pool.map(lambda _, place=run_directory: place.start_attempt(), range(8)))
        assert sum(claim is not None for claim in claims) == 1
        assert [attempt.number for attempt in run_directory.attempts()] == [1]
        assert not list(run_directory.attempts_path.glob(".staged-*"))


def test_of_many_commits_at_once_exactly_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Past the check of the fencing token, the link itself must still let only one through.
    monkeypatch.setattr(protocol.Attempt, "is_current", lambda self: True)
    for seed in range(20):
        run_directory = create_run_directory(tmp_path, make_spec(seed))
        attempts = [run_directory.start_attempt(lease=-1.0) for _ in range(6)]

        def commit(attempt: protocol.Attempt, place: RunDirectory = run_directory) -> bool:
            return place.commit(attempt, make_run(place.spec(), float(attempt.number)))

        with ThreadPoolExecutor(6) as pool:
            won = list(pool.map(commit, [attempt for attempt in attempts if attempt is not None]))
        assert sum(won) == 1
        result = run_directory.result()
        assert result is not None and result.loss == float(won.index(True) + 1)
        assert len(list(run_directory.path.glob("attempts/*/late-result.json"))) == 5


def test_checkpoints_come_furthest_first_over_all_attempts(run_directory: RunDirectory) -> None:
    names = (("checkpoint-00000010", "checkpoint-00000030"), ("checkpoint-00000030", "checkpoint-00000020", ".x.part"))
    for parts in names:
        attempt = run_directory.start_attempt(lease=-1.0)
        assert attempt is not None
        for name in parts:
            (attempt.path / name).mkdir()
    found = [place.relative_to(run_directory.attempts_path).as_posix() for place in run_directory.checkpoints()]
    assert found == ["2/checkpoint-00000030", "1/checkpoint-00000030", "2/checkpoint-00000020", "1/checkpoint-00000010"]


def test_a_full_disk_is_said_and_nothing_is_corrupted(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None
    attempt.metrics_path.symlink_to("/dev/full")
    with pytest.raises(EnvironmentFailure, match=r"metrics\.jsonl"):
        attempt.log({"step": 1, "tokens": 1, "loss": 1.0})


def test_a_reopened_run_is_trained_again_and_its_old_result_kept(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None and run_directory.commit(attempt, make_run(run_directory.spec()))
    run_directory.reopen()
    assert not run_directory.is_done()
    assert (attempt.path / "late-result.json").exists()
    assert run_directory.start_attempt(lease=-1.0) is not None


def test_an_unreadable_result_names_its_file(run_directory: RunDirectory) -> None:
    run_directory.result_path.write_text('{"schema": "isoflop.run/1"}')
    with pytest.raises(InputError, match=r"result\.json"):
        run_directory.result()


def test_the_last_record_is_found_behind_a_torn_line(run_directory: RunDirectory) -> None:
    attempt = run_directory.start_attempt()
    assert attempt is not None and protocol.last_record(attempt) is None
    for step in range(500):
        attempt.log({"step": step, "tokens": step, "loss": 1.0})
    with attempt.metrics_path.open("ab") as stream:
        stream.write(b'{"step": 500, "tok')
    assert protocol.last_record(attempt) == {"step": 499, "tokens": 499, "loss": 1.0}
