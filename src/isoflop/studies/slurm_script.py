"""The script of a Slurm job array: a header of `#SBATCH` lines that users may edit, and a body that trains one run.

STUDY/slurm/header.sh             written once from the study file, then the user's to edit
STUDY/slurm/<batch>/runs.txt      the runs of one array, a line each: task k trains line k
STUDY/slurm/<batch>/array.sh      what was given to sbatch
STUDY/slurm/<batch>/task-<k>.log  what the script of task k printed
"""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from isoflop import records
from isoflop.errors import EnvironmentFailure
from isoflop.studies.engine import Job
from isoflop.studies.launchers import ONE_THREAD
from isoflop.studies.site import SlurmSite

SECONDS_OF_WARNING = 60
"""Before its time is up a task is told so, saves, and is put back into the queue."""

TIMES_THE_ESTIMATE = 4.0
SHORTEST_LIMIT = 600.0
"""A limit on time is this many times the estimate, and at least ten minutes: nodes may be that much slower."""

_BODY = """
# Task k trains the run on line k. It may be put back and start again: it goes on from the last good checkpoint.
study={study}
run=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" {runs})
{environment}{setup}
{command} "$study" "$run" &
worker=$!
again=
# SIGUSR1: the time is nearly up. SIGTERM: the job was cancelled, or makes room for another, and Slurm puts it back.
trap 'again=yes; kill -TERM "$worker"' USR1
trap 'kill -TERM "$worker"' TERM
wait "$worker"; code=$?
# A trapped signal ends `wait` before the worker has saved.
while kill -0 "$worker" 2>/dev/null; do wait "$worker"; code=$?; done
if [ -n "$again" ] && [ "$code" -ne 0 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
"""


def header_of(site: SlurmSite) -> str:
    """The `#SBATCH` lines that hold for every array of a study.

    Example:
        >>> print(header_of(SlurmSite(partition="gpu", gpus="1")).splitlines()[1])
        #SBATCH --partition=gpu
    """
    told = {
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "constraint": site.constraint,
        "gpus-per-task": site.gpus,
        "mem": site.memory,
    }
    lines = [
        "# What every task of this study asks Slurm for. Edit it as you like: it is written once, and used as it is.",
        *(f"#SBATCH --{option}={value}" for option, value in told.items() if value is not None),
        "#SBATCH --ntasks=1",
        f"#SBATCH --cpus-per-task={site.cpus}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        f"#SBATCH --signal=B:USR1@{SECONDS_OF_WARNING}",
        *(f"#SBATCH {option}" for option in site.header),
    ]
    return "\n".join(lines) + "\n"


def kept_header(study_directory: Path, site: SlurmSite) -> str:
    """The header of a study: the one that stands there, or else the one of its file, which is written there."""
    place = study_directory / "slurm" / "header.sh"
    records.publish_once(place, header_of(site))
    try:
        return place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFailure(f"{place} cannot be read ({error}): mend it, or delete it.") from error


def array_script(study_directory: Path, batch: str, jobs: Sequence[Job], site: SlurmSite, *, name: str) -> str:
    """The script of an array of `jobs` called `name`; Slurm runs `site.max_running` of its tasks at once."""
    place = study_directory / "slurm" / batch
    limit = site.time or time_limit(max(job.seconds for job in jobs))
    own = [
        f"#SBATCH --job-name={name}",
        f"#SBATCH --array=1-{len(jobs)}%{min(site.max_running, len(jobs))}",
        f"#SBATCH --time={_minutes(limit)}",
        f"#SBATCH --output={place}/task-%a.log",
    ]
    environment = "".join(f"export {key}={value}\n" for key, value in ONE_THREAD.items())
    setup = [*(f"module load {shlex.quote(module)}" for module in site.modules), *site.setup]
    command = [*site.container, site.python or sys.executable, "-m", "isoflop.studies.worker"]
    body = _BODY.format(
        study=shlex.quote(str(study_directory)),
        runs=shlex.quote(str(place / "runs.txt")),
        environment=environment,
        setup="\n".join(setup),
        command=shlex.join(command),
    )
    return "\n".join(["#!/bin/bash", kept_header(study_directory, site) + "\n".join(own), body])


def time_limit(seconds: float) -> float:
    """The limit on time of a job that should take `seconds`."""
    return max(SHORTEST_LIMIT, TIMES_THE_ESTIMATE * seconds)


def _minutes(seconds: float) -> int:
    # Slurm counts in minutes, and the warning before the end must not eat the whole of one.
    return max(2, math.ceil(seconds / 60))
