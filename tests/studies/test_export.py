"""Task files for other launchers: they name every open run once, and what they start is what the engines start."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from isoflop.errors import UsageError
from isoflop.runs.directory import RunDirectory
from isoflop.studies.driver import prepare_study
from isoflop.studies.export import export_study
from tests.faults.victims import cheap_study


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
    assert told["run"].endswith('"$RUN"') and told["file_mounts"]["/study"]["mode"] == "MOUNT"
    sky = tmp_path / "bin" / "sky"
    sky.parent.mkdir()
    sky.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    sky.chmod(0o755)
    subprocess.run(["sh", str(launch)], env={"PATH": f"{sky.parent}:/usr/bin:/bin"}, check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == len(runs.read_text().split()) == 9
    assert all(f"RUN={run} " in call for run, call in zip(runs.read_text().split(), calls, strict=True))


def test_an_unknown_kind_is_refused(make_study: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="export='nomad' is not known: use one of sbatch, skypilot, kubernetes"):
        export_study(make_study(), "nomad")
