"""Studies on real clusters. These tests are asked for by `make test-clusters`, which installs what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isoflop.runs.directory import RunDirectory
from isoflop.studies.driver import run_study
from isoflop.studies.engines import engine_for
from isoflop.studies.progress import QuietReporter
from tests.studies.conftest import STUDY, make_study, text_directory
from tests.studies.test_driver import measured

__all__ = ["make_study", "text_directory"]

# Five seconds a run or so: a fault can strike while it trains.
LONG_RUNS = ('"4k", "8k", "16k"', '"100k", "400k"')


def runs_at_work(study_file: Path) -> list[RunDirectory]:
    runs = [RunDirectory(place) for place in study_file.parent.glob("runs/*")]
    return [run for run in runs if not run.is_done() and run.attempts() and run.attempts()[-1].is_alive()]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Left out unless asked for by mark: what they need is not in `.venv`."""
    return None if "clusters" in str(config.getoption("markexpr")) else True


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, text_directory: Path) -> dict[str, object]:
    """What the study of long runs comes to when nothing happens to it."""
    place = tmp_path_factory.mktemp("undisturbed") / "study.toml"
    text = STUDY.replace('directory = "text"', f'directory = "{text_directory}"')
    place.write_text(text.replace(*LONG_RUNS))
    run_study(place, engine=engine_for(place, "local"), reporter=QuietReporter())
    return measured(place)


@pytest.fixture
def drive() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `isoflop run STUDY --on ENGINE`, as a user does."""
    started: list[subprocess.Popen[str]] = []

    def start(study_file: Path, on: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "isoflop", "run", str(study_file), "--on", on, "--force", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
