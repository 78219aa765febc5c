"""The Slurm engine on a real Slurm: what every engine must do, and a study through the death of all that can die."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import ANY

import pytest

from isoflop.runs.directory import RunDirectory
from isoflop.studies.driver import run_study
from isoflop.studies.engine import STOPPED, Engine
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import QuietReporter
from isoflop.studies.site import SlurmSite
from isoflop.studies.slurm import SlurmEngine
from tests.clusters.conftest import LONG_RUNS, runs_at_work
from tests.clusters.slurm_cluster import SlurmCluster, missing_programs
from tests.studies.test_driver import measured, processes_of, wait_for
from tests.studies.test_engines import (
    reference,
    test_a_cancelled_job_saves_and_goes_on_to_the_same_bits,
    test_a_run_on_two_devices_has_the_losses_of_one,
    test_a_run_that_a_living_worker_has_is_busy,
    test_damaged_text_stops_the_study_and_names_the_file,
    test_jobs_end_done_with_the_bits_of_the_reference,
)

__all__ = [
    "reference",
    "test_a_cancelled_job_saves_and_goes_on_to_the_same_bits",
    "test_a_run_on_two_devices_has_the_losses_of_one",
    "test_a_run_that_a_living_worker_has_is_busy",
    "test_damaged_text_stops_the_study_and_names_the_file",
    "test_jobs_end_done_with_the_bits_of_the_reference",
]
pytestmark = [pytest.mark.clusters, pytest.mark.timeout(600)]

POLLS_OFTEN = ("[fit]", "[slurm]\npoll = 0.5\nmax_running = 3\n[fit]")


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    missing = missing_programs()
    assert not missing, f"{', '.join(missing)} are not installed: run make test-clusters as root on Debian or Ubuntu"
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as place:
        made = SlurmCluster(Path(place))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture(autouse=True)
def client(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make_engine() -> Iterator[Callable[[Path], Engine]]:
    made: list[Engine] = []

    def make(place: Path) -> Engine:
        made.append(SlurmEngine(place, SlurmSite(max_running=2, poll=0.3), name="tiny"))
        return made[-1]

    yield make
    for engine in made:
        engine.cancel(now=True)
        engine.close()


def has_logged(run: RunDirectory) -> bool:
    return run.attempts()[-1].metrics_path.exists()


def run_of_task(cluster: SlurmCluster, study_file: Path, task: str) -> RunDirectory:
    """The run that a task in the queue trains, `7_2` say: the second line of the list of its array."""
    name = cluster.run("squeue", "--noheader", "--format=%j", f"--jobs={task}").strip()
    lines = (study_file.parent / "slurm" / name.rpartition(".")[2] / "runs.txt").read_text().split()
    return RunDirectory(study_file.parent / "runs" / lines[int(task.rpartition("_")[2]) - 1])


def tell_that_time_is_up(cluster: SlurmCluster, task: str) -> None:
    """Send what Slurm sends by itself a minute before the limit; it asks again and again where the task has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        cluster.run("scancel", "--batch", "--signal=USR1", task, seconds=5)


def test_a_study_survives_its_node_its_jobs_and_its_driver(
    make_study: Callable[..., Path],
    drive: Callable[..., subprocess.Popen[str]],
    cluster: SlurmCluster,
    undisturbed: dict[str, object],
) -> None:
    place = make_study(LONG_RUNS, POLLS_OFTEN)
    driver = drive(place, "slurm")
    wait_for(lambda: len(cluster.running()) == 3 and len(runs_at_work(place)) == 3, 60)
    assert set(cluster.running()) == set(cluster.nodes)

    # A task is put back by hand, and one is told that its time is nearly up: both save and come back.
    tasks = cluster.running()
    cluster.run("scontrol", "requeue", tasks["n0"])
    tell_that_time_is_up(cluster, tasks["n2"])
    wait_for(lambda: list(place.parent.glob("runs/*/attempts/1/checkpoint-*")), 20)
    # A node's daemon dies; what it trains goes on unseen, and Slurm gives its task to another node in the end.
    cluster.kill_node("n1")

    # The driver dies; the next one finds the tasks of the first and submits none of their runs again.
    driver.kill()
    driver.wait()
    driver = drive(place, "slurm")
    wait_for(lambda: cluster.states()["n1"] == "down", 60)
    cluster.start_node("n1")
    output, errors = driver.communicate(timeout=150)
    assert driver.returncode == 0, errors + cluster.logs()
    assert json.loads(output)["runs"]["done"] == 7
    assert measured(place) == undisturbed
    batches = [path.read_text().split() for path in place.parent.glob("slurm/*/runs.txt")]
    ladder = max(batches, key=len)
    again = [run for batch in batches if batch is not ladder for run in batch]
    assert len(ladder) == 6 and len(again) == len(set(again)) <= 1 + 3, batches
    wait_for(lambda: not cluster.run("squeue", "--noheader"), 20)
    assert not processes_of(place)


def test_a_task_makes_room_for_an_urgent_job_and_comes_back(
    make_study: Callable[..., Path],
    drive: Callable[..., subprocess.Popen[str]],
    cluster: SlurmCluster,
    undisturbed: dict[str, object],
) -> None:
    place = make_study(LONG_RUNS, POLLS_OFTEN)
    driver = drive(place, "slurm")
    wait_for(lambda: sum(has_logged(run) for run in runs_at_work(place)) == 3, 60)
    urgent = ["--partition=urgent", "--nodelist=n0", "--output=/dev/null", "--wrap=sleep 2"]
    displaced = run_of_task(cluster, place, cluster.running()["n0"])
    cluster.run("sbatch", "--wait", *urgent)
    output, errors = driver.communicate(timeout=150)
    assert driver.returncode == 0, errors + cluster.logs()
    assert json.loads(output)["runs"]["done"] == 7 and measured(place) == undisturbed
    # It saved when it was told to, went on where it had been, and was submitted once: Slurm put it back by itself.
    first, second = displaced.attempts()[:2]
    assert first.end() == (STOPPED, ANY) and second.metrics().records[0]["step"] > 1
    batches = [path.read_text().split() for path in place.parent.glob("slurm/*/runs.txt")]
    assert sum(batch.count(displaced.identifier) for batch in batches) == 1


def test_ctrl_c_empties_the_queue_and_the_study_goes_on(
    make_study: Callable[..., Path], drive: Callable[..., subprocess.Popen[str]], cluster: SlurmCluster
) -> None:
    place = make_study(LONG_RUNS, POLLS_OFTEN)
    driver = drive(place, "slurm")
    wait_for(lambda: any(has_logged(run) for run in runs_at_work(place)), 60)
    before = time.monotonic()
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=20)
    assert driver.returncode == 130 and time.monotonic() - before < 5.0, errors
    wait_for(lambda: not cluster.run("squeue", "--noheader"), 20)
    assert list(place.parent.glob("runs/*/attempts/1/checkpoint-*"))
    wait_for(lambda: not processes_of(place), 5)


def test_an_edited_header_is_what_slurm_gets(make_study: Callable[..., Path], cluster: SlurmCluster) -> None:
    place = make_study(POLLS_OFTEN)
    header = place.parent / "slurm" / "header.sh"
    header.parent.mkdir()
    header.write_text("#SBATCH --nodelist=n2\n#SBATCH --comment=mine\n")
    engine = engine_for(place, "slurm")
    run_study(place, engine=engine, reporter=QuietReporter())
    assert header.read_text().startswith("#SBATCH --nodelist=n2")
    script = next(place.parent.glob("slurm/*/array.sh")).read_text()
    assert "--comment=mine" in script and script.startswith("#!/bin/bash\n#SBATCH --nodelist=n2")
    told = cluster.run("scontrol", "show", "jobs")
    assert "NodeList=n2" in told and "Comment=mine" in told
