"""Studies on real clusters. These tests are asked for by `make test-clusters`, which installs what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.studies.conftest import make_study, text_directory

__all__ = ["make_study", "text_directory"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Left out unless asked for by mark: what they need is not in `.venv`."""
    return None if "clusters" in str(config.getoption("markexpr")) else True


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
