"""The script that Slurm gets, and the engine before a cluster that answers as it is told; `clusters` has a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from isoflop.errors import EnvironmentFailure, InputError
from isoflop.studies.dispatch import StudyInterrupted
from isoflop.studies.driver import run_study
from isoflop.studies.engine import STOPPED, Job
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import QuietReporter
from isoflop.studies.site import SlurmSite
from isoflop.studies.slurm import SlurmEngine
from isoflop.studies.slurm_script import SHORTEST_LIMIT, TIMES_THE_ESTIMATE, array_script, header_of, time_limit
from isoflop.studies.study_file import parse_study
from tests.faults.victims import CHEAP, cheap_study

JOBS = [Job("a" * 16, 10.0), Job("b" * 16, 7200.0), Job("c" * 16, 1.0)]


def test_the_script_is_readable_and_is_one_that_bash_reads(tmp_path: Path) -> None:
    site = SlurmSite(partition="gpu", account="lab", gpus="1", cpus=4, memory="8G", max_running=2,
                     header=("--exclusive",), modules=("cuda/12.4",), setup=("ulimit -c 0",),
                     container=("apptainer", "exec", "my image.sif"), python="/opt/python")  # fmt: skip
    script = array_script(tmp_path, "first", JOBS, site, name="mine")
    for line in (
        "#SBATCH --partition=gpu",
        "#SBATCH --account=lab",
        "#SBATCH --gpus-per-task=1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=8G",
        "#SBATCH --exclusive",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@60",
        "#SBATCH --array=1-3%2",
        "#SBATCH --time=480",
        "#SBATCH --job-name=mine",
        "module load cuda/12.4",
        "ulimit -c 0",
        "export OMP_NUM_THREADS=1",
    ):
        assert line in script.splitlines(), line
    assert "apptainer exec 'my image.sif' /opt/python -m isoflop.studies.worker" in script
    (tmp_path / "array.sh").write_text(script)
    assert subprocess.run(["bash", "-n", str(tmp_path / "array.sh")], check=False).returncode == 0
    # What is above the first command is what Slurm reads.
    lines = script.splitlines()
    assert max(i for i, line in enumerate(lines) if line.startswith("#SBATCH")) < lines.index(f"study={tmp_path}")


def test_limits_on_time_follow_the_estimate() -> None:
    assert time_limit(1.0) == SHORTEST_LIMIT and time_limit(3600.0) == TIMES_THE_ESTIMATE * 3600.0


def test_a_header_is_written_once_and_then_the_users(tmp_path: Path) -> None:
    array_script(tmp_path, "first", JOBS, SlurmSite(partition="a"), name="mine")
    header = tmp_path / "slurm" / "header.sh"
    assert header.read_text() == header_of(SlurmSite(partition="a"))
    header.write_text("#SBATCH --qos=night\n")
    script = array_script(tmp_path, "second", JOBS, SlurmSite(partition="b"), name="mine")
    assert "#SBATCH --qos=night" in script and "--partition" not in script


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('partition = "a b"', r"slurm\.partition='a b'"),
        ('account = "x; rm"', r"slurm\.account"),
        ('setup = ["two\\nlines"]', r"slurm\.setup\[0\]"),
        ("max_running = 0", r"slurm\.max_running=0"),
        ('partitoin = "a"', r"slurm\.partitoin is not a key of a study: allowed here are partition"),
        ('time = "soon"', r"slurm\.time"),
    ],
)
def test_a_wrong_site_option_is_named(section: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_study(CHEAP.format(runs=1, pause=0) + f"[slurm]\n{section}\n", "study.toml")


class Cluster:
    """Programs called like Slurm's that answer what the test says, first on the path."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        place.mkdir()
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        self.answers("squeue", "")
        self.answers("sbatch", "7")
        self.answers("scancel", "")

    def answers(self, program: str, text: str) -> None:
        self.does(program, f"cat <<'END'\n{text}\nEND")

    def does(self, program: str, commands: str) -> None:
        path = self.place / program
        call = f'echo {program} "$@" >> {self.place}/calls'
        path.write_text(f"#!/bin/sh\n{call}\n{commands}\n")
        path.chmod(0o755)

    def calls(self, program: str) -> list[str]:
        path = self.place / "calls"
        return [line for line in path.read_text().splitlines() if line.startswith(program)] if path.exists() else []


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(tmp_path / "bin", monkeypatch)


def test_a_driver_that_comes_back_follows_what_is_queued(tmp_path: Path, cluster: Cluster) -> None:
    place = tmp_path / "study"
    site = SlurmSite(poll=0.01)
    SlurmEngine(place, site, name="mine").submit(JOBS)
    assert len(cluster.calls("sbatch")) == 1
    batch = next((place / "slurm").glob("*/runs.txt")).parent.name
    name = next(line for line in (place / "slurm" / batch / "array.sh").read_text().splitlines() if "job-name" in line)
    name = name.partition("=")[2]
    cluster.answers("squeue", f"{name}|7|1|R\n{name}|7|2|PD\nother|8|1|R\nmine-else.{batch}|9|3|R")
    again = SlurmEngine(place, site, name="mine")
    again.submit(JOBS)
    # The first two are in the queue; the third is not, and goes there again.
    assert len(cluster.calls("sbatch")) == 2
    assert sorted(path.read_text().split() for path in (place / "slurm").glob("*/runs.txt"))[1] == [JOBS[2].identifier]
    states = {run[0]: status.state for run, status in again.poll().items()}
    assert (states["a"], states["b"]) == ("running", "waiting")
    again.cancel()
    assert cluster.calls("scancel") == ["scancel 7"]


def test_ctrl_c_does_not_wait_for_a_slurm_that_is_silent(tmp_path: Path, cluster: Cluster) -> None:
    engine = SlurmEngine(tmp_path / "study", SlurmSite(poll=0.01), name="mine")
    engine.submit(JOBS)
    cluster.does("squeue", "sleep 60")
    before = time.monotonic()
    engine.cancel()
    # What sbatch told is cancelled without asking squeue, so nothing is left to be said.
    assert cluster.calls("scancel") == ["scancel 7"] and engine.left_behind() == ""
    ended = engine.poll(0.1)
    assert time.monotonic() - before < 4.2
    assert {status.exit_code for status in ended.values()} == {STOPPED} and not engine.poll()


@contextmanager
def interrupted(number: int, when: Callable[[], bool]) -> Iterator[None]:
    """Within it, this process gets the signal as soon as `when` holds."""

    def send() -> None:
        until = time.monotonic() + 60.0
        while not when() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    yield
    sender.join()


@contextmanager
def cancelled_by_a_signal(engine: SlurmEngine, when: Callable[[], bool]) -> Iterator[None]:
    """Within it, a signal's handler cancels once `when` holds; all must be over five seconds later."""
    begun: list[float] = []

    def handle(*_: object) -> None:
        begun.append(time.monotonic())
        engine.cancel()

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with interrupted(signal.SIGUSR1, when):
            yield
            over = time.monotonic()
        assert over - begun[0] < 5.0
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("squeue", ["sleep 60", "exit 130"])
def test_a_signal_ends_a_poll_that_waits_for_squeue(tmp_path: Path, cluster: Cluster, squeue: str) -> None:
    engine = SlurmEngine(tmp_path / "study", SlurmSite(poll=0.01), name="mine")
    engine.submit(JOBS)
    cluster.does("squeue", squeue)
    with cancelled_by_a_signal(engine, lambda: len(cluster.calls("squeue")) == 2):
        ended = engine.poll()
    assert {status.exit_code for status in ended.values()} == {STOPPED}
    # The poll's and the one of the cancel; neither is tried again.
    assert len(cluster.calls("squeue")) == 3 and cluster.calls("scancel") == ["scancel 7"]


def test_an_array_that_is_submitted_while_all_is_cancelled_is_cancelled_too(tmp_path: Path, cluster: Cluster) -> None:
    engine = SlurmEngine(tmp_path / "study", SlurmSite(poll=0.01), name="mine")
    cluster.does("sbatch", "sleep 0.5; echo '7;north'")
    with cancelled_by_a_signal(engine, lambda: bool(cluster.calls("sbatch"))):
        engine.submit(JOBS)
    assert cluster.calls("scancel") == ["scancel 7"] and engine.left_behind() == ""


def test_an_array_whose_number_is_not_told_in_time_may_be_left(tmp_path: Path, cluster: Cluster) -> None:
    engine = SlurmEngine(tmp_path / "study", SlurmSite(poll=0.01), name="mine")
    cluster.does("sbatch", "sleep 60")
    with cancelled_by_a_signal(engine, lambda: bool(cluster.calls("sbatch"))):
        engine.submit(JOBS)
    assert not cluster.calls("scancel")
    # The command that the user is given finds it by its name.
    name = next((tmp_path / "study" / "slurm").glob("*/array.sh")).read_text().partition("--job-name=")[2].split()[0]
    cluster.answers("squeue", f"9 {name}\n9 {name}\n8 mine-else.1")
    subprocess.run(engine.left_behind().partition("to stop them: ")[2], shell=True, check=True)
    assert cluster.calls("scancel") == ["scancel 9"]


def test_the_last_words_of_a_study_name_what_slurm_did_not_confirm(tmp_path: Path, cluster: Cluster) -> None:
    place = cheap_study(tmp_path / "study", 1)
    cluster.does("scancel", "sleep 60")
    cluster.does("squeue", f'test "$(grep -c squeue {cluster.place}/calls)" -lt 2 || sleep 60')
    engine = SlurmEngine(place.parent, SlurmSite(poll=0.01), name="mine")
    with (
        interrupted(signal.SIGINT, lambda: len(cluster.calls("squeue")) == 2),
        pytest.raises(StudyInterrupted, match=r"run the same command again.*\n.*not confirm.*: scancel 7$"),
    ):
        run_study(place, engine=engine, reporter=QuietReporter())


def test_a_refusal_of_slurm_is_passed_on(tmp_path: Path, cluster: Cluster) -> None:
    (cluster.place / "sbatch").write_text("#!/bin/sh\necho 'sbatch: error: Invalid account' >&2\nexit 1\n")
    with pytest.raises(EnvironmentFailure, match="sbatch failed: sbatch: error: Invalid account"):
        SlurmEngine(tmp_path / "study", SlurmSite(), name="mine").submit(JOBS)


def test_a_machine_without_slurm_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    place = cheap_study(tmp_path / "study", 1)
    with pytest.raises(EnvironmentFailure, match="squeue is not there"):
        engine_for(place, "slurm").submit(JOBS)
