"""The Ray engine on a real cluster of several nodes on this host: what every engine must do, and the loss of a node."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from isoflop.errors import EnvironmentFailure
from isoflop.studies.driver import prepare_study
from isoflop.studies.engine import DONE, Engine
from isoflop.studies.ray import RayEngine
from isoflop.studies.site import RaySite
from tests.clusters.conftest import LONG_RUNS, runs_at_work
from tests.faults.victims import cheap_study
from tests.studies.test_driver import measured, processes_of, wait_for
from tests.studies.test_engines import (
    reference,
    submit,
    test_a_cancelled_job_saves_and_goes_on_to_the_same_bits,
    test_a_run_on_two_devices_has_the_losses_of_one,
    test_a_run_that_a_living_worker_has_is_busy,
    test_damaged_text_stops_the_study_and_names_the_file,
    test_jobs_end_done_with_the_bits_of_the_reference,
    until_ended,
)

__all__ = [
    "reference",
    "test_a_cancelled_job_saves_and_goes_on_to_the_same_bits",
    "test_a_run_on_two_devices_has_the_losses_of_one",
    "test_a_run_that_a_living_worker_has_is_busy",
    "test_damaged_text_stops_the_study_and_names_the_file",
    "test_jobs_end_done_with_the_bits_of_the_reference",
]
pytestmark = [
    pytest.mark.clusters,
    pytest.mark.timeout(600),
    # Ray leaves sockets and log files to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

# Nodes ask for this token, and drivers show it.
SECRET = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "3f" * 32}
PATIENCE = {
    **SECRET,
    "PYTHONWARNINGS": "ignore",
    # Nodes on a busy machine take more than the half minute that Ray gives them to start.
    "RAY_agent_register_timeout_ms": "180000",
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_worker_register_timeout_seconds": "180",
}

# Ray hands out what a node says it has: no GPU has to be there.
WITH_A_GPU = ("--num-gpus=1", '--resources={"big": 1}')


class RayCluster:
    """Nodes of one CPU each, one also with a GPU, on this host, started as users do, each in its own process group."""

    def __init__(self, count: int) -> None:
        self.port = 26379
        self.address = f"127.0.0.1:{self.port}"
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._start("--head", f"--port={self.port}", "--include-dashboard=false")
        self.wait_for_head()
        self._count = count

    def start_nodes(self) -> None:
        """One after the other: two that start at once may choose the same ports."""
        import ray

        ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
        for number in range(1, self._count):
            self._start(f"--address={self.address}", *(WITH_A_GPU if number == 1 else ()))
            deadline = time.monotonic() + 180.0
            while ray.cluster_resources().get("CPU", 0.0) <= number:
                assert time.monotonic() < deadline, ray.nodes()
                time.sleep(0.5)
        ray.shutdown()

    def _start(self, *options: str) -> None:
        arguments = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats", "--block", *options]
        self._nodes.append(
            subprocess.Popen(
                [str(Path(sys.executable).parent / "ray"), "start", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **PATIENCE},
                start_new_session=True,
            )
        )

    def wait_for_head(self, seconds: float = 120.0) -> None:
        """The head must listen before another node can find it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline and self._nodes[0].poll() is None, "the head has not started"
                time.sleep(0.2)

    def kill_node(self, number: int) -> None:
        """All of its processes at once, as when its machine loses power."""
        process = self._nodes[number]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in reversed(self._nodes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRET.items():
            patch.setenv(name, value)
        made = RayCluster(3)
        try:
            made.start_nodes()
            yield made
        finally:
            made.stop()


@pytest.fixture
def make_engine(cluster: RayCluster) -> Iterator[Callable[[Path], Engine]]:
    made: list[Engine] = []

    def make(place: Path) -> Engine:
        made.append(RayEngine(place, RaySite(address=cluster.address)))
        return made[-1]

    yield make
    for engine in reversed(made):
        engine.close()


def test_a_node_and_the_driver_die_and_nothing_is_lost(
    make_study: Callable[..., Path],
    drive: Callable[..., subprocess.Popen[str]],
    cluster: RayCluster,
    undisturbed: dict[str, object],
) -> None:
    told = ("[fit]", f'[ray]\naddress = "{cluster.address}"\n[fit]')
    place = make_study(LONG_RUNS, told)
    driver = drive(place, "ray")
    wait_for(lambda: len(runs_at_work(place)) >= 3, 90)
    cluster.kill_node(2)
    wait_for(lambda: list(place.parent.glob("runs/*/result.json")), 60)
    driver.kill()
    driver.wait()
    output, errors = (again := drive(place, "ray")).communicate(timeout=200)
    assert again.returncode == 0, errors
    assert json.loads(output)["runs"]["done"] == 7
    assert measured(place) == undisturbed
    wait_for(lambda: not processes_of(place), 10)


def test_half_a_cpu_fits_twice(make_study: Callable[..., Path], cluster: RayCluster) -> None:
    whole = RayEngine(Path("/nowhere"), RaySite(address=cluster.address))
    halves = RayEngine(Path("/nowhere"), RaySite(address=cluster.address, cpus=0.5))
    assert halves.slots == 2 * whole.slots
    halves.close()
    whole.close()


# Says which GPU it was given, and waits to be let go on.
IN_PAIRS = """command = ["sh", "-c", '''
echo "$CUDA_VISIBLE_DEVICES" > "{directory}/devices"; touch "{study}/begun-{run}"
for look in $(seq 300); do [ ! -e "{study}/go" ] || break; sleep 0.1; done
echo "{{\\"tokens\\": {tokens}, \\"loss\\": 3.5}}" > "{directory}/metrics.jsonl"
''']
"""


def test_two_runs_share_a_gpu_and_a_resource_of_a_node(tmp_path: Path, cluster: RayCluster) -> None:
    import ray

    place = cheap_study(tmp_path / "shared", runs=2)
    text = place.read_text()
    place.write_text(text[: text.index("command =")] + IN_PAIRS + text[text.index("[ladder]") :])
    prepared = prepare_study(place)
    site = RaySite(address=cluster.address, cpus=0.5, gpus=0.5, resources={"big": 0.5})
    engine = RayEngine(place.parent, site)
    try:
        # There are CPUs for six, on three nodes.
        assert engine.slots == 2
        submit(engine, prepared, prepared.of("ladder"))
        wait_for(lambda: len(list(place.parent.glob("begun-*"))) == 2, 30)
        wait_for(lambda: not {"GPU", "big"} & {name for name, left in ray.available_resources().items() if left}, 10)
        place.with_name("go").touch()
        ended = until_ended(engine, 2)
    finally:
        engine.close()
    assert {status.exit_code for status in ended.values()} == {DONE}, ended
    told = sorted(place.parent.glob("runs/*/attempts/1/output/devices"))
    assert [path.read_text() for path in told] == ["0\n", "0\n"]


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**options: Any) -> None:
        raise ConnectionError(f"nothing at {options['address']}")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(EnvironmentFailure, match=r"ray\.address='127\.0\.0\.1:1'"):
        RayEngine(tmp_path, RaySite(address="127.0.0.1:1"))


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": ""},
            "no authentication token was found",
        ),
        # Ray tries for twenty seconds.
        ({"RAY_AUTH_MODE": "disabled"}, "Failed to connect to Ray cluster"),
    ],
)
def test_who_shows_no_token_is_told_both_variables(
    make_study: Callable[..., Path],
    drive: Callable[..., subprocess.Popen[str]],
    cluster: RayCluster,
    tmp_path: Path,
    environment: dict[str, str],
    reason: str,
) -> None:
    place = make_study(("[fit]", f'[ray]\naddress = "{cluster.address}"\n[fit]'))
    driver = drive(place, "ray", HOME=str(tmp_path), **environment)
    output, errors = driver.communicate(timeout=100)
    assert driver.returncode == 2 and "Traceback" not in output + errors
    (said,) = [line for line in errors.splitlines() if "no Ray cluster" in line]
    assert f"ray.address='{cluster.address}'" in said and reason in said
    assert "set RAY_AUTH_MODE=token and put the token into RAY_AUTH_TOKEN or ~/.ray/auth_token." in said
    assert ". " not in said, "more than one sentence"
