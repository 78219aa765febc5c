"""Export: the runs of a study as task files of other launchers, to be looked at, changed and started by hand.

Every task trains one run with the worker that the engines start, in the study's directory, which the machines must
share, or, with SkyPilot, in a copy of it that a bucket keeps. The study goes on from what they leave: `isoflop run`
afterwards fits, forecasts and reports.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from isoflop import __version__, records
from isoflop.errors import UsageError
from isoflop.runs.directory import create_run_directory
from isoflop.studies.cost import seconds_on_one_core
from isoflop.studies.driver import PreparedStudy, prepare_study
from isoflop.studies.engine import Job
from isoflop.studies.launchers import ONE_THREAD
from isoflop.studies.record import write_study_record
from isoflop.studies.site import SlurmSite
from isoflop.studies.slurm_script import array_script
from isoflop.studies.study import PlannedRun, Study

KINDS = ("sbatch", "skypilot", "kubernetes")

MOUNT = "/study"
"""Where tasks in containers see the study's directory."""

BUCKET = "/bucket"
"""Where SkyPilot's machines see the bucket that holds the study's directory."""

SKYPILOT_SETUP = """
command -v uv >/dev/null || pip install uv
uv venv --allow-existing --python 3.12 "$HOME/isoflop"
uv pip install --python "$HOME/isoflop/bin/python" {requirement}
"""

SKYPILOT_RUN = """
set -eu
# A mounted bucket takes whole files only, and a run appends to its logs: it is trained on the machine's own disk.
here="$HOME/study/runs/$RUN"
there="{bucket}/runs/$RUN"
mkdir -p "$HOME/study/runs"
find "{bucket}" -mindepth 1 -maxdepth 1 ! -name runs -exec cp -r -t "$HOME/study/" {{}} +
cp -r "$there" "$HOME/study/runs/"
# Of machines that were taken away: nothing beats there any more.
rm -f "$here"/attempts/*/heartbeat

keep() {{
  mkdir -p "$there/attempts"
  cp -r "$@" "$here/attempts/." "$there/attempts/" || return
  for old in "$there"/attempts/*/checkpoint-*; do
    if [ ! -e "$here/${{old#"$there/"}}" ]; then rm -rf "$old"; fi
  done
  # Last, since a run is done once it is there.
  if [ -e "$here/result.json" ]; then cp "$here/result.json" "$there/"; fi
}}

"$HOME/isoflop/bin/python" -m isoflop.studies.worker "$HOME/study" "$RUN" &
worker=$!
trap 'kill -TERM "$worker" 2>/dev/null || true' TERM INT
seconds=0
while kill -0 "$worker" 2>/dev/null; do
  sleep 1
  seconds=$((seconds + 1))
  # Files come and go while a run is trained: what this misses is copied the next time.
  if [ $((seconds % COPY_EVERY_SECONDS)) -eq 0 ]; then (keep --update) 2>/dev/null || true; fi
done
code=0
wait "$worker" || code=$?
keep
exit "$code"
"""


@dataclass(frozen=True)
class Exported:
    """What was written, and the command that starts it."""

    files: tuple[Path, ...]
    command: str


def export_study(study_file: Path, kind: str) -> Exported:
    """Write task files of `kind` for the ladder's open runs into `export/` beside the study file.

    Raises:
        UsageError: `kind` is none of `KINDS`, or nothing is left to train.
    """
    if kind not in KINDS:
        raise UsageError(f"export={kind!r} is not known: use one of {', '.join(KINDS)}.")
    prepared = prepare_study(study_file)
    runs = _open_runs(prepared)
    write_study_record(prepared.study, prepared.directory, prepared.text)
    place = prepared.directory / "export"
    match kind:
        case "sbatch":
            return _sbatch(prepared, place, runs)
        case "skypilot":
            return _skypilot(prepared, place, runs)
    return _kubernetes(prepared, place, runs)


def _open_runs(prepared: PreparedStudy) -> list[PlannedRun]:
    """The runs of the ladder without a result; those held out too once it is complete, since they come after it."""
    for role in ("ladder", "held-out"):
        found = []
        for run in prepared.planned:
            if run.role == role:
                directory = create_run_directory(prepared.directory, run.spec)
                directory.set_launch(prepared.study.launch)
                if not directory.is_done():
                    found.append(run)
        if found:
            return found
    raise UsageError(f"study {prepared.study.name}: all runs are there, so that there is nothing to export.")


def _sbatch(prepared: PreparedStudy, place: Path, runs: Sequence[PlannedRun]) -> Exported:
    jobs = [Job(run.spec.identifier, seconds_on_one_core(run.spec)) for run in runs]
    site: SlurmSite = prepared.study.site.slurm
    script = array_script(prepared.directory, "export", jobs, site, name=f"{prepared.study.name}-export")
    files = _write(prepared.directory / "slurm" / "export", {"runs.txt": _lines(runs), "array.sh": script})
    return Exported(files, f"sbatch {shlex.quote(str(files[-1]))}")


def _skypilot(prepared: PreparedStudy, place: Path, runs: Sequence[PlannedRun]) -> Exported:
    site = prepared.study.site
    resources: dict[str, Any] = {"cpus": f"{site.slurm.cpus}+", "use_spot": True}
    if site.slurm.gpus is not None:
        resources["accelerators"] = site.slurm.gpus
    task = {
        "name": _dns_name(prepared.study.name),
        "resources": resources,
        "num_nodes": 1,
        "envs": {"RUN": "", "COPY_EVERY_SECONDS": "60", **ONE_THREAD},
        "file_mounts": {BUCKET: {"source": f"s3://my-bucket/{prepared.study.name}", "mode": "MOUNT"}},
        "setup": SKYPILOT_SETUP.format(requirement=shlex.quote(_requirement(prepared.study))).lstrip(),
        "run": SKYPILOT_RUN.format(bucket=BUCKET).lstrip(),
    }
    heading = (
        "# One run of the study; RUN says which. Put the study's directory into the bucket below first, and take it\n"
        "# from there afterwards. What a run has reached is copied there every COPY_EVERY_SECONDS and at its end, and\n"
        "# the machine that follows one that was taken away goes on from that.\n"
    )
    if prepared.study.trainer is not None:
        heading += "# Your program must come with the study's directory; add to `setup` what else it needs.\n"
    if (site.slurm.gpus or "").isdecimal():
        heading += (
            f"# SkyPilot asks which GPU: write accelerators as one of `sky show-gpus`, like H100:{site.slurm.gpus}.\n"
        )
    launch = (
        "#!/bin/sh\n"
        "# One managed job for each run: SkyPilot starts it again where its machine is taken away.\n"
        "set -eu\n"
        f'while read -r run; do\n  sky jobs launch --yes --detach-run --env RUN="$run" --name "{task["name"]}-$run" '
        '"$(dirname "$0")/task.yaml" </dev/null\ndone < "$(dirname "$0")/runs.txt"\n'
    )
    files = _write(
        place / "skypilot", {"runs.txt": _lines(runs), "task.yaml": heading + _yaml(task), "launch.sh": launch}
    )
    return Exported(files, f"sh {shlex.quote(str(files[-1]))}")


def _kubernetes(prepared: PreparedStudy, place: Path, runs: Sequence[PlannedRun]) -> Exported:
    site = prepared.study.site.slurm
    limits: dict[str, Any] = {"cpu": str(site.cpus), "memory": site.memory or "4Gi"}
    if site.gpus is not None:
        limits["nvidia.com/gpu"] = site.gpus.rpartition(":")[2]
    name = _dns_name(prepared.study.name)
    script = (
        f"pip install {shlex.quote(_requirement(prepared.study))} && "
        'run=$(sed -n "$((JOB_COMPLETION_INDEX + 1))p" /runs/runs.txt) && '
        f'exec python -m isoflop.studies.worker {MOUNT} "$run"'
    )
    container = {
        "name": "worker",
        "image": "python:3.12-slim",
        "command": ["sh", "-c", script],
        "env": [{"name": key, "value": value} for key, value in ONE_THREAD.items()],
        "resources": {"limits": limits, "requests": limits},
        "volumeMounts": [{"name": "study", "mountPath": MOUNT}, {"name": "runs", "mountPath": "/runs"}],
    }
    pod = {
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [
            {"name": "study", "persistentVolumeClaim": {"claimName": f"{name}-study"}},
            {"name": "runs", "configMap": {"name": f"{name}-runs"}},
        ],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": len(runs),
            "parallelism": min(site.max_running, len(runs)),
            "backoffLimit": 6 * len(runs),
            "template": {"spec": pod},
        },
    }
    told = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-runs"},
        "data": {"runs.txt": _lines(runs)},
    }
    heading = (
        f"# The runs of the study as an indexed job. The claim {name}-study must hold the study's directory and be\n"
        "# writable from many nodes; the image must have what the trainer needs.\n"
    )
    files = _write(place / "kubernetes", {"job.yaml": heading + _yaml(told) + "---\n" + _yaml(job)})
    return Exported(files, f"kubectl apply -f {shlex.quote(str(files[0]))}")


def _requirement(study: Study) -> str:
    """What pip is to install where a run is trained: this release, and what the lab and its mirrors need.

    Text is fetched before, and lies in the study's directory.
    """
    extras = [] if study.trainer else ["lab"]
    if study.launch.devices.strategy.startswith("deepspeed"):
        extras.append("deepspeed")
    extras.extend(study.mirrors)
    named = f"isoflop[{','.join(extras)}]" if extras else "isoflop"
    # What is no release, such as 0.2.dev1+abc or 0+uninstalled, has no index.
    return f"{named}=={__version__}" if re.fullmatch(r"[0-9.]+", __version__) else named


def _lines(runs: Sequence[PlannedRun]) -> str:
    return "".join(f"{run.spec.identifier}\n" for run in runs)


def _yaml(value: Any) -> str:
    # Through JSON, so that tuples and the like cannot become tags of Python's own.
    return yaml.dump(json.loads(records.to_json(value)), Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes scripts line by line, to be read and changed."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def _write(place: Path, texts: dict[str, str]) -> tuple[Path, ...]:
    for name, text in texts.items():
        records.write_text(place / name, text)
    return tuple(place / name for name in texts)


def _dns_name(name: str) -> str:
    """The name as clusters allow it: small letters, digits and dashes."""
    kept = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()).strip("-")
    return kept[:40].rstrip("-") or "study"
