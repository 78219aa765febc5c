"""Bring your own trainer: a run trained by a program of the user's, and its loss read from the log that it leaves.

The program gets its arguments one by one, never through a shell; it runs where the study file stands, writes into the
directory of its attempt, and says with exit code 0 that it is done. Its log is read as `isoflop read` reads any.
"""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from isoflop.accounting.flops import training_flops
from isoflop.accounting.parameters import count_parameters
from isoflop.errors import EnvironmentFailure, InputError
from isoflop.readers.log import Series
from isoflop.readers.outcomes import divergence
from isoflop.readers.read import read_unchecked
from isoflop.runs.directory import Attempt, RunDirectory
from isoflop.runs.run import Curve, Run, State
from isoflop.runs.spec import Launch, RunSpec, TrainerSpec
from isoflop.runs.table import RunTable
from isoflop.studies.guard import CANNOT_START
from isoflop.studies.guarded import end_guarded, start_guarded
from isoflop.studies.placeholders import fill, places_of, values_of

SECONDS_BETWEEN_LOOKS_AT_THE_LOG = 10.0
NEARLY_ALL = 0.9
"""Share of its tokens up to which a program must have logged; its last evaluation is not always at the last step."""


class CommandStopped(Exception):
    """The program was told to stop, and has ended."""


class CommandFailed(Exception):
    """The program ended without a result; the text says how."""


@dataclass(frozen=True)
class Log:
    """What a program has logged: its loss by step and tokens, and why it has diverged, if it has."""

    step: tuple[int, ...]
    tokens: tuple[int, ...]
    loss: tuple[float, ...]
    diverged: str


def train_with_command(
    study_directory: Path, directory: RunDirectory, attempt: Attempt, spec: RunSpec, stop: threading.Event
) -> Run:
    """Run the program of `spec` to its end and return the run.

    Raises:
        CommandStopped: `stop` was set.
        CommandFailed: the program failed, took too long, or left no log that can be used.
    """
    assert spec.trainer is not None
    launch = directory.launch()
    output = attempt.output_path
    output.mkdir(exist_ok=True)
    previous = _latest_output(directory, attempt)
    values = {**values_of(spec), **places_of(study_directory, output, previous)}
    metrics = _path_of_metrics(spec.trainer, values, output)
    started = time.monotonic()
    reason = _run_program(fill(spec.trainer.command, values), launch, study_directory, metrics, stop)
    log = read_log(metrics, spec)
    if not (log.diverged or reason) and log.tokens[-1] < NEARLY_ALL * spec.tokens:
        raise CommandFailed(
            f"{metrics} ends after {log.tokens[-1]:,} of {spec.tokens:,} tokens: the program must log them all."
        )
    for step, tokens, loss in zip(log.step, log.tokens, log.loss, strict=True):
        attempt.log({"step": step, "tokens": tokens, "loss": loss})
    return _run(spec, log, reason or log.diverged, time.monotonic() - started)


def read_log(metrics: Path, spec: RunSpec) -> Log:
    """The log of a program, whatever reader can read it; without a column of tokens they follow from the steps.

    Raises:
        CommandFailed: it is not there, cannot be read, or holds no loss.
    """
    try:
        table = _table(metrics)
    except (InputError, EnvironmentFailure) as error:
        raise CommandFailed(f"the program has ended, but its log cannot be used: {error}") from error
    loss = table.columns["loss"] if table.has("loss") else np.empty(0)
    if not loss.size or not np.isfinite(loss).any():
        raise CommandFailed(f"{metrics} holds no loss: log one as loss or val_loss, with step or tokens.")
    if table.has("step"):
        step = table.columns["step"]
    elif table.has("tokens"):
        step = np.round(table.columns["tokens"] / spec.batch_tokens)
    elif len(loss) == 1:
        step = np.array([spec.steps])
    else:
        raise CommandFailed(f"{metrics} says neither step nor tokens beside the loss: log one of them.")
    tokens = table.columns["tokens"] if table.has("tokens") else step * spec.batch_tokens
    order = np.argsort(step, kind="stable")
    order = order[np.isfinite(step[order]) & np.isfinite(tokens[order])]
    series = Series(step[order], loss[order])
    order = order[np.isfinite(loss[order])]
    return Log(
        tuple(int(value) for value in step[order]),
        tuple(int(value) for value in tokens[order]),
        tuple(float(value) for value in loss[order]),
        divergence("the loss", series),
    )


def _table(metrics: Path) -> RunTable:
    """Every row of a log, those that a fit would leave out too: that a loss has diverged is what is looked for."""
    try:
        return read_unchecked(metrics, rows="checkpoints")[0]
    except InputError:
        # A table is taken as it stands.
        return read_unchecked(metrics)[0]


def _latest_output(directory: RunDirectory, attempt: Attempt) -> Path | None:
    """What the latest earlier attempt wrote, if any has written anything."""
    earlier = [other.output_path for other in directory.attempts() if other.number < attempt.number]
    return next((path for path in reversed(earlier) if path.is_dir() and any(path.iterdir())), None)


def _path_of_metrics(trainer: TrainerSpec, values: dict[str, int | float | str], output: Path) -> Path:
    return output / fill([trainer.metrics], values)[0]


def _run_program(arguments: tuple[str, ...], launch: Launch, place: Path, metrics: Path, stop: threading.Event) -> str:
    """Run it to its end; return why it was stopped early because its loss diverged, else an empty text."""
    deadline = math.inf if launch.timeout is None else time.monotonic() + launch.timeout
    next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS_AT_THE_LOG
    process = start_guarded(arguments, launch.grace, launch.environment, place=place)
    try:
        while (code := _wait(process, 0.1)) is None:
            if stop.is_set():
                _stop(process, launch.grace)
                raise CommandStopped
            if time.monotonic() > deadline:
                _stop(process, launch.grace)
                raise CommandFailed(f"{arguments[0]} was ended after trainer.timeout, {launch.timeout:g} seconds.")
            if time.monotonic() > next_look:
                next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS_AT_THE_LOG
                if reason := _divergence_so_far(metrics):
                    _stop(process, launch.grace)
                    return reason
    finally:
        end_guarded(process)
    if stop.is_set() and code != 0:
        raise CommandStopped
    if code != 0:
        raise CommandFailed(_how_it_ended(arguments[0], code))
    return ""


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    if hasattr(os, "pidfd_open") and process.poll() is None:
        # Told at once, where `Popen.wait` would look every fiftieth of a second.
        descriptor = os.pidfd_open(process.pid)
        try:
            select.select([descriptor], [], [], seconds)
        finally:
            os.close(descriptor)
        return process.poll()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the program to stop; `end_guarded` ends what does not within `grace` seconds."""
    os.killpg(process.pid, signal.SIGTERM)
    _wait(process, grace)


def _divergence_so_far(metrics: Path) -> str:
    """Why a run need not go on; a log that cannot be read yet says nothing."""
    try:
        table = _table(metrics)
        if not table.has("loss") or not len(table):
            return ""
        loss = table.columns["loss"][np.isfinite(table.columns["loss"])]
        return divergence("the loss", Series(np.arange(len(loss), dtype=float), loss))
    except (InputError, EnvironmentFailure):
        return ""


def _how_it_ended(program: str, code: int) -> str:
    if code == CANNOT_START:
        return f"{program} was not found or cannot be started: see trainer.command."
    if code < 0 or code > 128:
        number = -code if code < 0 else code - 128
        try:
            return f"{program} was ended by {signal.Signals(number).name}."
        except ValueError:
            pass
    return f"{program} ended with exit code {code}."


def _run(spec: RunSpec, log: Log, diverged: str, seconds: float) -> Run:
    count = count_parameters(spec.shape)
    state: State = "diverged" if diverged else "done"
    return Run(
        spec=spec,
        state=state,
        params_total=count.total,
        params_non_embedding=count.non_embedding,
        compute=training_flops(spec.shape, log.tokens[-1] if diverged else spec.tokens),
        loss=None if diverged else log.loss[-1],
        loss_standard_error=None,
        seconds=seconds,
        cpu_seconds=0.0,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        message=f"diverged: {diverged}." if diverged else "",
        environment={"trainer": "command"},
        curve=Curve(log.step, log.tokens, log.loss),
    )
