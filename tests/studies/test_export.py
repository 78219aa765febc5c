"""Task files for other launchers: they name every open run once, and what they start is what the engines start."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from isoflop.errors import UsageError
from isoflop.runs.directory import RunDirectory
from isoflop.studies import export
from isoflop.studies.driver import prepare_study
from isoflop.studies.engine import STOPPED
from isoflop.studies.export import BUCKET, export_study
from tests.faults.victims import cheap_study, processes_of, wait_until


def test_slurm_script_of_an_export_trains_its_runs(tmp_path: Path) -> None:
    place = cheap_study(tmp_path / "a study", runs=3, pause=0.0)
    written = export_study(place, "sbatch")
    runs, script = written.files
    assert written.command.startswith("sbatch ")
    names = runs.read_text().split()
    assert sorted(names) == sorted(run.spec.identifier for run in prepare_study(place).planned)
    # What Slurm would do for each task.
    for task in (1, 2, 3):
        told = subprocess.run(["bash", str(script)], env={"SLURM_ARRAY_TASK_ID": str(task), "PATH": "/usr/bin:/bin"},
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert told.returncode == 0, told.stderr
    assert all(RunDirectory(place.parent / "runs" / name).is_done() for name in names)
    with pytest.raises(UsageError, match="all runs are there"):
        export_study(place, "sbatch")


def test_kubernetes_gets_an_indexed_job_of_all_runs(make_study: Callable[..., Path]) -> None:
    place = make_study(("[fit]", '[slurm]\ngpus = "a100:2"\ncpus = 3\nmemory = "9Gi"\n[fit]'))
    (path,) = export_study(place, "kubernetes").files
    runs, job = yaml.safe_load_all(path.read_text())
    ladder = prepare_study(place).of("ladder")
    assert runs["data"]["runs.txt"].split() == [run.spec.identifier for run in ladder]
    assert job["spec"]["completions"] == len(ladder) and job["spec"]["completionMode"] == "Indexed"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "3", "memory": "9Gi", "nvidia.com/gpu": "2"}
    assert "isoflop.studies.worker" in container["command"][2]
    assert subprocess.run(["sh", "-n", "-c", container["command"][2]], check=False).returncode == 0


def test_skypilot_gets_one_job_for_each_run(make_study: Callable[..., Path], tmp_path: Path) -> None:
    place = make_study()
    runs, task, launch = export_study(place, "skypilot").files
    told = yaml.safe_load(task.read_text())
    # All files of a run are written whole by `cp`: a bucket that is mounted takes no appends.
    assert told["file_mounts"] == {BUCKET: {"source": "s3://my-bucket/tiny", "mode": "MOUNT"}}
    assert told["resources"]["use_spot"] and told["envs"]["RUN"] == ""
    sky = tmp_path / "bin" / "sky"
    sky.parent.mkdir()
    sky.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncat > {tmp_path}/asked\n')
    sky.chmod(0o755)
    subprocess.run(["sh", str(launch)], env={"PATH": f"{sky.parent}:/usr/bin:/bin"}, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == len(runs.read_text().split()) == 9
    assert all(f"RUN={run} " in call for run, call in zip(runs.read_text().split(), calls, strict=True))


class Machine:
    """A machine of SkyPilot's on this host: a home of its own, and the bucket where it is mounted."""

    def __init__(self, home: Path, bucket: Path, repository: Path) -> None:
        self.home, self._bucket = home, bucket
        python = home / "isoflop" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexport PYTHONPATH="{repository}/src"\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)

    def start(self, task: Path, run: str, **environment: str) -> subprocess.Popen[str]:
        told = yaml.safe_load(task.read_text())
        script = told["run"].replace(BUCKET, str(self._bucket))
        environment = {**told["envs"], "HOME": str(self.home), "PATH": "/usr/bin:/bin", "RUN": run, **environment}
        return subprocess.Popen(["bash", "-c", script], env=environment, start_new_session=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip

    def lose(self, process: subprocess.Popen[str]) -> None:
        """As when a spot machine is taken away: its processes and its disk are gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert wait_until(lambda: not processes_of(self.home / "study" / "study.toml"), 10)
        shutil.rmtree(self.home)


SLOW = """if [ -n "$0" ] && [ -f "$0/saved" ]; then cat "$0/saved"; else
trap 'echo told > {directory}/saved; exit 143' TERM; echo taken > {directory}/saved; sleep 60 & wait $!; fi
echo '{{"tokens": {tokens}, "loss": 3.5}}' > {directory}/metrics.jsonl"""


@pytest.mark.parametrize("warned", [False, True])
def test_a_skypilot_task_goes_on_from_the_bucket_where_its_machine_was_taken_away(
    tmp_path: Path, repository: Path, warned: bool
) -> None:
    place = cheap_study(tmp_path / "bucket", runs=1, pause=0.0)
    text = place.read_text()
    start, end = text.index("command ="), text.index("[ladder]")
    command = ["sh", "-c", SLOW, "{resume}"]
    place.write_text(f"{text[:start]}command = {json.dumps(command)}\n{text[end:]}")
    runs, task, _ = export_study(place, "skypilot").files
    kept = RunDirectory(tmp_path / "bucket" / "runs" / runs.read_text().strip())
    first = Machine(tmp_path / "first", tmp_path / "bucket", repository)
    # Unless it is warned, all that the next machine has is what was copied meanwhile.
    process = first.start(task, kept.identifier, COPY_EVERY_SECONDS="3600" if warned else "1")
    here = first.home / "study" / "runs" / kept.identifier
    assert wait_until(lambda: list(here.glob("attempts/1/output/saved")), 20), process.poll()
    if warned:
        process.terminate()
        assert process.wait(20) == STOPPED
    else:
        assert wait_until(lambda: list(kept.path.glob("attempts/1/output/saved")), 20)
    first.lose(process)
    # The next one cannot look whether a process of another machine is alive.
    owner = kept.path / "attempts" / "1" / "owner.json"
    owner.write_text(json.dumps(json.loads(owner.read_text()) | {"machine": "first"}))
    second = Machine(tmp_path / "second", tmp_path / "bucket", repository)
    process = second.start(task, kept.identifier)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    result = kept.result()
    assert result is not None and result.loss == 3.5 and result.curve.tokens == (4096,)
    assert kept.attempts()[1].log_path.read_text().startswith("told" if warned else "taken")


def test_a_skypilot_task_trains_the_lab_runs_on_its_own_disk(make_study: Callable[..., Path], repository: Path) -> None:
    place = make_study()
    runs, task, _ = export_study(place, "skypilot").files
    kept = RunDirectory(place.parent / "runs" / runs.read_text().split()[0])
    # Of an attempt before, as copied now and then: the worker takes it away once it is done.
    stale = kept.attempts_path / "1" / "checkpoint-4"
    stale.mkdir(parents=True)
    machine = Machine(place.parent.parent / "machine", place.parent, repository)
    process = machine.start(task, kept.identifier)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert kept.is_done() and not stale.exists() and len(kept.attempts()) == 2
    here = RunDirectory(machine.home / "study" / "runs" / kept.identifier)
    assert here.result() == kept.result() and here.curve() == kept.curve()
    # Other runs are left where they are.
    assert [path.name for path in here.path.parent.iterdir()] == [kept.identifier]


@pytest.mark.parametrize("kind", ["skypilot", "kubernetes"])
@pytest.mark.parametrize(
    ("version", "more", "requirement"),
    [
        ("0.1.0", "", "isoflop[lab]==0.1.0"),
        ("0+uninstalled", "", "isoflop[lab]"),
        ("1.2", '[devices]\nprocesses = 2\nstrategy = "deepspeed-zero2"\n', "isoflop[lab,deepspeed]==1.2"),
        ("1.2", 'mirrors = ["tensorboard"]\n', "isoflop[lab,tensorboard]==1.2"),
    ],
)
def test_machines_install_the_release_and_the_extras_of_the_study(
    make_study: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    version: str,
    more: str,
    requirement: str,
) -> None:
    monkeypatch.setattr(export, "__version__", version)
    for name in ("deepspeed", "tensorboard"):
        there = ModuleType(name)
        there.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, there)
    files = export_study(make_study(("[text]", f"{more}[text]")), kind).files
    assert f" '{requirement}'" in files[1 if kind == "skypilot" else 0].read_text().replace("''", "'")


def test_an_unknown_kind_is_refused(make_study: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="export='nomad' is not known: use one of sbatch, skypilot, kubernetes"):
        export_study(make_study(), "nomad")
